# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history: only added to, chained, and telling on whoever rewrites it (S4.13, S3.14)."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._artifacts import Artifacts
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._history import chain
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._history.files import add_note, add_rollback, read
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._history.verify import verify
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._record import build_record

from tests.schemas import problems

from .results import DECIDED, DECIDED_EPOCH, UNREACHABLE, Bot

ROOT = Path(__file__).resolve().parents[4]
NOTED = "2026-01-06T08:00:00Z"


class Book:
    """An artifacts directory with a record and a line for each rollback."""

    def __init__(self, root: Path) -> None:
        self.root = root / "artifacts"
        self.root.mkdir()
        self.path = self.root / "history.jsonl"
        self.bot = Bot(root)
        self.back = [self.bot.variables(self.bot.halt(), self.bot.revert())]

    def build(self, rollback_id: str, variables: list[dict[str, Any]] | None = None, **inputs: Any) -> dict[str, Any]:
        given = {
            "rollback_id": rollback_id,
            "plan": "emergency",
            "scope": "bots",
            "trigger": "ESS - Capital Loss",
            "operator": "night-shift",
            "reason": "P&L anomaly",
            "decided_at": DECIDED,
            "bots": ["bot-1"],
            **inputs,
        }
        by_name = {"bot-1": (variables or self.back)[0]}
        return build_record(given, by_name, bool(inputs.get("check_mode")), DECIDED_EPOCH + 8100)

    def record(self, rollback_id: str, **inputs: Any) -> dict[str, Any]:
        """Recorded as the action does it."""
        artifacts = Artifacts(str(self.root), rollback_id + ("-check" if inputs.get("check_mode") else ""))
        written = artifacts.write_record(self.build(rollback_id, **inputs))
        assert artifacts.not_written == []
        return written

    def note(self, rollback_id: str, **findings: Any) -> dict[str, Any]:
        return add_note(str(self.root), rollback_id, "post-mortem", NOTED, findings)[0]

    def lines(self) -> list[bytes]:
        return self.path.read_bytes().splitlines()

    def rewrite(self, number: int, old: bytes, new: bytes) -> None:
        lines = self.lines()
        assert old in lines[number - 1]
        lines[number - 1] = lines[number - 1].replace(old, new)
        self.path.write_bytes(b"\n".join(lines) + b"\n")

    def wrong(self, head: str | None = None) -> list[str]:
        return verify(str(self.root), head)[0]

    def table(self) -> list[list[str]]:
        rows = (self.root / "history.md").read_text().splitlines()[4:]
        return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path)


@pytest.fixture
def three(book: Book) -> Book:
    for name in ("rb-1", "rb-2", "rb-3"):
        book.record(name)
    assert book.wrong() == []
    return book


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_each_line_holds_the_hash_of_the_one_before_and_of_its_record(three: Book) -> None:
    """S4.13, S3.14: what a line says, and how anybody can check it with nothing but SHA-256."""
    lines = three.lines()
    entries = [json.loads(line) for line in lines]
    assert [entry["previous"] for entry in entries] == [None, sha256(lines[0]), sha256(lines[1])]
    for number, entry in enumerate(entries, 1):
        assert problems("history", entry) == []
        record = json.loads((three.root / entry["rollback_id"] / "record.json").read_text())
        assert record.pop("history") == {"line": number, "head": sha256(lines[number - 1])}
        assert entry["record"] == sha256(json.dumps(record, sort_keys=True, separators=(",", ":")).encode())
    assert entries[0]["duration_minutes"] == 135.0 and entries[0]["status"] == "Monitoring"
    assert entries[0]["from"] == ["deploy-20260105-031500"] and entries[0]["to"] == ["deploy-20251201-083000"]


def test_notes_are_added_and_nothing_before_them_is_changed(three: Book) -> None:
    """S3.14: root cause, prevention and status are found out later."""
    before = three.path.read_bytes()
    link = three.note("rb-2", status="Resolved", prevention_measures=["a test", "an alert"])
    after = three.path.read_bytes()
    assert after.startswith(before) and link == {"line": 4, "head": sha256(three.lines()[3])}
    assert problems("history", json.loads(three.lines()[3])) == [] and three.wrong() == []


@pytest.mark.parametrize(
    ("name", "findings", "sentence"),
    [
        ("rb-9", {"status": "Resolved"}, "rollback 'rb-9' is not in"),
        ("rb-1", {}, "nothing is noted"),
        ("rb-1", {"status": "Closed"}, "status is 'Closed': use one of Resolved, Monitoring, Under Investigation"),
    ],
)
def test_a_note_that_says_nothing_or_is_of_nothing(three: Book, name: str, findings: Any, sentence: str) -> None:
    before = three.path.read_bytes()
    with pytest.raises(OperationError, match=sentence):
        three.note(name, **findings)
    assert three.path.read_bytes() == before


def test_the_table_has_the_newest_of_everything(three: Book) -> None:
    """S4.13: date, UTC time, trigger, duration, impact, resolver; one row for each rollback."""
    three.note("rb-1", status="Resolved", impact="-$150", root_cause="a | b", resolved_by="Operator-1")
    three.note("rb-1", root_cause="stale cache", prevention_measures=["a test", "an alert"])
    three.record("rb-2", variables=[three.bot.variables(UNREACHABLE)])
    assert three.table() == [
        [
            *("2026-01-05", "03:15", "[rb-1](rb-1/incident.md)", "P&amp;L anomaly", "ESS - Capital Loss"),
            *("manual, night-shift", "deploy-20260105-031500", "deploy-20251201-083000", "2 h 15 min"),
            *("restored, 1 bot", "-$150", "stale cache", "a test; an alert", "Operator-1", "Resolved"),
        ],
        *[row for row in three.table() if row[2].startswith(("[rb-2]", "[rb-3]"))],
    ]
    assert [row[9] for row in three.table()] == ["restored, 1 bot", "exposed, 1 bot", "restored, 1 bot"]
    assert [row[14] for row in three.table()] == ["Resolved", "Under Investigation", "Monitoring"]
    assert three.table()[1][6:8] == ["-", "-"], "nothing of an earlier run stands where the newest knows nothing"


def test_nothing_that_others_wrote_breaks_the_table(book: Book) -> None:
    book.record(
        "rb-1", reason="a | b\n| c | <b>x</b> \x1b[31m [y](http://z) `q` \u202e \\| _e_ a_b", trigger="\ud83d x"
    )
    (row,) = book.table()
    assert len(row) == 15
    assert row[3] == r"a \| b \| c \| &lt;b&gt;x&lt;/b&gt; \[31m \[y\](http://z) \`q\` \\\| \_e\_ a_b"
    assert book.wrong() == []


# Somebody rewrites


def test_a_line_that_was_changed_is_named(three: Book) -> None:
    three.rewrite(2, b"emergency", b"innocuous")
    wrong = three.wrong()
    assert wrong[0] == "history.jsonl: line 3 does not continue line 2: a line was changed, added or removed there"
    assert "rb-2/record.json names line 2 with another hash than it has" in wrong[1]


def test_a_last_line_that_was_changed_shows_in_its_record(three: Book) -> None:
    three.rewrite(3, b"emergency", b"innocuous")
    (sentence,) = three.wrong()
    assert sentence.startswith("rb-3/record.json names line 3 with another hash than it has")


def test_a_removed_line_is_named(three: Book) -> None:
    lines = three.lines()
    three.path.write_bytes(lines[0] + b"\n" + lines[2] + b"\n")
    wrong = three.wrong()
    assert wrong[0].startswith("history.jsonl: line 2 does not continue line 1")
    assert "rb-2/record.json is of no line" in wrong[1]


def test_a_removed_beginning_is_named(three: Book) -> None:
    three.path.write_bytes(b"\n".join(three.lines()[1:]) + b"\n")
    assert three.wrong()[0].startswith("history.jsonl: line 1 does not begin a history")


def test_a_line_that_was_put_in_is_named(three: Book) -> None:
    lines = three.lines()
    three.path.write_bytes(b"\n".join([lines[0], b"", *lines[1:]]) + b"\n")
    assert three.wrong()[0].startswith("history.jsonl: line 3 does not continue line 2")


def test_a_record_that_was_changed_is_named(three: Book) -> None:
    path = three.root / "rb-2" / "record.json"
    path.write_text(path.read_text().replace('"restored"', '"exposed"', 1))
    assert three.wrong() == ["rb-2/record.json is not what line 2 is of: the record was changed, or the line"]
    path.write_text("[]")
    assert three.wrong() == [f"{path} is no record: it holds no JSON object"]
    path.write_text("{")
    assert three.wrong()[0].startswith(f"{path} cannot be read: ")


def test_a_record_that_is_of_no_line_is_named(three: Book) -> None:
    """Also one that claims to be of check mode but has the name of a rollback that really happened."""
    three.record("rb-4", check_mode=True)
    assert three.wrong() == [], "check mode is no part of the history"
    (three.root / "rb-2").rename(three.root / "rb-two")
    assert three.wrong()[0].startswith("rb-two/record.json is of no line")
    (three.root / "rb-4-check").rename(three.root / "rb-3-check")
    (three.root / "rb-3" / "record.json").write_bytes((three.root / "rb-3-check" / "record.json").read_bytes())
    assert any(sentence.startswith("rb-3/record.json is not what line 3 is of") for sentence in three.wrong())


def test_records_may_be_removed(three: Book) -> None:
    (three.root / "rb-2" / "record.json").unlink()
    wrong, remarks = verify(str(three.root))
    assert wrong == [] and remarks == ["3 lines, 3 rollbacks, 2 records; 1 without a record any more"]


def test_an_end_that_was_rewritten_whole_shows_against_a_head_kept_elsewhere(three: Book, tmp_path: Path) -> None:
    """All of it is consistent, so nothing but a head that the rewriter could not reach tells."""
    kept, head = tmp_path / "kept.json", sha256(three.lines()[1])
    kept.write_bytes((three.root / "rb-2" / "record.json").read_bytes())
    assert three.wrong(str(kept)) == [] and three.wrong(head) == [] and three.wrong(head.upper()) == []
    three.path.write_bytes(three.lines()[0] + b"\n")
    three.record("rb-2", reason="nothing happened")
    three.record("rb-3")
    assert three.wrong() == []
    assert "names line 2 with another hash than it has" in three.wrong(str(kept))[0]
    assert three.wrong(head) == [f"history.jsonl has no line with the hash {head}: it was rewritten or cut off since"]
    three.path.write_bytes(three.lines()[0] + b"\n")
    assert three.wrong(head), "cut off"


# Controllers die


def die_in_append(book: Book, length: int) -> None:
    """What is left when a host loses power in the middle of a line."""
    whole = book.path.read_bytes()
    book.record("rb-dying")
    (book.root / "rb-dying" / "record.json").unlink()
    book.path.write_bytes(book.path.read_bytes()[: len(whole) + length])


@pytest.mark.parametrize("length", [1, 300])
def test_a_line_that_was_cut_short_is_named_and_continued(three: Book, length: int) -> None:
    die_in_append(three, length)
    assert three.wrong() == [
        "history.jsonl: line 4, the last one, is cut short: the next rollback or note continues after it"
    ]
    torn = three.path.read_bytes()
    link, warnings = add_rollback(str(three.root), three.build("rb-5"))
    assert link["line"] == 5 and "line 4, the last one, is cut short" in warnings[0]
    assert three.path.read_bytes().startswith(torn + b"\n"), "what was there stays"
    wrong, remarks = verify(str(three.root))
    assert wrong == [] and remarks[0] == "history.jsonl: line 4 is cut short: its writer died in it"
    three.rewrite(4, three.lines()[3], b"")
    assert three.wrong(), "and what it was is chained, too"


def test_a_line_that_lacks_its_line_end_alone_is_whole(three: Book) -> None:
    three.path.write_bytes(three.path.read_bytes()[:-1])
    assert three.wrong() == []
    three.note("rb-3", status="Resolved")
    assert three.wrong() == [] and len(three.lines()) == 4


def test_a_controller_that_died_between_line_and_record(book: Book) -> None:
    """Of a first run, nothing but a line without a record is left; of a later one, the record is of an earlier line."""
    add_rollback(str(book.root), book.build("rb-1"))
    assert book.wrong() == []
    book.record("rb-1")
    assert book.wrong() == []
    add_rollback(str(book.root), book.build("rb-1", reason="again"))
    assert book.wrong() == [
        (
            "rb-1/record.json is of line 2, but line 3 is of a later run: "
            "its controller died before it wrote the record, or an older record was put back"
        )
    ]
    book.record("rb-1", reason="again")
    assert book.wrong() == []


def test_a_broken_history_goes_on_with_a_warning(three: Book) -> None:
    three.rewrite(1, b"emergency", b"innocuous")
    artifacts = Artifacts(str(three.root), "rb-4")
    record = artifacts.write_record(three.build("rb-4"))
    assert record["history"]["line"] == 4 and (three.root / "rb-4" / "record.json").exists()
    (warning,) = artifacts.warnings
    assert "is broken, and goes on after that: line 2 does not continue line 1" in warning
    assert not any("line 4" in sentence for sentence in three.wrong())


@pytest.mark.parametrize(
    "content", [b'{"kind": "rollback"}\n', b"[1]\n", b"\xff\xfe\n\0\0", b'{"rollback_id": [], "kind": "note"}\n']
)
def test_foreign_lines_stop_nothing(book: Book, content: bytes) -> None:
    book.path.write_bytes(content)
    book.record("rb-1")
    assert [row[2] for row in book.table()][-1] == "[rb-1](rb-1/incident.md)"


# Others write at the same time, or nobody can


def test_many_controllers_at_once_lose_no_line(tmp_path: Path) -> None:
    book = Book(tmp_path)
    code = (
        "import json, sys; from ansible_collections.tradeops.botfleet.plugins.plugin_utils._history.files import "
        "add_rollback\nfor line in sys.stdin:\n    add_rollback(sys.argv[1], json.loads(line))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".cache" / "collections")}
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(book.root)], stdin=subprocess.PIPE, env=environment)
        for _writer in range(4)
    ]
    for index, writer in enumerate(writers):
        assert writer.stdin is not None
        writer.stdin.write(b"".join(json.dumps(book.build(f"rb-{index}-{n}")).encode() + b"\n" for n in range(15)))
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert len(book.lines()) == 60 and book.wrong() == [] and len(book.table()) == 60


def test_a_history_that_somebody_holds_loses_no_record(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "PATIENCE", 0.2)
    book.record("rb-1")
    with book.path.open() as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        artifacts = Artifacts(str(book.root), "rb-2")
        record = artifacts.write_record(book.build("rb-2"))
    assert record["history"] is None and artifacts.not_written == [str(book.path)]
    assert "is locked for 0.2 s: see who holds it" in artifacts.warnings[0]
    assert problems("record", json.loads((book.root / "rb-2" / "record.json").read_text())) == []
    assert book.wrong()[0].startswith("rb-2/record.json is of no line: its line was removed, or could not be added")


@pytest.fixture
def full_disk(three: Book) -> Iterator[Callable[[], None]]:
    """No file can grow beyond the history's size and some bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (three.path.stat().st_size + 40, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_no_half_line(three: Book, full_disk: Callable[[], None]) -> None:
    whole = three.path.read_bytes()
    full_disk()
    with pytest.raises((OperationError, OSError)) as caught:
        add_rollback(str(three.root), three.build("rb-4"))
    assert "disk is full" in str(caught.value) or getattr(caught.value, "errno", None) == errno.EFBIG
    assert three.path.read_bytes() == whole and three.wrong() == []


def test_a_table_that_cannot_be_written_is_a_warning(three: Book) -> None:
    (three.root / "history.md").unlink()
    (three.root / "history.md").mkdir()
    link, warnings = add_rollback(str(three.root), three.build("rb-4"))
    assert link["line"] == 4 and "history.md could not be written" in warnings[0]


def test_a_symlink_in_place_of_the_history_is_not_followed(book: Book, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("")
    book.path.symlink_to(target)
    artifacts = Artifacts(str(book.root), "rb-1")
    assert artifacts.write_record(book.build("rb-1"))["history"] is None and target.read_text() == ""


def test_modes_are_kept(three: Book) -> None:
    for name in ("history.jsonl", "history.md"):
        (three.root / name).chmod(0o640)
    three.note("rb-1", status="Resolved")
    assert {stat.S_IMODE((three.root / name).stat().st_mode) for name in ("history.jsonl", "history.md")} == {0o640}


# The command


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """It runs from a collection that is installed anywhere, on a Python that has no other package."""
    installed = tmp_path_factory.mktemp("installed") / "ansible_collections" / "tradeops" / "botfleet"
    installed.mkdir(parents=True)
    subprocess.run(["cp", "-r", str(ROOT / "scripts"), str(ROOT / "plugins"), str(installed)], check=True)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        script = str(installed / "scripts" / "history.py")
        return subprocess.run(
            [sys.executable, "-I", "-S", script, *arguments],
            cwd="/",
            env={"LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_the_command_verifies(three: Book, command: Any) -> None:
    done = command("verify", str(three.root), "--head", str(three.root / "rb-1" / "record.json"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("verified: the chain is whole")
    three.rewrite(1, b"emergency", b"innocuous")
    done = command("verify", str(three.root))
    assert done.returncode == 1 and done.stdout.splitlines()[0].startswith("history.jsonl: line 2 does not continue")
    assert done.stdout.splitlines()[-1] == "NOT VERIFIED"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("verify", "/nowhere"), "/nowhere/history.jsonl is not there"),
        (("table", "/nowhere"), "/nowhere/history.jsonl is not there"),
        (("note", "/nowhere", "rb-1", "--status", "Resolved"), "/nowhere/history.jsonl is not there"),
        (("verify", "ARTIFACTS", "--head", "/nowhere"), "/nowhere cannot be read"),
        (("note", "ARTIFACTS", "rb-1"), "nothing is noted"),
    ],
)
def test_the_command_says_what_is_wrong_with_what_it_was_given(
    three: Book, command: Any, arguments: tuple[str, ...], sentence: str
) -> None:
    done = command(*(str(three.root) if argument == "ARTIFACTS" else argument for argument in arguments))
    assert done.returncode == 1 and done.stderr.startswith("history.py: ") and sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_command_notes_and_shows(three: Book, command: Any) -> None:
    done = command(
        *("note", str(three.root), "rb-3", "--status", "Resolved", "--impact", "-150 €", "--resolved-by", "Operator-1"),
        *("--root-cause", "stale cache", "--prevention", "a test", "--prevention", "an alert"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    noted = json.loads(three.lines()[3])
    assert problems("history", noted) == [] and noted["prevention_measures"] == ["a test", "an alert"]
    assert "@" in noted["operator"] and three.wrong() == []
    shown = command("table", str(three.root)).stdout
    assert "stale cache | a test; an alert | Operator-1 | Resolved |" in shown
    assert shown == (three.root / "history.md").read_text()
    assert read(str(three.root)).lines[3].content == noted

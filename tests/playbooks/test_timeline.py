# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator sees: real runs on a terminal, through a pipe, beside another callback.

Most run a small playbook, whose bots are a flag file each: one is slow, one fails, one is down.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.peers.slow import make_collections
from tests.peers.ssh import free_port
from tests.peers.terminal import Terminal

from .conftest import ROOT, Fleet, make_fleet

TIMELINE = "tradeops.botfleet.timeline"
OWNER = {"ANSIBLE_STDOUT_CALLBACK": TIMELINE}
GUEST = {"ANSIBLE_CALLBACKS_ENABLED": TIMELINE}
STEPS = [{"name": "Lower \x1b[2J the flag", "id": "flag", "go_live_flag": {"path": "{{ flag }}", "state": "absent"}}]
HALT = {
    "name": "Halt",
    "hosts": "all",
    "gather_facts": False,
    "tasks": [
        {
            "name": "Make the bot safe",
            "tradeops.botfleet.transaction": {
                "rollback_id": "rb-1",
                "state_dir": "{{ state }}",
                "stages": [
                    {"name": "halt", "on_failure": "continue", "delay": "{{ wait }}", "steps_from": "steps"},
                ],
                "safe": {"steps_from": "steps"},
            },
            "ignore_errors": True,
            "ignore_unreachable": True,
        }
    ],
}
OTHER = {
    "name": "Nothing of ours",
    "hosts": "localhost",
    "gather_facts": False,
    "tasks": [
        {"name": "Say something", "ansible.builtin.debug": {"msg": "hello"}},
        {"name": "Loop", "ansible.builtin.command": "echo {{ item }}", "loop": [1, 2]},
        {"name": "Skip", "ansible.builtin.command": "echo", "when": False},
        {"name": "Fail", "ansible.builtin.fail": {"msg": "broken"}},
    ],
}


class Flags:
    """Bots that are a flag file each, and a playbook that halts them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.hosts: dict[str, dict[str, Any]] = {}
        for name in ("quick", "slow", "broken", "down"):
            (root / name).mkdir()
            (root / name / "flag").write_text("up")
            self.hosts[name] = {"flag": str(root / name / "flag")}
        self.hosts["slow"]["wait"] = 3
        self.hosts["broken"]["flag"] = str(root / "broken")
        self.hosts["down"].update(ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=free_port())

    def argv(self, *plays: dict[str, Any], limit: str = "all") -> list[str]:
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_pipelining": True,
            "state": str(self.root / "state"),
            "steps": STEPS,
            "wait": 0,
        }
        (self.root / "inventory.yml").write_text(json.dumps({"all": {"vars": variables, "hosts": self.hosts}}))
        (self.root / "play.yml").write_text(json.dumps(plays))
        command = [sys.executable, "-m", "ansible", "playbook", "-f", "4", "-i", str(self.root / "inventory.yml")]
        return [*command, "--limit", f"{limit}:localhost", str(self.root / "play.yml")]

    def env(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        return {
            **kept,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
            "ANSIBLE_HOME": str(self.root / "ansible"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "LC_ALL": "C.UTF-8",
            **more,
        }

    def pipe(self, argv: list[str], settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
        env = self.env(**settings)
        return subprocess.run(argv, env=env, cwd=self.root, capture_output=True, text=True, timeout=120, check=False)

    def terminal(self, argv: list[str], settings: dict[str, str], interrupt_at: str = "") -> Terminal:
        terminal = Terminal()
        terminal.run(argv, self.env(**settings), self.root, interrupt_at)
        return terminal


@pytest.fixture
def flags(tmp_path: Path) -> Flags:
    return Flags(tmp_path)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One bot of each kind."""
    yield from make_fleet(tmp_path_factory.mktemp("timeline"), 1)


def test_on_a_terminal(flags: Flags) -> None:
    seen = flags.terminal(flags.argv(HALT), OWNER)
    assert seen.code == 0, "failures were ignored, as without the callback"
    assert seen.saw(" of 4  0 ok") and seen.saw("waiting for slow, ")
    assert any("█" in frame and "3 of 4" in frame for frame in seen.frames), "the bar grows while one is missing"
    assert re.search(r"^halt +█+▓+ +4 of 4  2 ok, 1 failed, 1 unreachable, \d", seen.text, re.MULTILINE)
    assert seen.text.count("of 4") == 1, "the bars are drawn in place"
    assert "waiting for" not in seen.text
    assert re.search(r"down halt FAILED: unreachable: .*refused", " ".join(seen.text.split()))
    assert "NOT KNOWN TO BE SAFE: broken, down" in seen.text
    assert "{" not in seen.text and "TASK" not in seen.text, "no result is dumped"
    assert b"\x1b[2J" not in seen.sent and rb"\x1b[2J" in seen.sent, "a name is no command"
    assert b"\x1b[?25l" not in seen.sent, "whatever ends the run, the cursor is there"
    assert b"\x1b[0;31m" in seen.sent or b"\x1b[31m" in seen.sent


@pytest.mark.parametrize("variable", ["NO_COLOR", "ANSIBLE_NOCOLOR"])
def test_colours_can_be_switched_off(flags: Flags, variable: str) -> None:
    seen = flags.terminal(flags.argv(HALT, limit="quick:broken"), {**OWNER, variable: "1"})
    assert "█" in seen.text and not re.search(rb"\x1b\[[0-9;]*m", seen.sent)


@pytest.mark.parametrize("more", [{"BOTFLEET_TIMELINE_LIVE": "false"}, {"TERM": "dumb"}])
def test_a_terminal_can_have_lines_only(flags: Flags, more: dict[str, str]) -> None:
    argv = ["env", *(f"{name}={value}" for name, value in more.items()), *flags.argv(HALT, limit="quick")]
    seen = flags.terminal(argv, {**OWNER, "NO_COLOR": "1"})
    assert b"\x1b" not in seen.sent and "halt ends: 1 ok" in seen.text


def test_ctrl_c_names_who_is_not_known_to_be_safe(flags: Flags) -> None:
    flags.hosts["slow"]["wait"] = 60
    seen = flags.terminal(flags.argv(HALT, limit="quick:slow"), OWNER, interrupt_at="waiting for slow")
    assert seen.code == 99
    assert "NOT KNOWN TO BE SAFE: slow" in seen.text and "No record was written." in seen.text
    assert "User interrupted" in seen.text


def test_a_terminal_that_goes_away_stops_nothing(flags: Flags) -> None:
    """As when a connection to the controller breaks, and ansible-playbook is kept alive."""
    after = {**HALT, "hosts": "quick", "tasks": [{"ansible.builtin.copy": {"dest": "{{ flag }}", "content": "after"}}]}
    argv = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *flags.argv(HALT, after, limit="quick:slow:down")]
    seen = Terminal()
    seen.run(argv, flags.env(**OWNER), flags.root, gone_at="unreachable")
    assert not (flags.root / "slow" / "flag").exists(), "its halt ended after that"
    assert (flags.root / "quick" / "flag").read_text() == "after", "and whatever followed was done"


def test_a_pipe_that_nobody_reads_any_more_stops_nothing(flags: Flags) -> None:
    argv = flags.argv(HALT, HALT, limit="quick:slow")
    with subprocess.Popen(argv, env=flags.env(**OWNER), cwd=flags.root, stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert "Broken pipe" not in process.stderr.read()
    assert not (flags.root / "slow" / "flag").exists()


def test_through_a_pipe(flags: Flags) -> None:
    done = flags.pipe(flags.argv(HALT), OWNER)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    lines = [re.sub(r"^\[ *[\d.]+ s\] ", "", line) for line in done.stdout.splitlines()]
    assert lines[:2] == ["rollback begins", "halt begins: 4 bots"]
    assert any(re.match(r"halt: 3 of 4, 1 ok, 1 failed, 1 unreachable; waiting for slow, ", line) for line in lines)
    assert any(re.match(r"halt ends: 2 ok, 1 failed, 1 unreachable, after \d", line) for line in lines)
    assert sum(line.startswith("broken halt FAILED: ") for line in lines) == 1
    assert r"\x1b[2J" in done.stdout, "what a name holds is spelled out"


class Slow:
    """A bot whose database takes long to back up, detached."""

    def __init__(self, flags: Flags, seconds: float) -> None:
        """seconds: that it takes, once it has begun."""
        self.flags, root = flags, flags.root
        copy = {"path": f"{root}/copy", "gate": f"{root}/gate"}
        stage = {"name": "preserve", "steps": [{"name": "Back up the database", "slow_copy": copy}]}
        own = {"rollback_id": "rb-1", "state_dir": "{{ state }}", "stages": [stage], "detach": True}
        self.play = {**HALT, "tasks": [{"name": "Preserve", "tradeops.botfleet.transaction": own}]}
        self.settings = {"ANSIBLE_COLLECTIONS_PATH": str(make_collections(root / "collections"))}
        threading.Thread(target=self._open, args=[seconds], daemon=True).start()

    def _open(self, seconds: float) -> None:
        while not (self.flags.root / "copy.log").exists():
            time.sleep(0.1)
        time.sleep(seconds)
        (self.flags.root / "gate").touch()


FAR = r"quick: Back up the database, \d+ %, \d\.\d of 3\.0 GB, [\d.]+ MB/s, [\d.]+ (?:s|min) "


def test_how_far_a_detached_step_is_on_a_terminal(flags: Flags) -> None:
    slow = Slow(flags, 15)
    seen = flags.terminal(flags.argv(slow.play, limit="quick"), {**OWNER, **slow.settings})
    assert seen.code == 0 and "Back up the database" not in seen.text
    shown = {found[0] for frame in seen.frames if (found := re.search(FAR, frame))}
    assert len(shown) > 1, "it moves"
    assert any(
        "░" in frame and re.search(rf"^{FAR}.*\nwaiting for quick, ", frame, re.MULTILINE) for frame in seen.frames
    )


def test_how_far_a_detached_step_is_in_a_log(flags: Flags) -> None:
    """As in AWX: beside another callback, one line each 10 s."""
    slow = Slow(flags, 28)
    done = flags.pipe(flags.argv(slow.play, limit="quick"), {**GUEST, **slow.settings})
    assert done.returncode == 0, done.stdout + done.stderr
    said = re.findall(
        rf"^\[ *([\d.]+) s\] preserve: 0 of 1, 0 ok; waiting for quick, \d+ s; {FAR}", done.stdout, re.MULTILINE
    )
    times = [float(seconds) for seconds in said]
    assert 2 <= len(times) <= 4 and times[1] - times[0] > 9, done.stdout
    assert "Back up the database" not in done.stderr


def test_how_far_a_detached_step_is_without_the_timeline(flags: Flags) -> None:
    """Whatever callback has the output, which may be a document, it stays as it is."""
    slow = Slow(flags, 22)
    done = flags.pipe(flags.argv(slow.play, limit="quick"), slow.settings)
    assert done.returncode == 0 and re.search(rf"^{FAR}", done.stderr, re.MULTILINE), done.stdout + done.stderr
    assert "Back up the database" not in done.stdout


def test_verbose_has_a_line_for_each_stage_of_a_bot(flags: Flags) -> None:
    done = flags.pipe([*flags.argv(HALT, limit="quick"), "-v"], OWNER)
    assert re.search(r"\] quick halt ok, [\d.]+ s: flag changed$", done.stdout, re.MULTILINE), done.stdout


def test_beside_another_callback(flags: Flags) -> None:
    """As in AWX: its lines between those of the one that has the output, and no task of others twice."""
    alone = flags.pipe(flags.argv(OTHER), {})
    done = flags.pipe(flags.argv(OTHER), GUEST)
    assert done.stdout == alone.stdout and done.returncode == alone.returncode == 2
    done = flags.pipe(flags.argv(HALT, limit="quick:broken"), GUEST)
    assert done.stdout.count("TASK [Make the bot safe]") == 1 and "PLAY RECAP" in done.stdout
    assert "] halt begins: 2 bots" in done.stdout and "] halt ends: 1 ok, 1 failed" in done.stdout
    assert "\x1b[" not in flags.terminal(flags.argv(HALT, limit="quick"), {**GUEST, "NO_COLOR": "1"}).sent.decode()


def test_what_is_not_ours_looks_as_usual(flags: Flags) -> None:
    usual = flags.pipe(flags.argv(OTHER), {})
    done = flags.pipe(flags.argv(OTHER), OWNER)
    assert (done.stdout, done.stderr, done.returncode) == (usual.stdout, usual.stderr, usual.returncode)
    mixed = flags.pipe(flags.argv(HALT, OTHER, limit="quick"), OWNER)
    assert "PLAY [Halt]" not in mixed.stdout and "PLAY [Nothing of ours]" in mixed.stdout
    assert mixed.stdout.index("halt ends: 1 ok") < mixed.stdout.index("TASK [Say something]")
    assert "PLAY RECAP" in mixed.stdout and mixed.returncode == 2


def test_a_playbook_that_is_no_rollback_has_nothing_to_say_of_one(flags: Flags) -> None:
    lock = {"path": str(flags.root / "fleet.lock"), "rollback_id": "rb-1", "state": "free"}
    own = {**OTHER, "tasks": [{"tradeops.botfleet.fleet_lock": lock}, {"ansible.builtin.debug": {"msg": "hello"}}]}
    done = flags.pipe(flags.argv(own), OWNER)
    assert done.returncode == 0 and "hello" in done.stdout and "record" not in done.stdout, done.stdout + done.stderr


def test_a_refusal_is_said_once(pair: Fleet) -> None:
    run = pair.rollback(plan="emergancy", environment=OWNER)
    assert run.code == 2
    assert run.output.count('plan is "emergancy": set -e plan to one of') == 1 and "assess REFUSED" in run.output
    assert "ended before any bot was reached" in run.output and "TASK" not in run.output
    run = pair.rollback(batch="-1", environment=OWNER)
    assert run.code == 2 and run.output.count('batch is "-1"') == 1


def test_a_check_says_so_all_along(pair: Fleet) -> None:
    run = pair.rollback("--check", "--diff", environment=OWNER)
    assert run.code == 0, run.output
    timed = [line for line in run.output.splitlines() if line.startswith("[ ")]
    assert timed and all(" check mode] " in line for line in timed)
    assert "CHECK MODE: nothing was changed" in run.output
    shown = run.output.index("tn-1 halt: Stop the process: stop tn-1 (pid ")
    assert [line.strip() for line in run.output[shown:].splitlines()[1:3]] == ["- running", "+ stopped"]


def test_a_rollback_on_a_terminal(pair: Fleet) -> None:
    pair.overrides["tn-1"] = {
        "botfleet_health_deadline": 0,
        "botfleet_health_checks": [{"name": "never", "tcp": {"port": free_port()}}],
    }
    try:
        seen = Terminal()
        seen.run(pair.argv(rollback_id="rb-seen"), {**pair.env(), **OWNER}, pair.work)
    finally:
        pair.overrides.clear()
    assert seen.code == 2
    assert "rb-seen, " in seen.text and seen.text.count("outcome") == 1, "the table is there once"
    for stage in ("halt", "preserve", "revert", "resume", "verify"):
        assert len(re.findall(rf"^{stage} +[█▓▒]+ +2 of 2", seen.text, re.MULTILINE)) == 1
    assert re.search(r"^tn-1 +\d+\.\d s +no +off", seen.text, re.MULTILINE)
    words = " ".join(seen.text.split())
    assert "The bot is healthy: 1 of 1 checks failed" in words
    assert "safe but not restored: " in words and "FAILED!" not in words
    assert re.search(r"^record +artifacts/rb-seen/record.json$", seen.text, re.MULTILINE), "it can be copied"
    assert re.search(r"^\[ +0\.\d s\] checking the inputs$", seen.text, re.MULTILINE)
    assert "mend what the failure says, then run again with -e rollback_id=rb-seen" in words


def test_a_rollback_through_a_pipe(pair: Fleet) -> None:
    pair.up()
    run = pair.rollback(environment=OWNER)
    assert run.code == 0, run.output
    assert "\x1b" not in run.output and "TASK" not in run.output
    assert run.output.count("outcome  ") == 1 and str(run.artifacts) in run.output
    assert re.search(r"\] preserve, revert, resume and verify end: 2 ok, after ", run.output), run.output
    again = pair.rollback("-v", environment=OWNER, rollback_id=run.record["rollback_id"])
    assert again.code == 0 and again.output.count("STORED RESULT: nothing was read or touched in this run") == 2
    assert "] halt ends: 0 ok, 2 stored" in again.output and " halt ok (stored), " in again.output
    other = pair.rollback(environment=OWNER, rollback_id=run.record["rollback_id"], plan="go_live", scope="qt-1")
    assert other.code == 2 and "is of the plan emergency: leave rollback_id out" in other.output, other.output
    assert other.record == again.record == run.record


def test_bots_that_a_lost_one_holds(pair: Fleet) -> None:
    """Why it is lost is said at once and in the table; of the batches there is nothing to say."""
    pair.up()
    pair.overrides["tn-1"] = {
        "ansible_connection": "ssh",
        "ansible_host": "127.0.0.1",
        "ansible_port": free_port(),
        "ansible_user": "nobody",
    }
    try:
        run = pair.rollback(environment=OWNER, rollback_id="rb-lost")
    finally:
        pair.overrides.clear()
    assert run.code == 2 and run.states() == {"tn-1": "exposed", "qt-1": "safe"}
    assert run.output.count("unreachable: ") == 2 and "Task failed" not in run.output, run.output
    assert "] all 2 bots held at the barrier" in run.output and " begin: " not in run.output
    assert " go on: " not in run.output
    assert "make sure that tn-1 cannot trade (its machine, its exchange), then run again with" in run.output
    assert run.output.rstrip().endswith("-e rollback_id=rb-lost; to go on without it add -e max_unsafe=1")

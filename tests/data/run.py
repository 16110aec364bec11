# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random faults while a database is backed up, restored and filled again: ``make data-faults SEEDS=100``.

Each seed is one story on a real host: a bot writes fills, a backup is taken, the bot writes on, a bad deploy makes a
table, the backup is restored or the restore taken back, and the rows of all safety copies are brought back. One fault
strikes at a random moment of one of these. Then what was struck is done again until it ends well. In between, the
database has to be the old one or the new one, and in the end each row that the bot was told of is there, once, by the
log that it keeps for itself. The last line is ``seeds run N, rows written W, rows found F, rows lost L``; the exit code
is 1 if a row was lost, or a seed did not end.
"""

from __future__ import annotations

import argparse
import os
import queue
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError

from tests.faults.host import podman
from tests.peers.questdb import Writer

from .host import BACKUPS, ROOT, TASK, Begun, Cannot, DatabaseHost, Done, are_up, bring_up, fleet
from .rows import Counted, compared

PHASES = ("backup", "restore", "return")
LONGEST = 90.0  # s, for a task under a fault
PATIENCE = 4
"""How often what was struck is done again. Once ends what was interrupted, once does it; a server may end meanwhile."""
ORPHAN = "send CHECKPOINT RELEASE if nobody does"
"""Of a checkpoint that was opened for what was killed before it could note whose it is."""

ENDS = ("seeds", "restored", "then put back", "did not end")
COLUMNS = ("fault", *ENDS, "rows written", "rows found", "rows lost", "strange rows")
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- figures of make data-faults -->", "<!-- end of figures of data -->"


@dataclass
class Story:
    """One seed under way."""

    seed: int
    host: DatabaseHost
    chance: random.Random
    work: Path
    struck: str = ""


Fault = Callable[[Story, Begun], None]


def kill_task(story: Story, _begun: Begun) -> None:
    """SIGKILL to all of it on the host."""
    story.host.run(f"pkill -KILL {TASK} || :")


def kill_server(story: Story, _begun: Begun) -> None:
    """SIGKILL to every QuestDB there is, which systemd starts again."""
    story.host.run("pkill -KILL java || :")


def end_task(story: Story, _begun: Begun) -> None:
    """SIGTERM to it on the host, as by a time-out there."""
    story.host.run(f"pkill -TERM {TASK} || :")


def kill_controller(_story: Story, begun: Begun) -> None:
    """SIGKILL to ansible-playbook."""
    os.killpg(begun.process.pid, signal.SIGKILL)


def start_server(story: Story, _begun: Begun) -> None:
    """A colleague's systemctl start."""
    story.host.run("systemctl start questdb || :")


def stop_server(story: Story, _begun: Begun) -> None:
    """A colleague's systemctl stop, and start a while later."""
    story.host.run("systemctl stop questdb || :")
    time.sleep(story.chance.uniform(0, 5))
    story.host.run("systemctl start questdb || :")


def reboot_host(story: Story, _begun: Begun) -> None:
    """Power off, and on again."""
    story.host.reboot()


def pause_host(story: Story, _begun: Begun) -> None:
    """It stands still for a while."""
    story.host.pause()
    time.sleep(story.chance.uniform(1, 10))
    podman("unpause", story.host.container)


FAULTS: tuple[Fault, ...] = (
    kill_task, kill_server, end_task, kill_controller, start_server, stop_server, reboot_host, pause_host,
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """What became of one seed. state: ``restored`` or ``put back``; counted: None if it did not end, and why says so"""

    seed: int
    phase: str
    fault: str
    moment: float
    mode: str
    state: str
    counted: Counted | None
    why: str
    seconds: float

    @property
    def failed(self) -> bool:
        return self.counted is None or bool(self.counted.lost or self.counted.strange)

    def __str__(self) -> str:
        came = self.why if self.counted is None else f"{self.state}, {self.counted}, {self.counted.strange} strange"
        fault = f"{self.fault} {self.moment:.1f} s into {self.phase}"
        return f"seed {self.seed}: {fault}, {self.mode}: {came} ({self.seconds:.0f} s)"


def play(host: DatabaseHost, seed: int, work: Path) -> Result:
    """One seed."""
    began, chance = time.monotonic(), random.Random(seed)
    mode, phase, fault = chance.choice(["cold", "checkpoint"]), chance.choice(PHASES), chance.choice(FAULTS)
    moment = chance.uniform(0, 9 if phase == "restore" else 6)
    story = Story(seed, host, chance, work)
    state, counted, why = "", None, ""
    try:
        state, counted = _play(story, mode, phase, fault, moment)
    except (AssertionError, OperationError) as error:
        why = " ".join(str(error).split())[-700:]
    name = fault.__name__.replace("_", " ")
    return Result(seed, phase, name, moment, mode, state, counted, why, time.monotonic() - began)


def _play(story: Story, mode: str, phase: str, fault: Fault, moment: float) -> tuple[str, Counted]:
    host, chance = story.host, story.chance

    def task(of: str, module: str, **options: object) -> None:
        begun = host.begin(story.work, module, **options)
        if of == phase:
            time.sleep(moment)
            fault(story, begun)
        until_it_ends_well(story, Done.of(begun, LONGEST), module, options)
        host.server.wait_until_up()  # what struck it may have struck after the end

    host.fresh()
    rows = chance.choice([1, 20, 200])  # in a commit
    with Writer(host.server, "fills", rows, pause=0.01, patient=True) as bot:
        bot.wait_for(50 * rows)
        task("backup", "questdb_backup", dest=BACKUPS, name="before", mode=mode)
        bot.wait_for(bot.acknowledged + 25 * rows)
        lively = chance.random() < 0.3  # nobody stops it for the restore
        if not lively:
            bot.end()
        host.server.sql("create table signals (ts timestamp, wrong double) timestamp(ts) partition by day wal")
        host.server.sql("insert into signals values ('2026-01-01', 0)")
        host.server.wait_for_wal()
        task("restore", "questdb_restore", backup=f"{BACKUPS}/before", allow_discard=True, rehearse=lively)
        restored = not host.server.sql("select 1 from tables() where table_name = 'signals'")
        assert restored, "the restore ended well, and the table of the bad deploy is there"
        state = "restored"
        if chance.random() < 0.3:
            task("", "questdb_restore", state="reverted", allow_discard=True)
            assert host.server.sql("select count() from signals") == [[1]], (
                "taken back, and what was there before is not"
            )
            state = "put back"
    host.server.wait_for_wal()
    for copy in host.names("/srv/questdb/botfleet/safety"):
        task("return", "questdb_rows", safety_copy=copy, tables=["fills"])
    host.server.wait_for_wal()
    return state, compared(host.server, bot)


def until_it_ends_well(story: Story, done: Done, module: str, options: dict[str, object]) -> None:
    """Do it again, once nothing is wrong with the host any more."""
    for _attempt in range(PATIENCE):
        if done.ended_well:
            return
        with suppress(AssertionError):  # what is wrong with it the task shall see
            story.host.server.wait_until_up(10)
        if ORPHAN in done.words:  # here it is known that nobody does
            story.host.server.sql("checkpoint release")
        done = story.host.module(story.work, module, **options)
    assert done.ended_well, f"{module}: {done.words}"


def run(hosts: Sequence[DatabaseHost], seeds: Sequence[int]) -> Iterator[Result]:
    """Their results as they come; the hosts share the seeds."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for seed in seeds:
        waiting.put(seed)
    results: queue.SimpleQueue[Result] = queue.SimpleQueue()

    def work(host: DatabaseHost) -> None:
        with suppress(queue.Empty):
            while True:
                seed = waiting.get_nowait()
                with tempfile.TemporaryDirectory(prefix=f"botfleet-seed-{seed}-") as directory:
                    results.put(play(host, seed, Path(directory)))

    for host in hosts:
        threading.Thread(target=work, args=[host], daemon=True).start()
    for _seed in seeds:
        yield results.get()


def conclude(results: Sequence[Result]) -> int:
    """Print what they came to; returns the exit code."""
    ended = [result.counted for result in results if result.counted]
    written, found = sum(counted.written for counted in ended), sum(counted.found for counted in ended)
    print(f"seeds run {len(results)}, rows written {written}, rows found {found}, rows lost {written - found}")
    return 1 if any(result.failed for result in results) else 0


def table(results: Sequence[Result], hosts: int) -> str:
    """For the page: a row for each fault."""
    seeds = [result.seed for result in results]
    seconds = sum(result.seconds for result in results) / len(results)
    lines = [
        f"Seeds {min(seeds)} to {max(seeds)}, {seconds:.0f} s for each, on {hosts} hosts at the same time.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    names = sorted({result.fault for result in results})
    groups = [(name, [result for result in results if result.fault == name]) for name in names]
    for name, group in [*groups, ("all", list(results))]:
        ended = [result.counted for result in group if result.counted]
        states = [result.state for result in group]
        cells = (
            len(group),
            states.count("restored"),
            states.count("put back"),
            len(group) - len(ended),
            sum(counted.written for counted in ended),
            sum(counted.found for counted in ended),
            sum(counted.lost for counted in ended),
            sum(counted.strange for counted in ended),
        )
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def write(made: str) -> None:
    """Put it between the page's two markers."""
    before, rest = PAGE.read_text().split(BEGIN)
    _former, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}")


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="how many (default: 100)")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first of them (default: 1)")
    parser.add_argument("--hosts", type=int, default=3, metavar="N", help="that share them (default: 3)")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/reliability.md")
    arguments = parser.parse_args()
    were_up = are_up(arguments.hosts)
    results = []
    try:
        hosts = bring_up(arguments.hosts)
        for result in run(hosts, range(arguments.first, arguments.first + arguments.seeds)):
            results.append(result)
            print(result, flush=True)
    except Cannot as reason:
        print(reason)
        return 3
    finally:
        if not were_up:
            fleet("down")
    if arguments.write:
        write(table(results, arguments.hosts))
    return conclude(results)


if __name__ == "__main__":
    sys.exit(main())

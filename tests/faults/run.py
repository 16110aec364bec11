# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random faults at random moments: ``python -m tests.faults.run --seeds 200``, or ``make faults SEEDS=200``.

Each seed is one fault on a fleet of six live bots during one rollback, then, with everything mended, one recovery run
by another controller under the same id. A bot whose state the recovery's report does not give as its host has it
counts as one unknown state. The last line is ``seeds run N, unknown states N``; with any of them the exit code is 1.
Several fleets share the seeds: most of a seed's time nobody does anything but wait. A fleet that does not get through
its seeds is named, and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.playbooks.conftest import ROOT, Run

from . import figures
from .fleet import NAME, Cannot, Controller, Fleet, scratch
from .injectors import INJECTORS, PREPARED, Scene
from .oracle import Contradictions

LONGEST = 180.0  # s, for a run under a fault
BATCHES = ["100%", "50%", 2]
CONFIRM_WITHIN = [0, 15]  # s; 0: without the dead man's switch


@dataclass
class Result:
    """One seed.

    moment: when the fault struck, s after the rollback was started
    states: of the bots after the recovery: how many are ``restored``, ``safe`` and ``exposed``
    unknown: by bot, how the report of the recovery contradicts the host
    seconds: that all of it took
    """

    seed: int
    fault: str
    host: str
    moment: float
    code: int
    states: dict[str, int]
    unknown: Contradictions
    why: list[str]
    seconds: float

    def __str__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in self.states.items())
        line = f"seed {self.seed}: {states} ({self.seconds:.0f} s)"
        said = [f"  {name} {sentence}" for name, found in self.unknown.items() for sentence in found]
        return "\n".join([line, *said, *(f"  not restored: {why}" for why in self.why)])


@dataclass
class Struck:
    """A seed that was played to its recovery, and that nobody has looked at yet."""

    seed: int
    fault: str
    host: str
    moment: float
    recovery: Run
    seconds: float


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=200, metavar="N", help="how many (default: 200)")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first of them (default: 1)")
    parser.add_argument("--step", type=int, default=1, metavar="N", help="from one to the next (default: 1)")
    parser.add_argument("--fleets", type=int, default=1, metavar="N", help="that share them (default: 1)")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/reliability.md")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.seeds * arguments.step, arguments.step)
    try:
        results, failed = share(seeds, arguments.fleets) if arguments.fleets > 1 else (run(seeds), [])
    except Cannot as reason:
        print(reason)
        return 3
    if arguments.write and not failed:
        figures.write(results, arguments.fleets)
    return conclude(results, failed)


def conclude(results: Sequence[Result], failed: Sequence[str] = ()) -> int:
    """Print what the seeds came to, and of each fleet that ``failed`` its sentence; returns the exit code."""
    for sentence in failed:
        print(sentence)
    unknown = sum(len(result.unknown) for result in results)
    print(f"seeds run {len(results)}, unknown states {unknown}")
    return 1 if unknown or failed else 0


def share(seeds: range, fleets: int) -> tuple[list[Result], list[str]]:
    """Each of n fleets takes every n-th seed, in a process of its own; returns a sentence for each that fails, too."""
    parts = {f"{NAME}-{number + 1}": seeds[number::fleets] for number in range(min(fleets, len(seeds)))}
    for name in parts:
        kept(name).unlink(missing_ok=True)
    running = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                __spec__.name,
                "--first",
                str(part[0]),
                "--step",
                str(part.step),
                "--seeds",
                str(len(part)),
            ],
            env={**os.environ, "BOTFLEET_FLEET": name},
        )
        for name, part in parts.items()
    ]
    results, failed = [], []
    for process, (name, part) in zip(running, parts.items(), strict=True):
        code = process.wait()
        path = kept(name)
        found = [Result(**result) for result in json.loads(path.read_text())] if path.exists() else []
        if len(found) < len(part) or code != int(any(result.unknown for result in found)):
            failed.append(f"fleet {name} failed with exit code {code} after {len(found)} of its {len(part)} seeds")
        results += found
    return sorted(results, key=lambda result: result.seed), failed


def kept(name: str) -> Path:
    """Where that fleet's results are."""
    return ROOT / ".cache" / f"{name}.json"


def run(seeds: Sequence[int]) -> list[Result]:
    """One result after the other on a fleet of its own, each printed and kept."""
    fleet = Fleet()
    results: list[Result] = []
    try:
        print(f"a rollback that nothing disturbs takes {fleet.seconds:.1f} s", flush=True)
        for seed in seeds:
            results.append(judge(fleet, strike(fleet, seed)))
            print(results[-1], flush=True)
            kept(NAME).write_text(json.dumps([asdict(each) for each in results], indent=1) + "\n")
    finally:
        fleet.down()
    return results


def strike(fleet: Fleet, seed: int) -> Struck:
    """A fault in a rollback, and a recovery. Which seed it is is printed first, for whatever comes of it."""
    began = time.monotonic()
    chance = random.Random(seed)
    host, directory = chance.choice(fleet.hosts), scratch()
    moment = chance.uniform(0, fleet.seconds)
    fault = chance.choice([*INJECTORS, *PREPARED])
    moment = 0.0 if fault in PREPARED else moment
    name = fault.__name__.replace("_", " ")
    print(f"seed {seed}: {name} on {host.name} after {moment:.1f} s", flush=True)
    rollback_id = f"rb-seed-{seed}"
    fleet.fresh()
    if fault in PREPARED:
        fault(host, chance)
    controller = Controller(fleet, directory / "controller")
    inputs = {"batch": chance.choice(BATCHES), "confirm_within": chance.choice(CONFIRM_WITHIN), **fleet.limits}
    process = controller.begin(rollback_id=rollback_id, **inputs)
    scene = Scene(fleet, host, chance, controller, process, rollback_id, [])
    if fault in INJECTORS:
        time.sleep(moment)
        fault(scene)
    for one in [process, *scene.others]:
        end(one)
    for each in fleet.hosts:
        each.heal()
        each.forget_orders()
    recovery = Controller(fleet, directory / "recovery").rollback(rollback_id=scene.last_id)
    return Struck(seed, name, host.name, round(moment, 2), recovery, round(time.monotonic() - began, 1))


def judge(fleet: Fleet, struck: Struck) -> Result:
    """A look at the hosts: are they as the report of the recovery has them?"""
    recovery = struck.recovery
    return Result(
        struck.seed,
        struck.fault,
        struck.host,
        struck.moment,
        recovery.code,
        counted(recovery),
        fleet.contradictions(recovery),
        sorted({bot["failure"] for bot in recovery.record.get("bots", []) if not bot["restored"]}),
        struck.seconds,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a controller; one that takes too long is killed."""
    try:
        process.wait(LONGEST)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def counted(done: Run) -> dict[str, int]:
    """How many bots the record calls what."""
    states = list(done.states().values()) if done.record else []
    return {state: states.count(state) for state in ("restored", "safe", "exposed") if state in states}


if __name__ == "__main__":
    sys.exit(main())

# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random faults at random moments: ``python -m tests.faults.run --seeds 200``, or ``make faults SEEDS=200``.

Each seed is one fault on a fleet of six live bots during one rollback, then, with everything mended, one recovery run
by another controller under the same id. A bot whose state the recovery's report does not give as its host has it
counts as one unknown state. The last line is ``seeds run N, unknown states N``; with any of them the exit code is 1.
Several fleets share the seeds: most of a seed's time nobody does anything but wait.
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

from tests.playbooks.conftest import ROOT, Run

from . import figures
from .fleet import NAME, Cannot, Controller, Fleet, scratch
from .injectors import INJECTORS, PREPARED, Scene
from .oracle import Contradictions

RESULTS = ROOT / ".cache" / f"{NAME}.json"
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
        line = (
            f"seed {self.seed}: {self.fault} on {self.host} after {self.moment:.1f} s: {states} ({self.seconds:.0f} s)"
        )
        said = [f"  {name} {sentence}" for name, found in self.unknown.items() for sentence in found]
        return "\n".join([line, *said, *(f"  not restored: {why}" for why in self.why)])


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
        results = share(seeds, arguments.fleets) if arguments.fleets > 1 else run(seeds)
    except Cannot as reason:
        print(reason)
        return 3
    if arguments.write:
        figures.write(results, arguments.fleets)
    unknown = sum(len(result.unknown) for result in results)
    print(f"seeds run {len(results)}, unknown states {unknown}")
    return 0 if len(results) == len(seeds) and not unknown else 1


def share(seeds: range, fleets: int) -> list[Result]:
    """Each fleet takes every so manieth seed, in a process of its own."""
    names = [f"{NAME}-{number}" for number in range(1, fleets + 1)]
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
        for name, part in zip(names, (seeds[number::fleets] for number in range(fleets)), strict=True)
    ]
    for process in running:
        process.wait()
    found = [
        json.loads(path.read_text()) for path in (ROOT / ".cache" / f"{name}.json" for name in names) if path.exists()
    ]
    return sorted((Result(**result) for part in found for result in part), key=lambda result: result.seed)


def run(seeds: Sequence[int]) -> list[Result]:
    """One result after the other on a fleet of its own, each printed and kept."""
    RESULTS.unlink(missing_ok=True)
    fleet = Fleet()
    results: list[Result] = []
    try:
        print(f"a rollback that nothing disturbs takes {fleet.seconds:.1f} s", flush=True)
        for seed in seeds:
            results.append(run_seed(fleet, seed))
            print(results[-1], flush=True)
            RESULTS.write_text(json.dumps([asdict(each) for each in results], indent=1) + "\n")
    finally:
        fleet.down()
    return results


def run_seed(fleet: Fleet, seed: int) -> Result:
    """A fault in a rollback, a recovery, and a look at the hosts."""
    began = time.monotonic()
    fleet.fresh()
    chance = random.Random(seed)
    host, directory = chance.choice(fleet.hosts), scratch()
    moment = chance.uniform(0, fleet.seconds)
    fault = chance.choice([*INJECTORS, *PREPARED])
    rollback_id = f"rb-seed-{seed}"
    if fault in PREPARED:
        fault(host, chance)
        moment = 0.0
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
    return Result(
        seed,
        fault.__name__.replace("_", " "),
        host.name,
        round(moment, 2),
        recovery.code,
        counted(recovery),
        fleet.contradictions(recovery),
        sorted({bot["failure"] for bot in recovery.record.get("bots", []) if not bot["restored"]}),
        round(time.monotonic() - began, 1),
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

# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the result of a transaction says about its bot, in one sentence. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._results import came_to, not_proven, one_line, unsafe_because
from .progress import FAILED, OK, SKIPPED, STORED, UNREACHABLE

HALT = "halt"


@dataclass(frozen=True)
class Outcome:
    """stages: a status for each. failure: why it is not as wanted, empty if it is. at: the stage that failed.

    is_safe: whether the bot was read back as safe at the end.
    """

    stages: dict[str, str]
    failure: str = ""
    at: str = ""
    is_safe: bool = False


def read_outcome(result: Mapping[str, Any], stages: Sequence[str], check_mode: bool) -> Outcome:
    """stages: the names that the task asked for, as far as they are known."""
    lost = came_to(result)
    if lost:
        status = UNREACHABLE if result.get("unreachable") else FAILED
        return Outcome(dict.fromkeys(stages, status), lost, next(iter(stages), ""))
    statuses = {**dict.fromkeys(stages, SKIPPED), **{stage["name"]: stage["status"] for stage in result["stages"]}}
    failure = _failure(result, statuses, check_mode)
    at = next((name for name, status in statuses.items() if status == FAILED), "")
    if failure and not at and statuses:  # refused as a whole; or all was done, and the bot is not safe
        at = next(iter(statuses) if result.get("failed") else reversed(statuses))
        statuses[at] = FAILED
    if result.get("stored"):
        statuses = {name: STORED if status == OK else status for name, status in statuses.items()}
    return Outcome(statuses, failure, at, bool((result.get("safe") or {}).get("is_safe")))


def _failure(result: Mapping[str, Any], statuses: Mapping[str, str], check_mode: bool) -> str:
    said = one_line(result.get("msg")) if result.get("failed") else ""
    if check_mode:
        return said
    unsafe = unsafe_because(result, check_mode) if HALT in statuses else _unsafe_after(result)
    if unsafe:
        again = said.partition(": ")[2] in unsafe  # what failed, without the name of the step
        return f"{'' if again else f'{said}; '}NOT SAFE: {unsafe.removeprefix('not safe: ')}"
    return f"{said}; the bot is safe" if said and (result.get("safe") or {}).get("is_safe") else said


def _unsafe_after(result: Mapping[str, Any]) -> str:
    """What is not safe at the end of a later stage, if it declares what safe means; a restored bot may run."""
    if not (result.get("safe") or {}).get("read"):
        return ""
    return one_line(unproven) if (unproven := not_proven(result, resumed=not result.get("failed"))) else ""

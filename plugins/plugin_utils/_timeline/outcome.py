# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the result of a transaction says about its bot, in one sentence. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._exposure import FLAT, GUARDED, NONE, left_by
from .._results import came_to, not_proven, one_line, unsafe_because
from .progress import FAILED, OK, SKIPPED, STORED, UNREACHABLE

HALT = "halt"


@dataclass(frozen=True)
class Outcome:
    """stages: a status for each. failure: why it is not as wanted, empty if it is. at: the stage that failed.

    is_safe: whether the bot was read back as safe at the end, as far as this result tells.
    exposure: the state in which it left what it read at exchanges; ``none`` if it read nothing there.
    closed: whether the rollback of the bot is over.
    """

    stages: dict[str, str]
    failure: str = ""
    at: str = ""
    is_safe: bool = False
    exposure: str = NONE
    closed: bool = False


def read_outcome(
    result: Mapping[str, Any], stages: Sequence[str], check_mode: bool, *, guarded: bool = False
) -> Outcome:
    """stages: the names that the task asked for, as far as they are known.

    guarded: whether an earlier result of the bot said so
    """
    lost = came_to(result)
    if lost:
        status = UNREACHABLE if result.get("unreachable") else FAILED
        return Outcome(dict.fromkeys(stages, status), lost, next(iter(stages), ""))
    statuses = {**dict.fromkeys(stages, SKIPPED), **{stage["name"]: stage["status"] for stage in result["stages"]}}
    exposure, unproven = left_by(result, check_mode)
    guarded = guarded or exposure == GUARDED
    failure = _failure(result, statuses, check_mode, unproven, _state(exposure, guarded, HALT in statuses))
    at = next((name for name, status in statuses.items() if status == FAILED), "")
    if failure and not at and statuses:  # refused as a whole; or all was done, and the bot is not safe
        at = next(iter(statuses) if result.get("failed") else reversed(statuses))
        statuses[at] = FAILED
    if result.get("stored"):
        statuses = {name: STORED if status == OK else status for name, status in statuses.items()}
    is_safe = bool((result.get("safe") or {}).get("is_safe")) and not unproven and not guarded
    return Outcome(statuses, failure, at, is_safe, exposure, bool(result.get("closed")))


def read_shared(result: Mapping[str, Any], stage: str, check_mode: bool) -> Outcome:
    """Of the transaction of an account or a database that several bots share. stage: what it is shown as."""
    lost = came_to(result)
    if lost:
        return Outcome({stage: UNREACHABLE if result.get("unreachable") else FAILED}, lost, stage)
    exposure, unproven = left_by(result, check_mode)
    failure = one_line(result.get("msg")) if result.get("failed") else ""
    if unproven and not check_mode:
        failure = f"NOT SAFE: {unproven}"
    return Outcome({stage: FAILED if failure else OK}, failure, stage if failure else "", exposure=exposure)


def _state(exposure: str, guarded: bool, halted: bool) -> str:
    """What is true of a bot whose result says that it is safe. Halt knows its exposure only where it read it itself."""
    if guarded:
        return "the bot is guarded: its positions are left to their stops"
    return "the bot cannot trade" if halted and exposure != FLAT else "the bot is safe"


def _failure(
    result: Mapping[str, Any], statuses: Mapping[str, str], check_mode: bool, unproven: str, state: str
) -> str:
    """unproven: what it may still hold; state: what is true of it if nothing of that is wrong."""
    said = one_line(result.get("msg")) if result.get("failed") else ""
    if check_mode:
        return said
    unsafe = unsafe_because(result, check_mode) if HALT in statuses else _unsafe_after(result)
    if unproven not in unsafe:
        unsafe = "; ".join(filter(None, [unsafe, unproven]))
    if unsafe:
        again = said.partition(": ")[2] in unsafe  # what failed, without the name of the step
        return f"{'' if again else f'{said}; '}NOT SAFE: {unsafe.removeprefix('not safe: ')}"
    return f"{said}; {state}" if said and (result.get("safe") or {}).get("is_safe") else said


def _unsafe_after(result: Mapping[str, Any]) -> str:
    """What is not safe at the end of a later stage, if it declares what safe means; a restored bot may run."""
    if not (result.get("safe") or {}).get("read"):
        return ""
    return one_line(unproven) if (unproven := not_proven(result, resumed=not result.get("failed"))) else ""

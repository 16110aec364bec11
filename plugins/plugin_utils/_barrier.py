# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The barrier between halt and revert: who may go on. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _exposure as exposures
from ._results import is_closed, one_line, step_of, tag_to_go_back_to, unsafe_because, value

NEEDED = ("revert_validation", "revert_credentials", "botfleet_kind", "botfleet_target_group", *exposures.NEEDED)
HELD = "held at the barrier: "


def allowed(limit: Any, total: int) -> int:
    """How many bots ``limit`` (a count, or a share such as ``10%``) stands for, rounded down."""
    text = str(limit).strip()
    return int(text[:-1]) * total // 100 if text.endswith("%") else int(text)


def barrier(
    bots: list[str],
    variables: Mapping[str, Mapping[str, Any]],
    max_unsafe: Any = 0,
    mixed_targets: bool = False,
    check_mode: bool = False,
    accept_guarded: bool = False,
    plan: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Per bot ``passes``, ``why`` (empty if it passes) and ``target`` (a tag, or None).

    A bot whose rollback is closed passes whatever holds the others: it is only asked what came of it, and halt's
    stored result is of before.

    variables: by bot, with ``halt_result``, ``revert_validation``, ``revert_credentials`` if the controller asked for
    them, ``botfleet_kind``, what tells its exposure, and ``botfleet_target_group`` where bots of a kind are not to be
    compared
    accept_guarded: whether one passes whose positions are left to their stops
    plan: with the step ids of each stage, by kind
    """
    variables = {bot: {name: value(variables[bot], name) for name in NEEDED} for bot in bots}
    halts = {bot: variables[bot].get("halt_result") for bot in bots}
    why = {
        bot: unsafe_because(halts[bot], check_mode)
        or exposures.counts_against(exposures.exposure_of(bot, variables, check_mode), accept_guarded)
        for bot in bots
    }
    unsafe = [bot for bot in bots if why[bot]]
    if len(unsafe) > allowed(max_unsafe, len(bots)):
        named = f"{len(unsafe)} of {len(bots)} bots are not safe ({', '.join(unsafe)})"
        reason = f"{HELD}{named}, max_unsafe is {max_unsafe}"
        why = {bot: why[bot] or reason for bot in bots}
    targets = {bot: tag_to_go_back_to(halts[bot]) for bot in bots}
    if not mixed_targets:
        _compare_targets(bots, variables, targets, why)
    for bot in bots:
        if is_closed(halts[bot]):
            why[bot] = ""
        else:
            why[bot] = (
                why[bot]
                or _no_target(halts[bot], variables[bot], plan)
                or _invalid(variables[bot].get("revert_validation"))
                or _of_production(variables[bot].get("revert_credentials"))
            )
    decided = {bot: {"passes": not why[bot], "why": why[bot], "target": targets[bot]} for bot in bots}
    return {"bots": decided, "unsafe": unsafe, "held": {bot: reason for bot, reason in why.items() if reason}}


def _compare_targets(
    bots: list[str],
    variables: Mapping[str, Mapping[str, Any]],
    targets: Mapping[str, str | None],
    why: dict[str, str],
) -> None:
    """Bots of one group go back to the same version, or wait until somebody says otherwise."""
    groups: dict[str, dict[str, list[str]]] = {}
    for bot in bots:
        tag = targets[bot]
        if not why[bot] and tag:
            group = str(variables[bot].get("botfleet_target_group") or variables[bot].get("botfleet_kind"))
            groups.setdefault(group, {}).setdefault(tag, []).append(bot)
    for group, by_tag in groups.items():
        if len(by_tag) > 1:
            named = "; ".join(f"{tag}: {', '.join(members)}" for tag, members in sorted(by_tag.items()))
            reason = f"bots of {group} would go back to different versions ({named}): set target, or mixed_targets=true"
            for members in by_tag.values():
                why.update(dict.fromkeys(members, reason))


def _no_target(halt: Mapping[str, Any] | None, variables: Mapping[str, Any], plan: Mapping[str, Any] | None) -> str:
    """A bot whose code goes back needs the tag that halt read: its config is that of the tag (S1.5)."""
    stages = (plan or {}).get("kinds", {}).get(variables.get("botfleet_kind"), {})
    if "code" not in stages.get("revert", []) or tag_to_go_back_to(halt):
        return ""
    return f"the version to go back to was not read: {one_line(step_of(halt, 'halt', 'target').get('message'))}"


def _invalid(validation: Mapping[str, Any] | None) -> str:
    if not validation or not validation.get("failed"):
        return ""
    return f"refused before its revert: {one_line(validation.get('msg'))}"


def _of_production(credentials: Mapping[str, Any] | None) -> str:
    """Why the credentials that the switch to testnet would bring are not known to be a testnet's (S4.4)."""
    for result in (credentials or {}).get("results") or [credentials or {"skipped": True}]:
        if result.get("failed") or result.get("unreachable"):
            return f"its botfleet_testnet_credentials are not proven to be a testnet's: {one_line(result.get('msg'))}"
        if not result.get("skipped") and "production" not in result["not_known_in"]:
            return (
                f"nothing shows that its botfleet_testnet_credentials of {result['account']} are not production's: "
                "write {environment} in base_url of botfleet_exposure, or run it again if production did not answer"
            )
    return ""


def roll_goes_on(bots: list[str], variables: Mapping[str, Mapping[str, Any]]) -> bool:
    """False once the transaction of an earlier batch failed."""
    results = [variables[bot].get("revert_result") or {} for bot in bots]
    return not any(result.get("failed") or result.get("unreachable") for result in results)

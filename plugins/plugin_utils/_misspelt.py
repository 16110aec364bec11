# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory or a command line says that nobody reads, since its name is wrong. PRIVATE to the collection.

Names only: no value is templated, which is slow and may fail.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars

from ._timeline.text import names

COLLECTION = Path(__file__).resolve().parents[2]
PREFIX = "botfleet_"
HEALTH = "botfleet_health_checks"
ACCOUNTS, HOLDS = "botfleet_exposure", "botfleet_holds_positions"
CLOSE = 0.8  # of 1; people pass extra variables of their own
ROOM = 24  # columns for names of bots


def input_warnings(
    bots: list[str], variables: Mapping[str, Collection[str]], inputs: Collection[str] = ()
) -> list[str]:
    """One line for each thing that is said and not read, or not said and missed; empty when that cannot be found out.

    variables: by bot, as the inventory sets them, such as ``hostvars``
    inputs: the playbook's; an extra variable whose name is close to one is taken for it
    """
    try:
        having = {bot: frozenset(variables[bot]) for bot in bots}  # each look into hostvars merges them anew
        return [
            *_misspelt_inputs(load_extra_vars(DataLoader()), inputs),
            *unknown_variables(bots, having),
            *_without_health_checks(having),
            *_without_accounts(having),
        ]
    except Exception:  # noqa: BLE001  # a warning must not keep a bot from being halted
        return []


def unknown_variables(bots: list[str], variables: Mapping[str, Collection[str]]) -> list[str]:
    """One line for each ``botfleet_*`` of these bots that the collection does not have."""
    found: dict[str, list[str]] = {}
    options, known = _known()
    for bot in bots:
        for name in variables[bot]:
            if str(name).startswith(PREFIX) and name not in known:
                found.setdefault(str(name), []).append(bot)
    meant = {name: _closest(name.removeprefix(PREFIX), options, 0.6) for name in found}
    return [
        f"{_named(having)}: {name} is no variable of this collection"
        + (f": did you mean {PREFIX}{meant[name]}?" if meant[name] else "")
        for name, having in sorted(found.items())
    ]


def _misspelt_inputs(given: Iterable[str], inputs: Collection[str]) -> list[str]:
    meant = {name: _closest(name, inputs, CLOSE) for name in map(str, given) if name not in inputs}
    return [
        f"{name} is no input of the rollback: did you mean {meant[name]}?"
        for name in sorted(meant)
        # Both being given, or a role's name before it, says that it was meant as it is.
        if meant[name] and meant[name] not in given and not name.endswith(meant[name])
    ]


def _without_health_checks(variables: Mapping[str, Collection[str]]) -> list[str]:
    """An empty list says that somebody wants none."""
    without = [bot for bot, having in variables.items() if HEALTH not in having]
    return [f"{_named(without)}: no {HEALTH}, so that it works after the rollback is not proven"] if without else []


def _without_accounts(variables: Mapping[str, Collection[str]]) -> list[str]:
    """Whoever says anything of positions has thought of them."""
    without = [bot for bot, having in variables.items() if not {ACCOUNTS, HOLDS}.intersection(having)]
    return [f"{_named(without)}: no {ACCOUNTS}, so what it holds is unproven, which is not safe"] if without else []


@cache
def _known() -> tuple[list[str], set[str]]:
    """What an inventory may set, without the prefix; and every name that the collection defines."""
    role = COLLECTION / "roles" / "botfleet"
    options = _keys(role / "meta" / "argument_specs.yml")
    made = (
        *(role / "defaults").glob("*.yml"),
        *(role / "vars").glob("*.yml"),
        *COLLECTION.glob("playbooks/vars/*.yml"),
    )
    return [name.removeprefix(PREFIX) for name in options], {*options, *(name for path in made for name in _keys(path))}


def _keys(path: Path) -> list[str]:
    return re.findall(rf"^ *({PREFIX}\w+):", path.read_text(encoding="utf-8"), re.MULTILINE)


def _closest(name: str, known: Iterable[str], cutoff: float) -> str:
    return next(iter(get_close_matches(name, list(known), 1, cutoff)), "")


def _named(bots: list[str]) -> str:
    return bots[0] if len(bots) == 1 else f"{len(bots)} bots ({names(bots, ROOM)})"

# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bots hold at their exchanges, by the steps of halt that read it (S1.3, S3.5, S4.7). PRIVATE to the collection.

An account is no bot: one that several bots share is flattened once, after halt, and its proof is that of all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ._results import came_to, is_closed, one_line, value, whole

NONE, UNPROVEN, FLAT, GUARDED, RESIDUAL = "none", "unproven", "flat", "guarded", "residual"
WORST = (FLAT, GUARDED, UNPROVEN, RESIDUAL)
OPERATION = "exchange_exposure"
PROVEN = ("unchanged", "changed", "resumed")
HOST, CONTROLLER = "host", "controller"
UNDECLARED = (
    "declare its accounts in botfleet_exposure, or botfleet_holds_positions: false if it never holds a position"
)
NEEDED = (
    "botfleet_account",
    "botfleet_account_exclusive",
    "botfleet_exposure",
    "botfleet_exposure_from",
    "botfleet_holds_positions",
    "halt_account_result",
    "halt_accounts",
    "halt_result",
)
"""Variables of a bot."""
KEYS = ("credentials", "replaced_path")
"""How those options of an entry begin that say where a bot has its own keys of an account."""
UNREADABLE = ()
"""Like nothing that is read."""

Variables = Mapping[str, Mapping[str, Any]]
Step = Mapping[str, Any]


def shared_accounts(
    bots: list[str], variables: Variables, everybody: Iterable[str], sliced: bool = False
) -> dict[str, dict[str, Any]]:
    """Accounts that no bot flattens by itself: ``bots`` in scope, the ``leader`` that reads it, why nobody may
    (``refused``, else empty), and whether it is made flat (``acts``) or only read.

    A bot whose rollback is over may trade again: nothing of its account is closed. Where all are, it is not read.

    bots: those in scope, of which halt has asked each
    everybody: all bots, whether in scope or not
    sliced: whether there may be more bots than these, since the job sees only its slice of the inventory
    """
    accounts: dict[str, dict[str, Any]] = {}
    own = {bot: _own(variables, bot) for bot in bots}
    for bot in bots:
        if _shares(own[bot]):
            accounts.setdefault(own[bot]["botfleet_account"], {"bots": []})["bots"].append(bot)
    over = {bot for bot in own if is_closed(own[bot]["halt_result"])}
    accounts = {name: account for name, account in accounts.items() if not over.issuperset(account["bots"])}
    others = {bot: _own(variables, bot) for bot in everybody if bot not in own} if accounts else {}
    trading = {bot: its for bot, its in {**others, **own}.items() if _holds(its) and (bot in others or bot in over)}
    unnamed = [bot for bot in trading if _unnamed(variables[bot])] if accounts else []
    for name, account in accounts.items():
        members = [own[bot] for bot in account["bots"]]
        users = [bot for bot, its in trading.items() if its["botfleet_account"] == name]
        account["acts"] = over.isdisjoint(users)
        reached = [bot for bot, its in zip(account["bots"], members) if from_controller(its) or _answered(its)]
        account["leader"] = next(iter(reached), None)
        exclusive = all(map(_exclusive, members))
        account["refused"] = (
            (_refused_in_slice(name) if sliced and not exclusive else "")
            or ("" if reached else f"none of the bots that share the account {name} was reached")
            or described_otherwise(name, account["bots"], variables)
            or _refused(name, members[0], [bot for bot in users if bot in others], [] if exclusive else unnamed)
        )
    return accounts


def _own(variables: Variables, bot: str) -> dict[str, Any]:
    """Without the defaults of roles, which nobody sees from outside."""
    own = {name: value(variables[bot], name) for name in NEEDED}
    return {**own, "botfleet_account": str(own["botfleet_account"] or bot)}


def _answered(variables: Mapping[str, Any]) -> bool:
    return not came_to(variables["halt_result"])


def described_otherwise(name: str, bots: list[str], variables: Variables) -> str:
    """Why the proof of one bot would not be that of all that share an account, empty if it would."""
    said = [_described(variables[bot]) for bot in bots]
    other = next((bot for bot, its in zip(bots, said) if its != said[0]), None)
    if other is None:
        return ""
    return (
        f"{bots[0]} and {other} say different things of the account {name} (botfleet_exposure): "
        "write it once, for a group"
    )


def _described(variables: Mapping[str, Any]) -> Any:
    """What a bot says of an account, but for where its keys are: that these open the same one says its name."""
    entries = _read(variables, "botfleet_exposure")
    if not isinstance(entries, list):
        return entries
    return [
        {key: its for key, its in entry.items() if not key.startswith(KEYS)} if isinstance(entry, dict) else entry
        for entry in entries
    ]


def _refused(name: str, own: Mapping[str, Any], outsiders: list[str], unnamed: list[str]) -> str:
    """Why it may be a bot's that goes on trading."""
    entries = _read(own, "botfleet_exposure")
    if all(isinstance(entry, Mapping) and entry.get("symbols") for entry in entries):
        return ""
    if outsiders:
        return (
            f"{', '.join(outsiders)} outside the scope share the account {name}: "
            "widen the scope, or name what is ours in symbols of botfleet_exposure"
        )
    if unnamed:
        return (
            f"botfleet_account of {', '.join(unnamed)} cannot be templated, so nobody knows whether it is {name}: "
            "mend it in the inventory"
        )
    return ""


def _unnamed(variables: Mapping[str, Any]) -> bool:
    """Whether its account cannot be templated; ansible-core 2.18 leaves such a text as it is."""
    account = _read(variables, "botfleet_account")
    return account == UNREADABLE or "{{" in (account or "")


def _read(of: Any, key: Any) -> Any:
    """With all that is in it, which is templated no earlier than it is read, and may fail for a part of it."""
    try:
        found = of[key] if isinstance(of, list) else of.get(key)
        found = found if found is None or isinstance(found, (Mapping, list)) else str(found)
    except Exception:  # noqa: BLE001  # what a template raises depends on the version of ansible-core
        return UNREADABLE
    if isinstance(found, Mapping):
        return {it: _read(found, it) for it in found}
    return [_read(found, it) for it in range(len(found))] if isinstance(found, list) else found


def _refused_in_slice(name: str) -> str:
    return (
        f"this job is a slice and does not see all bots that share the account {name}: flatten it in a job that is "
        "not sliced, or set botfleet_account_exclusive if no other bot uses it"
    )


def _shares(variables: Mapping[str, Any]) -> bool:
    """Whether its account is flattened apart from its own transaction."""
    return _trades(variables) and not (_exclusive(variables) and not from_controller(variables))


def _exclusive(variables: Mapping[str, Any]) -> bool:
    return _is(variables["botfleet_account_exclusive"], default=False)


def _trades(variables: Mapping[str, Any]) -> bool:
    return bool(_holds(variables) and variables["botfleet_exposure"])


def _holds(variables: Mapping[str, Any]) -> bool:
    return _is(variables["botfleet_holds_positions"], default=True)


def from_controller(variables: Mapping[str, Any]) -> bool:
    return bool(variables["botfleet_exposure_from"] == CONTROLLER)


def _is(given: Any, *, default: bool) -> bool:
    return default if given is None else str(given).lower() in ("true", "yes", "1", "on")


def counts_against(exposure: Mapping[str, Any], accept_guarded: bool) -> str:
    """Why a bot may not pass the barrier for what it holds, empty if it may."""
    return "" if accept_guarded and exposure["state"] == GUARDED else str(exposure["why"])


def exposure_of(bot: str, variables: Variables, check_mode: bool = False) -> dict[str, Any]:
    """As a record has it, and ``why`` it does not count as safe, empty if it does.

    ``state``: ``none`` (declared), ``flat`` and ``guarded`` (read back), ``residual`` (something is left) or
    ``unproven``. In check mode it is what is there now.
    """
    own = _own(variables, bot)
    if not _holds(own):
        return _summed(NONE, [], "")
    steps, missing = _steps(own, variables)
    if missing or not steps:
        return _summed(UNPROVEN, [], missing or f"not read what it holds: {_undeclared(own)}")
    states = [_state(step, check_mode) for step in steps]
    state = max(states, key=WORST.index)
    return _summed(state, steps, _why(state, steps, states, check_mode))


def left_by(result: Mapping[str, Any], check_mode: bool) -> tuple[str, str]:
    """The state in which one transaction left what it read at exchanges, and what of that is not proven.

    ``none`` if it read nothing there. What a bot holds may take more than one transaction to tell.
    """
    steps = _of(result)
    if not steps:
        return NONE, ""
    states = [_state(step, check_mode) for step in steps]
    state = max(states, key=WORST.index)
    return state, "" if state == GUARDED else _why(state, steps, states, check_mode)


def _undeclared(own: Mapping[str, Any]) -> str:
    if not own["botfleet_exposure"]:
        return UNDECLARED
    return "the plan has no step exposure for its kind"


def _steps(own: Mapping[str, Any], variables: Variables) -> tuple[list[Step], str]:
    """The steps that read it; why there is no proof at all."""
    if not _shares(own):
        halt = own["halt_result"]
        missing = came_to(halt)
        return ([] if missing else _of(halt)), missing
    account = ((own["halt_accounts"] or {}).get(own["botfleet_account"])) or {}
    if not account or account["refused"]:
        return [], account.get("refused") or "its account was not read"
    result = account_result(variables[account["leader"]])
    missing = came_to(result)
    return ([] if missing else _of(result)), missing and f"{missing} (account {own['botfleet_account']})"


def account_result(variables: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a leader's transaction of its account came to."""
    result: Mapping[str, Any] | None = value(variables, "halt_account_result")
    return None if result and result.get("skipped") else whole(result)


def account_result_for(bot: str, variables: Variables) -> Mapping[str, Any] | None:
    """The same, for any bot of an account that is shared."""
    own = _own(variables, bot)
    account = (own["halt_accounts"] or {}).get(own["botfleet_account"])
    if not account or account["leader"] not in variables or not _shares(own):
        return None
    return account_result(variables[account["leader"]])


def _of(result: Mapping[str, Any] | None) -> list[Step]:
    steps = (whole(result) or {}).get("steps") or []
    return [step for step in steps if step["operation"] == OPERATION and step["status"] != "skipped"]


def _state(step: Step, check_mode: bool) -> str:
    if check_mode and step["status"] != "failed":
        before = step["before"] or {}
        stays = before.get("positions") and not before["unwanted"]["positions"]
        return GUARDED if stays else str(before.get("state", UNPROVEN))
    if step["status"] in PROVEN and not (step["status"] == "resumed" and step["message"]):
        return str((step["proof"] or {}).get("state", UNPROVEN))
    return RESIDUAL if (step["proof"] or {}).get("state") == RESIDUAL else UNPROVEN


def _why(state: str, steps: list[Step], states: list[str], check_mode: bool) -> str:
    if state == GUARDED:
        held = [position for step in steps for position in (step["proof"] or step["before"])["positions"]]
        worth = sum(float(position["notional"]) for position in held)
        return (
            f"guarded: {len(held)} position{'' if len(held) == 1 else 's'} of {worth:.2f} left to their stops: "
            "set accept_guarded=true to go on with them, or positions=close"
        )
    if state == FLAT or (check_mode and all(step["status"] != "failed" for step in steps)):
        return ""
    wrong = [step for step, its in zip(steps, states) if its in (UNPROVEN, RESIDUAL)]
    return one_line("; ".join(f"{step['name']}: {step['message']}" for step in wrong))


def _summed(state: str, steps: list[Step], why: str) -> dict[str, Any]:
    before = [step["before"] for step in steps]
    after = [step["proof"] for step in steps]
    seconds = [_seconds_to_flat(step) for step in steps] if state == FLAT else []
    return {
        "state": state,
        "notional_before": _total(before, lambda it: it["notional"]),
        "notional_after": _total(after, lambda it: it["notional"]),
        "orders_before": _total(before, lambda it: len(it["orders"])),
        "orders_after": _total(after, lambda it: len(it["orders"])),
        "seconds_to_flat": max(seconds, default=None),
        "proof": [{"account": it["account"], **it["proof"]} for it in after if it and "proof" in it] or None,
        "why": why,
    }


def _seconds_to_flat(step: Step) -> float:
    """From the first reading of the account; 0 where nothing had to be done."""
    seconds: float = (step["change"] or {}).get("seconds_to_flat") or 0.0
    return seconds


def _total(states: list[Any], amount: Any) -> Any:
    """None unless every account was read."""
    return round(sum(map(amount, states)), 2) if states and all(states) else None

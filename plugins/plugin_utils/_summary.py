# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record as text for a terminal. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ._databases import became_of
from ._holdings import amount, in_few_words, totals
from ._next import next_steps, stopped
from ._timeline.text import cells, pad, plain, wrapped

HEADINGS = ("bot", "from", "to", "safe after", "restored after", "trading", "exposure", "failure")
VERSIONS = (1, 2)  # the columns from and to
ALIKE_FROM = 20  # bots; below it each has its line
FAILURE_ROOM = 50  # columns; with less, a failure is easier to read below its bot
LABEL = 18
SLOWEST = 5

Bot = Mapping[str, Any]


def summary(
    record: Mapping[str, Any],
    path: str,
    *,
    width: int | None = None,
    all_bots: bool = True,
    more: Mapping[str, str] | None = None,
    notices: Sequence[str] = (),
) -> list[str]:
    """The final table, failures first, then the figures and where the record is. Lines without line ends.

    width: columns of the terminal; None for as many as each line takes
    all_bots: False to count restored bots of a large fleet instead of naming them, but for guarded ones
    more: paths of what lies beside the record, by label
    notices: sentences without which the table could be mistaken; they stand above and below it
    """
    bots = sorted(record["bots"], key=lambda bot: (bot["restored"], bot["safe"], bot["guarded"], bot["name"]))
    alike = not all_bots and len(bots) > ALIKE_FROM
    rows = [_row(bot) for bot in bots if not (alike and _is_well(bot))]
    facts = [
        ("outcome", f"{_would(record)}{record['outcome']} ({verdict(record)})"),
        ("time-to-safe", _seconds(record["time_to_safe_seconds"])),
        ("time-to-restored", _seconds(record["time_to_restored_seconds"])),
        ("slowest", *_slowest(bots)),
        ("over budget", *_overruns(bots)),
        ("exposure", *_exposure(record)),
        ("stopped", *stopped(record)),
        *(("database", plain(f"{row['name']}: {'; '.join(became_of(row))}")) for row in record.get("databases", [])),
        ("record", plain(path)),
        *((label, plain(place)) for label, place in (more or {}).items()),
        *(("next", step) for step in next_steps(record)),
    ]
    headings: Sequence[str] = HEADINGS
    if record["check_mode"]:
        headings = tuple(f"{heading} now" if heading in ("trading", "exposure") else heading for heading in HEADINGS)
    said = _sentences(notices, width)
    lines = ["CHECK MODE: nothing was changed, this is what would be"] if record["check_mode"] else []
    lines += said
    lines += table([headings, *rows], width) if rows else []
    lines += _sentences(_alike(bots, _would(record)) if alike else [], width)
    lines.append("")
    for label, *texts in facts:
        lines += _fact(label, texts, width)
    return [*lines, *said]


def stored_notice(record: Mapping[str, Any], *, stands: bool) -> str:
    """Says that a run did nothing. stands: whether the record is the one of the run that did."""
    when = f"; recorded {record['completion_time'][:19].replace('T', ' ')} UTC" if stands else ""
    return f"STORED RESULT: nothing was read or touched in this run{when}. For a fresh rollback leave rollback_id out."


def verdict(record: Mapping[str, Any]) -> str:
    """How many bots ended as the plan wants, and who did not."""
    bots: list[dict[str, Any]] = record["bots"]
    exposed = [plain(bot["name"]) for bot in bots if not (bot["safe"] or bot["restored"] or bot["guarded"])]
    guarded = [plain(bot["name"]) for bot in bots if bot["guarded"]]
    safe = [plain(bot["name"]) for bot in bots if bot["safe"] and not (bot["restored"] or bot["guarded"])]
    would = _would(record)
    restored = sum(bot["restored"] for bot in bots)
    parts = [f"{restored} of {len(bots)} bot{'' if len(bots) == 1 else 's'} {would}restored"]
    parts += [f"{would}safe but not restored: {', '.join(safe)}"] if safe else []
    parts += [f"{would}guarded: {', '.join(guarded)}"] if guarded else []
    parts += [f"{would}EXPOSED: {', '.join(exposed)}"] if exposed else []
    return "; ".join(parts)


def _would(record: Mapping[str, Any]) -> str:
    return "would be " if record["check_mode"] else ""


def _sentences(sentences: Iterable[str], width: int | None) -> list[str]:
    lines = map(plain, sentences)
    return [part for line in lines for part in wrapped(line, width)] if width else list(lines)


def table(rows: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """Padded columns, two blanks between them. The first row has the headings, the last column is free text.

    Where ``width`` has no room for it, that text goes below its row; where it has none for the versions either, they
    go above the rows that have them in common.
    """
    inner, texts = [row[:-1] for row in rows], [row[-1] for row in rows]
    lines, room = _columns(inner), _room(inner, width)
    if width is None or room >= FAILURE_ROOM:
        return _beside(lines, texts, room)
    versions = [""] * len(rows)
    if room < -2:
        lines = _columns([[cell for column, cell in enumerate(row) if column not in VERSIONS] for row in inner])
        versions = ["", *(_versions(row) for row in rows[1:])]
    result, above = [lines[0].rstrip()], ""
    for line, version, text in list(zip(lines, versions, texts))[1:]:
        if version != above:
            result += wrapped(version, width)
            above = version
        result += [line.rstrip(), *(wrapped(text, width, "    ") if text else [])]
    return result


def _versions(row: Sequence[str]) -> str:
    before, after = ("unknown" if row[column] == "-" else row[column] for column in VERSIONS)
    return f"from {before} to {after}:"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(cells(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(pad(cell, width) for cell, width in zip(row, widths)) for row in rows]


def _room(rows: Sequence[Sequence[str]], width: int | None) -> int:
    """Columns that are left right of them, below 0 if they do not fit."""
    return (width or 0) - cells(_columns(rows)[0]) - 2


def _beside(lines: Sequence[str], texts: Sequence[str], room: int) -> list[str]:
    result = []
    for line, text in zip(lines, texts):
        first, *rest = wrapped(text, room) if room > 0 else [text]
        result += [f"{line}  {first}".rstrip(), *(" " * (cells(line) + 2) + part for part in rest)]
    return result


def _row(bot: Bot) -> list[str]:
    return [
        plain(bot["name"]),
        plain(bot["from"] or "-"),
        plain(bot["to"] or "-"),
        _seconds(bot["safe_after_seconds"]) if bot["safe"] else "guarded" if bot["guarded"] else "NOT SAFE",
        _seconds(bot["restored_after_seconds"]) if bot["restored"] else "no",
        bot["trading"],
        in_few_words(bot),
        plain(bot["failure"] or ""),
    ]


def _alike(bots: Sequence[Bot], would: str) -> list[str]:
    """Restored bots, counted by what they have in common."""
    groups: dict[tuple[str, ...], list[Bot]] = {}
    for bot in bots:
        if _is_well(bot):
            row = dict(zip(HEADINGS, _row(bot)))
            groups.setdefault((row["from"], row["to"], row["trading"], row["exposure"]), []).append(bot)
    return [
        f"{len(alike)} bot{'s' if len(alike) > 1 else ''} {would}restored: {before} to {after}, "
        f"safe after {_range(alike, 'safe_after_seconds')}, restored after {_range(alike, 'restored_after_seconds')}, "
        f"trading {trading}, exposure {exposure}"
        for (before, after, trading, exposure), alike in groups.items()
    ]


def _is_well(bot: Bot) -> bool:
    return bool(bot["restored"] and not bot["guarded"])


def _exposure(record: Mapping[str, Any]) -> list[str]:
    """What was held, what is left of it, and how long that took; nothing if nothing was held."""
    found = totals(record["bots"])
    before, after = found.notional
    orders_before, orders_after = found.orders
    if not (before or after or orders_before or orders_after):
        return []
    held = [f"{'now' if record['check_mode'] else 'before'}: notional {amount(before)}, {_orders(orders_before)}"]
    held += [] if record["check_mode"] else [f"after: notional {amount(after)}, {_orders(orders_after)}"]
    held += [f"not read of {', '.join(map(plain, found.unread))}"] if found.unread else []
    if found.seconds_to_flat is not None:
        held.append(f"flat in {_seconds(found.seconds_to_flat)} (slowest: {plain(found.slowest)})")
    return held


def _orders(number: int | None) -> str:
    return "orders not known" if number is None else f"{number} order{'' if number == 1 else 's'}"


def _range(bots: Sequence[Bot], figure: str) -> str:
    known = [bot[figure] for bot in bots if bot[figure] is not None]
    if not known:
        return "-"
    return _seconds(known[0]) if min(known) == max(known) else f"{min(known):.1f} to {max(known):.1f} s"


def _slowest(bots: Sequence[Bot]) -> list[str]:
    """Bots by how long their transactions took, which does not count the wait for a batch."""
    took = {bot["name"]: sum(_took(row) for row in bot.get("transactions", [])) for bot in bots}
    timed = sorted((bot for bot in bots if took[bot["name"]] > 0), key=lambda bot: -took[bot["name"]])
    if len(timed) < 2:
        return []
    shown = timed[: min(SLOWEST, len(timed) // 2)]
    return [f"{plain(bot['name'])} {_seconds(took[bot['name']])} ({_longest(bot)})" for bot in shown]


def _took(transaction: Mapping[str, Any]) -> float:
    return float(transaction["received_after_seconds"] - transaction["sent_after_seconds"])


def _longest(bot: Bot) -> str:
    stage = max(bot["stages"], key=lambda stage: stage["seconds"], default=None)
    return f"{stage['name']} {_seconds(stage['seconds'])}" if stage else "no stage"


def _overruns(bots: Sequence[Bot]) -> list[str]:
    return [
        f"{plain(bot['name'])} {stage['name']} {stage['seconds']:g} s of {stage['budget']:g} s"
        for bot in bots
        for stage in bot["stages"]
        if stage["over_budget"]
    ]


def _fact(label: str, texts: Sequence[str], width: int | None) -> list[str]:
    """A label and what it says; several texts share a line as far as they fit."""
    lines: list[str] = []
    for text in texts:
        if lines and (width is None or cells(f"{lines[-1]}; {text}") < width - LABEL):
            lines[-1] += f"; {text}"
        else:
            lines += wrapped(text, width - LABEL) if width else [text]
    return [f"{label if first else '':{LABEL}}{line}" for first, line in zip([True, *[False] * len(lines)], lines)]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"

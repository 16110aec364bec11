# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables and picture of docs/benchmarks/fleet.json: ``python -m tests.benchmark.fleet_report``, which ends
``make bench-fleet``. What is written around the tables in docs/benchmarks.md stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from .report import DOCS, sheet, write_between

BEGIN = "<!-- begin: made by make bench-fleet -->\n"
NAMES = {"armed": "armed", "unarmed": "unarmed", "builtin": "builtin modules", "bash": "bash, parallel-ssh"}
COLOURS = {"armed": "#0072b2", "unarmed": "#56b4e9", "builtin": "#777777", "bash": "#d55e00"}
MARKERS = {"armed": "o", "unarmed": "s", "builtin": "^", "bash": "D"}
COLUMNS = {
    "time_to_safe_seconds": ("time-to-safe, s", 1),
    "decision_to_safe_seconds": ("from the decision, s", 1),
    "last_order_seconds": ("last order after, s", 1),
    "wall_seconds": ("wall, s", 1),
    "controller_cpu_seconds": ("controller CPU, s", 1),
    "hosts_cpu_seconds": ("hosts' CPU, s", 1),
    "controller_peak_mb": ("peak memory, MB", 0),
    "bytes_per_host": ("sent per host, KB", 0),
}
DRAWN = ("time_to_safe_seconds", "wall_seconds", "controller_cpu_seconds", "controller_peak_mb")
ALT = "Time-to-safe, wall time, controller CPU and memory over the number of hosts"
BASE = "bash"
Row = dict[str, Any]


def tables(rows: list[Row]) -> str:
    """One for each size of fleet: medians, in brackets how many times the figure of bash that is."""
    parts = []
    for hosts in sizes(rows):
        chosen = [row for row in rows if row["hosts"] == hosts]
        parts.append(f"### {hosts} hosts over SSH, {rounds(chosen)}\n\n{table(chosen)}")
    return "\n".join(parts)


def table(rows: list[Row]) -> str:
    lines = ["| | " + " | ".join(title for title, _digits in COLUMNS.values()) + " |", "|---|" + "--:|" * len(COLUMNS)]
    for way in ways(rows):
        cells = []
        for figure, (_title, digits) in COLUMNS.items():
            value, base = middle(rows, way, figure), middle(rows, BASE, figure)
            ratio = f" ({value / base:.1f})" if value is not None and base and way != BASE else ""
            scale = 1000 if "bytes" in figure else 1
            cells.append("" if value is None else f"{value / scale:.{digits}f}{ratio}")
        lines.append(f"| {NAMES[way]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def sizes(rows: Iterable[Row]) -> list[int]:
    return sorted({row["hosts"] for row in rows})


def ways(rows: list[Row]) -> list[str]:
    """Those that were measured."""
    return [way for way in NAMES if any(row["way"] == way for row in rows)]


def middle(rows: Iterable[Row], way: str, figure: str) -> float | None:
    """The median, None of a figure that the way does not have."""
    values = [row[figure] for row in rows if row["way"] == way and row[figure] is not None]
    return float(median(values)) if values else None


def rounds(rows: list[Row]) -> str:
    counts = sorted({sum(row["way"] == way for row in rows) for way in ways(rows)})
    if counts == [1]:
        return "one run of each"
    return f"medians of {' to '.join(map(str, {counts[0], counts[-1]}))} runs of each"


def growth(panel: Axes, rows: list[Row], figure: str) -> None:
    """Both axes are logarithmic: what grows as the fleet does is a straight line of slope one."""
    for way in ways(rows):
        points = [(size, middle((row for row in rows if row["hosts"] == size), way, figure)) for size in sizes(rows)]
        known = [(size, value) for size, value in points if value is not None]
        panel.plot(*zip(*known), color=COLOURS[way], marker=MARKERS[way], label=NAMES[way])
    panel.set(title=COLUMNS[figure][0], xlabel="hosts", xscale="log", yscale="log")
    panel.set_xticks(sizes(rows), labels=[str(size) for size in sizes(rows)])
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter("{x:g}")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_minor_locator(NullLocator())
    panel.grid(axis="y", alpha=0.3)


def main() -> None:
    rows = json.loads((DOCS / "benchmarks" / "fleet.json").read_text())
    write_between(BEGIN, f"![{ALT}](images/benchmarks-fleet.svg)\n\n{tables(rows)}")
    figure, panels = sheet()
    for panel, name in zip(panels, DRAWN):
        growth(panel, rows, name)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(NAMES), frameon=False)
    figure.savefig(DOCS / "images" / "benchmarks-fleet.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()

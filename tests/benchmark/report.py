# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables and picture of docs/benchmarks.json: ``python -m tests.benchmark.report``, the last step of ``make bench``.

The tables stand in docs/benchmarks.md between two markers; what is written around them stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parents[2] / "docs"
BEGIN, END = "<!-- begin: made by make bench -->\n", "<!-- end -->\n"
NAMES = {"transactions": "two transactions", "one_task_each": "one task each", "builtin": "builtin modules"}
COLOURS = {"transactions": "#0072b2", "one_task_each": "#d55e00", "builtin": "#777777"}
MARKERS = {"transactions": "o", "one_task_each": "s", "builtin": "^"}
COLUMNS = {
    "safe_seconds": ("time-to-safe, s", 1),
    "last_order_seconds": ("last order after, s", 1),
    "wall_seconds": ("wall, s", 1),
    "controller_cpu_seconds": ("controller CPU, s", 1),
    "hosts_cpu_seconds": ("hosts' CPU, s", 1),
    "controller_memory_mib": ("peak memory, MiB", 0),
    "exchanges_per_bot": ("exchanges per bot", 1),
    "sent_bytes_per_bot": ("sent per bot, KiB", 0),
}
Run = dict[str, Any]


def tables(runs: list[Run]) -> str:
    parts = []
    for bots in sorted({run["bots"] for run in runs if "stalled" not in run}):
        chosen = [run for run in runs if run["bots"] == bots and "stalled" not in run]
        parts.append(f"### {bots} bots, {_rounds(chosen)}\n\n{table(chosen, COLUMNS)}")
    stalled = [run for run in runs if "stalled" in run]
    if stalled:
        figures = {name: COLUMNS[name] for name in ("safe_seconds", "last_order_seconds", "wall_seconds")}
        others = stalled[0]["bots"] - stalled[0]["stalled"]
        title = f"{stalled[0]['bots']} bots of which {stalled[0]['stalled']} stall: the other {others}"
        parts.append(f"### {title}, {_rounds(stalled)}\n\n{table(stalled, figures)}")
    return "\n".join(parts)


def table(runs: list[Run], columns: dict[str, tuple[str, int]]) -> str:
    """Medians, in brackets the ratio to two transactions."""
    lines = ["| | " + " | ".join(title for title, _digits in columns.values()) + " |", "|---|" + "--:|" * len(columns)]
    base = {name: middle(runs, "transactions", name) for name in columns}
    for way in ways(runs):
        cells = []
        for name, (_title, digits) in columns.items():
            value = middle(runs, way, name)
            ratio = "" if way == "transactions" else f" ({value / base[name]:.1f})"
            cells.append(f"{value / (1024 if 'bytes' in name else 1):.{digits}f}{ratio}")
        lines.append(f"| {NAMES[way]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def ways(runs: list[Run]) -> list[str]:
    """Those that were measured."""
    return [way for way in NAMES if any(run["way"] == way for run in runs)]


def middle(runs: Iterable[Run], way: str, figure: str) -> float:
    return float(median(run[figure] for run in runs if run["way"] == way))


def _rounds(runs: list[Run]) -> str:
    rounds = sum(run["way"] == "transactions" for run in runs)
    return "one run of each" if rounds == 1 else f"medians of {rounds} runs of each"


def picture(runs: list[Run], path: Path) -> None:
    figure, panels = sheet()
    grown = [run for run in runs if "stalled" not in run]
    for panel, name in zip(panels, ("safe_seconds", "wall_seconds", "controller_cpu_seconds", "controller_memory_mib")):
        growth(panel, grown, name)
    panels[0].legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def sheet() -> tuple[Figure, list[Axes]]:
    """Four panels; saved twice, the same bytes."""
    mpl.rcParams.update(
        {"svg.hashsalt": "botfleet", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, panels = plt.subplots(2, 2, figsize=(9, 6), layout="constrained")
    return figure, list(panels.flat)


def growth(panel: Axes, runs: list[Run], figure: str) -> None:
    for way in ways(runs):
        sizes = sorted({run["bots"] for run in runs if run["way"] == way})
        values = [middle([run for run in runs if run["bots"] == size], way, figure) for size in sizes]
        panel.plot(sizes, values, color=COLOURS[way], marker=MARKERS[way], label=NAMES[way])
    panel.set(title=COLUMNS[figure][0], xlabel="bots", xticks=sorted({run["bots"] for run in runs}), ylim=(0, None))
    panel.grid(axis="y", alpha=0.3)


def write_between(begin: str, made: str) -> None:
    """Put what was made into docs/benchmarks.md, after this marker and before the next end."""
    page = DOCS / "benchmarks.md"
    before, rest = page.read_text().split(begin)
    _former, after = rest.split(END, 1)
    page.write_text(f"{before}{begin}\n{made}\n{END}{after}")


def main() -> None:
    runs = json.loads((DOCS / "benchmarks.json").read_text())["runs"]
    write_between(BEGIN, tables(runs))
    picture(runs, DOCS / "images" / "benchmarks.svg")


if __name__ == "__main__":
    main()

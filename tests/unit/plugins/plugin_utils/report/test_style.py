# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Can everybody read it? Contrast by WCAG 2 AA in both schemes, landmarks, headers of tables, print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils import _report

from . import records
from .page import page

STYLE = (Path(_report.__file__).parent / "style.css").read_text()
LIGHT, DARK = (
    STYLE.split("@media (prefers-color-scheme: dark)")[0],
    STYLE.split("@media (prefers-color-scheme: dark)")[1],
)
DARK = DARK[: DARK.index("* { box-sizing")]
TEXT, GRAPHIC = 4.5, 3.0
ON_CARD = ["--ink", "--soft", "--good", "--warn", "--bad", "--link", "--s1"]
SHAPES = ["--s1", "--s2", "--s3", "--s4", "--s5", "--s6", "--span"]


def colours(scheme: str) -> dict[str, str]:
    return dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{3,6});", STYLE if scheme == "" else LIGHT)) | (
        dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{3,6});", DARK.split("body.safe")[0])) if scheme == "dark" else {}
    )


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[index : index + 2], 16) / 255 for index in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme: str) -> None:
    found = colours(scheme)
    pairs = [(name, ground, TEXT) for name in ON_CARD for ground in ("--card", "--page", "--faint")]
    pairs += [("--ink", f"--{tint}-tint", TEXT) for tint in ("good", "warn", "bad")]
    pairs += [("--soft", "--warn-tint", TEXT), ("--soft", "--bad-tint", TEXT), ("--link", "--bad-tint", TEXT)]
    pairs += [("--bad", "--bad-tint", TEXT), ("--warn", "--warn-tint", TEXT), ("--link", "--warn-tint", TEXT)]
    pairs += [(name, "--card", GRAPHIC) for name in SHAPES]
    pairs += [("--alarm-ink", "--alarm", TEXT), ("--alarm-head", "--alarm", TEXT)]
    poor = [(*pair, contrast(found[pair[0]], found[pair[1]])) for pair in pairs]
    assert not [pair for pair in poor if pair[3] < pair[2]]


def test_contrast_of_the_band() -> None:
    bands = re.findall(r"--band: (#[0-9a-f]{6})", STYLE)
    assert len(bands) == 8, "four looks in two schemes"
    assert all(contrast("#fff", band) >= 7 for band in bands)


def test_landmarks_and_headings(tmp_path: Path) -> None:
    root = page(records.mixed(tmp_path))
    assert root.get("lang") == "en"
    for name in ("header", "main", "footer", "h1"):
        assert len(list(root.iter(name))) == 1
    ids = {element.get("id") for element in root.iter("h2")}
    assert all(element.get("aria-labelledby") in ids for element in root.iter("section"))
    levels = [int(element.tag[1]) for element in root.iter() if re.fullmatch(r"h\d", element.tag)]
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:]))


def test_tables_have_headers_with_a_scope(tmp_path: Path) -> None:
    for table in page(records.mixed(tmp_path)).iter("table"):
        headers = list(table.iter("th"))
        assert headers and all(header.get("scope") in ("col", "row") for header in headers)


def test_pictures_have_a_text_or_are_hidden(tmp_path: Path) -> None:
    root = page(records.mixed(tmp_path))
    inner = {child for svg in root.iter("svg") for child in svg.iter("svg") if child is not svg}
    for svg in set(root.iter("svg")) - inner:
        assert svg.get("aria-hidden") == "true" or (svg.get("role") == "img" and (svg.get("aria-label") or len(svg)))


def test_print_shows_what_is_folded_and_breaks_no_row() -> None:
    style = STYLE[STYLE.index("@media print") :]
    assert "::details-content { content-visibility: visible; display: block;" in style
    assert re.search(r"tr, [^{]*\{ break-inside: avoid; \}", style)

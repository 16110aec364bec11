# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels are found by what they hold."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ansible_collections.tradeops.botfleet.plugins.plugin_utils._wheels import PIN, pinned_wheels

ROLE = Path(__file__).resolve().parents[4] / "roles" / "arm" / "files"
DIGESTS = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("one", "two")}
PINS = "# comment\n" + "".join(f"{name}==1.0 --hash=sha256:{digest}\n" for name, digest in DIGESTS.items())


def test_a_wheel_is_what_its_hash_says(tmp_path: Path) -> None:
    """Another one under the right name is missing; what it is called does not count."""
    (tmp_path / "one-1.0-py3-none-any.whl").write_text("planted")
    (tmp_path / "renamed.whl").write_text("two")
    (tmp_path / "one.txt").write_text("one")
    assert pinned_wheels(str(tmp_path), PINS) == {"found": [f"{tmp_path}/renamed.whl"], "missing": ["one 1.0"]}


def test_a_directory_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert pinned_wheels(str(tmp_path / "none"), PINS) == {"found": [], "missing": ["one 1.0", "two 1.0"]}


def test_one_wheel_of_those_for_several_pythons_is_enough(tmp_path: Path) -> None:
    """The directory is for one Python; a wheel that nobody pinned is none."""
    pins = f"both==1.0 \\\n    --hash=sha256:{DIGESTS['one']} \\\n    --hash=sha256:{DIGESTS['two']}\n" + PINS
    (tmp_path / "both-1.0-cp311-cp311-manylinux2014_x86_64.whl").write_text("planted")
    assert pinned_wheels(str(tmp_path), pins)["missing"] == ["both 1.0", "one 1.0", "two 1.0"]
    (tmp_path / "both.whl").write_text("two")
    assert pinned_wheels(str(tmp_path), pins) == {"found": [f"{tmp_path}/both.whl"] * 2, "missing": ["one 1.0"]}


def test_every_package_of_the_role_is_pinned() -> None:
    """A line that is no pin would be installed by nobody, and noticed by nobody."""
    for path in ROLE.glob("*.txt"):
        text = "".join(f"{line}\n" for line in path.read_text().splitlines() if not line.startswith("#"))
        assert text and PIN.sub("", text).strip() == ""

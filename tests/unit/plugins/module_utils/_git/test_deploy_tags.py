# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the order of deploy tags (S1.4, S0.7)."""

from __future__ import annotations

import random

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._git.deploy_tags import (
    BadTags,
    deploy_order,
    is_later,
    last_tags,
    newest_at,
    predecessor,
)


@pytest.mark.parametrize(
    "ordered",
    [
        ["deploy-20241231-235959", "deploy-20250101-000000", "deploy-20250101-000001", "deploy-20250101-000001-hotfix"],
        ["deploy-20250101", "deploy-20250101-1", "deploy-20250101-2", "deploy-20250101-10", "deploy-20250102"],
        ["v0.9.9", "v0.9.9-stable", "v0.10.0-alpha", "v0.10.0-rc2", "v0.10.0-rc10", "v0.10.0", "v1.0.0-soak-validated"],
        ["v1", "v1.0", "v1.0.0rc1", "v1.0.0", "v1.0.0+build2", "v1.0.0+build10", "v1.0.1", "v2"],
        ["1.9", "1.10"],
        ["alpha", "beta"],
    ],
)
def test_order(ordered: list[str]) -> None:
    """S1.4, S0.7: stamps by time, versions by number, pre-releases before their release."""
    shuffled = random.Random(1).sample(ordered, len(ordered))
    assert sorted(shuffled, key=deploy_order) == ordered
    assert all(is_later(late, early) for early, late in zip(ordered, ordered[1:]) if ordered != ["alpha", "beta"])


def test_different_series_have_no_order() -> None:
    """S1.4: a deploy stamp is neither before nor after a version."""
    assert is_later("v1.0", "deploy-20250101-000000") is None
    assert predecessor({"v1.0": "a", "deploy-20250101-000000": "b"}, "v1.0", BadTags()) is None


def test_predecessor_is_other_code_that_is_not_bad() -> None:
    """S1.4: bad by name, or by the commit that a bad tag names."""
    tags = {"v1": "1", "v2": "2", "v3": "3", "v4": "4", "v5": "4"}
    assert predecessor(tags, "v5", BadTags()) == "v3"
    assert predecessor(tags, "v5", BadTags(names=frozenset(["v3"]))) == "v2"
    assert predecessor(tags, "v5", BadTags(commits=frozenset(["3", "2"]))) == "v1"
    assert predecessor(tags, "v1", BadTags()) is None


def test_newest_at_and_last_tags() -> None:
    """S1.4: the list of five, newest first, with the bad ones named."""
    tags = {f"v0.{number}": str(number) for number in range(8, 14)}
    assert newest_at({**tags, "v0.9-stable": "9"}, "9") == "v0.9-stable"
    assert newest_at(tags, "99") is None
    bad = BadTags(names=frozenset(["v0.12"]))
    assert last_tags(tags, bad) == "the last 5 are v0.13, v0.12 (bad), v0.11, v0.10, v0.9"
    assert last_tags({}, bad) == "there are none"

# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs that are refused before anything is touched, each with one clear sentence."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Fleet, make_fleet


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Any:
    yield from make_fleet(tmp_path_factory.mktemp("inputs"), 1)


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"plan": None}, "set -e plan to one of emergency, go_live"),
        ({"plan": "emergancy"}, 'plan is "emergancy"'),
        ({"reason": "  "}, "reason is empty"),
        ({"scope": None}, "scope is empty"),
        ({"scope": "nobody*"}, "matches 0 bots"),
        ({"scope": "localhost"}, "names localhost, outside the group bots"),
        ({"scope": "strangers"}, "names stranger, outside the group bots"),
        ({"scope": "all"}, "names stranger, outside the group bots"),
        ({"max_unsafe": "some"}, 'max_unsafe is "some"'),
        ({"batch": "-1"}, 'batch is "-1"'),
        ({"rollback_id": "../../etc"}, 'rollback_id is "../../etc"'),
        ({"decided_at": "yesterday"}, 'decided_at is "yesterday"'),
        ({"decided_at": "2026-13-45T99:99:99Z"}, "set a time such as"),
        ({"decided_at": "2999-01-01T00:00:00Z"}, "which is in the future"),
        ({"mixed_targets": "maybe"}, 'mixed_targets is "maybe"'),
        ({"hand_back": "maybe"}, 'hand_back is "maybe"'),
        ({"plan": "go_live", "target": "deploy-20251201-083000"}, "stays on the version that runs"),
        ({"positions": "handeld"}, 'positions is "handeld"'),
        ({"start_jitter": "soon"}, 'start_jitter is "soon"'),
    ],
)
def test_refused(fleet: Fleet, inputs: dict[str, Any], sentence: str) -> None:
    fleet.overrides = {"stranger": {"ansible_connection": "local"}}
    before = fleet.fingerprint()
    run = fleet.rollback(**inputs)
    assert run.code != 0
    assert sentence in " ".join(run.output.split()), run.output
    assert fleet.fingerprint() == before and not run.record
    assert all((fleet.page(name) or {}).get("trading") for name in fleet.names())


def test_a_limit_outside_the_scope_is_refused(fleet: Fleet) -> None:
    run = fleet.rollback("--limit", "tn-1", scope="qt-1")
    assert run.code != 0 and "0 of them within the limit" in " ".join(run.output.split()), run.output

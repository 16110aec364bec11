# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets a bot's lock, and how (S1.3: no lock keeps a bot from being stopped)."""

from __future__ import annotations

import threading
from pathlib import Path

from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.lock import Lock
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.state import BotState

from tests.peers.demo import wait_for


def test_a_request_to_stop_is_made_again_once_another_took_it_for_an_old_one(tmp_path: Path) -> None:
    """As a revert does that gets the lock before the halt that waits for it."""
    state = BotState(str(tmp_path), "bot-1")
    state.create()
    revert, halt = (Lock(state, name, "ops@here") for name in ("rb-1", "rb-2"))
    request = tmp_path / "bot-1" / "preempt"

    def preempt() -> None:
        with halt.held(wait=0, preempt=True, preempt_after=60):
            pass

    halting = threading.Thread(target=preempt)
    with revert.held(wait=0, preempt=False, preempt_after=0):
        halting.start()
        wait_for(request.exists, 10)
        request.unlink()
        wait_for(request.exists, 10)
        asked_by = revert.preempted_by()
    halting.join(60)
    assert asked_by and asked_by["rollback_id"] == "rb-2"
    assert [it["how"] for it in halt.taken_from] == ["stopped after its step"] and not request.exists()

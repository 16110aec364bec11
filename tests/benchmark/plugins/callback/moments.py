# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: moments
type: notification
short_description: When each play had its last result of each bot
version_added: 1.0.0
description:
  - Writes the times into the file that E(BOTFLEET_BENCHMARK_MOMENTS) names, as JSON by play and bot, in seconds since
    the epoch; below V(paths) which way the transactions of each bot took.
author:
  - The tradeops.botfleet authors (@tradeops)
"""

import json
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core ships no types
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "moments"

    def __init__(self) -> None:
        super().__init__()
        self._play = ""
        self._moments: dict[str, dict[str, float]] = defaultdict(dict)
        self._paths: dict[str, list[str]] = defaultdict(list)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play = play.get_name()

    def v2_runner_on_ok(self, result: Any) -> None:
        name = result._host.get_name()
        self._moments[self._play][name] = time.time()
        if result._result.get("path") in ("agent", "module"):
            self._paths[name].append(result._result["path"])

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self.v2_runner_on_ok(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        Path(os.environ["BOTFLEET_BENCHMARK_MOMENTS"]).write_text(json.dumps({**self._moments, "paths": self._paths}))

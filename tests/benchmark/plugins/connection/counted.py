# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: counted
short_description: Local commands, with what crosses the connection counted
version_added: 1.0.0
description:
  - The local connection. For each exchange it appends a line to the file that E(BOTFLEET_BENCHMARK_EXCHANGES) names,
    with the bytes sent and received, and the CPU seconds of what ran on the host.
author:
  - The tradeops.botfleet authors (@tradeops)
options:
  pipelining:
    description: Pass a module through standard input.
    type: bool
    default: false
    vars:
      - name: ansible_pipelining
"""

import json
import os
import resource
from typing import Any

from ansible.plugins.connection.local import Connection as Local


class Connection(Local):  # type: ignore[misc]  # ansible-core ships no types
    """Each worker serves one task of one bot, so what its children used is what the bot's host used."""

    transport = "counted"

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        before = _children()
        code, out, err = super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        self._count(len(cmd) + len(in_data or b""), len(out) + len(err), _children() - before)
        return code, out, err

    def put_file(self, in_path: str, out_path: str) -> None:
        super().put_file(in_path, out_path)
        self._count(os.path.getsize(in_path), 0, 0.0)

    def _count(self, sent: int, received: int, cpu: float) -> None:
        line: dict[str, Any] = {"sent": sent, "received": received, "cpu": cpu}
        with open(os.environ["BOTFLEET_BENCHMARK_EXCHANGES"], "ab", buffering=0) as counts:
            counts.write(json.dumps(line).encode() + b"\n")


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

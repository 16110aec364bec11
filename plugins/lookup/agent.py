# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: agent
short_description: The agent of this version of the collection, as a file on the controller
version_added: 1.0.0
description:
  - Packs the operations into C(<digest>.pyz) in a directory of the controller, unless that is there already.
  - The same version of the collection gives the same bytes anywhere.
options:
  _terms:
    description: The directory, which is made.
    type: list
    elements: path
    required: true
author:
  - The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Put the agent on a host
  ansible.builtin.copy:
    src: "{{ agent.path }}"
    dest: /var/lib/botfleet/agent/{{ agent.digest }}.pyz
    mode: "0644"
  vars:
    agent: "{{ lookup('tradeops.botfleet.agent', '~/.ansible/botfleet') }}"
"""

RETURN = r"""
_raw:
  description: For each directory, the C(path) of the file and its C(digest), the SHA-256 of its content.
  type: list
  elements: dict
"""

import os
from typing import Any

from ansible.plugins.lookup import LookupBase

from ..module_utils._files import read_bytes, write_atomic
from ..plugin_utils._agent import packed


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible-core ships no types
    """A thin edge around ``packed``."""

    def run(self, terms: list[str], variables: Any = None, **options: Any) -> list[dict[str, str]]:
        agent = packed()
        found = []
        for term in terms:
            directory = os.path.abspath(os.path.expanduser(term))
            path = os.path.join(directory, f"{agent.digest}.pyz")
            os.makedirs(directory, exist_ok=True)
            if read_bytes(path) != agent.content:
                write_atomic(path, agent.content)
            found.append({"path": path, "digest": agent.digest})
        return found

# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: go_live_flag
short_description: Raise or lower what permits a bot to trade
version_added: 1.0.0
description:
  - Sets a flag file, a boolean in a YAML or JSON config, or both, and reads them back (S4.2, S4.3).
  - Lowering trading takes the flag file first. A config that is missing, malformed or cannot be edited does not
    keep it up; the module then fails after the flag file is down, and says which of the two is not lowered.
  - Raising trading takes the flag file last, and lowers again what it had set when something goes wrong.
  - Only the value in the config changes; comments, order, quotes, line ends, owner and mode stay.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
options:
  path:
    description:
      - The flag file. It is created empty, with mode V(0644) and the owner of its directory.
      - If it is a symlink, the link is removed, never what it points to. A directory is an error.
      - At least one of O(path) and O(config_path) is required.
    type: path
  state:
    description:
      - The state of the flag file, literally.
      - The boolean in the config goes with it, V(true) for V(present) and V(false) for V(absent).
    type: str
    choices: [absent, present]
    required: true
  polarity:
    description:
      - V(live) if the presence of the file permits trading, V(halt) if it forbids it, like a kill switch.
    type: str
    choices: [live, halt]
    default: live
  config_path:
    description:
      - The config that holds the boolean. A file named C(*.json) is JSON, any other is YAML.
      - It must be a file itself, not a symlink.
    type: path
  config_key:
    description:
      - The boolean's key, with dots between its parts. A number is an index of a list, from 0.
      - A dot inside a part is written V(\\.).
      - The key must be there and be a boolean.
    type: str
  confirm:
    description:
      - Must be V(true) to permit trading, which is O(state=present) with O(polarity=live),
        or O(state=absent) with O(polarity=halt). Check mode asks for it too.
    type: bool
    default: false
requirements:
  - ruamel.yaml on the host, for a config in YAML
notes:
  - YAML and JSON files with a duplicate key, and YAML files with several documents, are not edited.
  - Large YAML files are read five times as fast where the C parser of ruamel.yaml (C(ruamel.yaml.clib)) is installed.
  - A value that other keys share through a YAML anchor is not changed, that is an error.
    V(yes), V(no), V(on) and V(off) in YAML are rewritten, because readers of YAML 1.1 and 1.2 disagree about them.
seealso:
  - module: tradeops.botfleet.exchange_testnet
author: The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Forbid trading
  tradeops.botfleet.go_live_flag:
    path: /opt/quantum-trader/go_live.active
    state: absent
    config_path: /opt/quantum-trader/config/go_live.yaml
    config_key: activation_enabled

- name: Forbid trading with a kill switch
  tradeops.botfleet.go_live_flag:
    path: /opt/mm-bot/KILL_SWITCH
    state: present
    polarity: halt

- name: Permit trading again
  tradeops.botfleet.go_live_flag:
    path: /opt/quantum-trader/go_live.active
    state: present
    confirm: true
"""

RETURN = r"""
msg:
  description: What was done or would be done, or why it failed.
  returned: always
  type: str
before:
  description: The state before the module ran.
  returned: when it could be read
  type: dict
  contains: &state
    path:
      description: The flag file.
      returned: when O(path) is set
      type: str
    state:
      description: Whether it is V(present) or V(absent), null if that cannot be read.
      returned: when O(path) is set
      type: str
    config_path:
      description: The config.
      returned: when O(config_path) is set
      type: str
    config_key:
      description: The key.
      returned: when O(config_path) is set
      type: str
    value:
      description:
        - The boolean, null if it cannot be read.
        - A value that readers disagree about counts as what it should not be.
      returned: when O(config_path) is set
      type: bool
    problem:
      description: What could not be read, and why.
      returned: when something could not be read
      type: str
after:
  description: The state after the module ran, null if it failed.
  returned: always
  type: dict
  contains: *state
change:
  description: What was changed.
  returned: when something was changed
  type: dict
  contains:
    raised:
      description: Whether the change permits trading.
      returned: always
      type: bool
    changed:
      description: The options V(path) and V(config_key) whose switch was changed.
      returned: always
      type: list
      elements: str
proof:
  description: The state read again, which is the wanted one.
  returned: on success outside check mode
  type: dict
  contains: *state
"""

from ansible_collections.tradeops.botfleet.plugins.module_utils._module import run_module
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.go_live_flag import GoLiveFlag


def main() -> None:
    run_module(GoLiveFlag)


if __name__ == "__main__":
    main()

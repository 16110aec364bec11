# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: exchange_exposure_info
short_description: Read the positions and orders of an account
version_added: 1.0.0
description:
  - Reads all positions and all orders of an account, regular and conditional, with signed reads only.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
  - tradeops.botfleet.account
attributes:
  check_mode:
    details: Reads only, with or without it.
  diff_mode:
    support: none
    details: Nothing is changed.
options:
  deadline:
    description: Seconds for all of it.
    type: float
    default: 60
  credentials_only:
    description: Read whose the credentials are, and no more. Only RV(account) and RV(not_known_in) are returned.
    type: bool
    default: false
seealso:
  - module: tradeops.botfleet.exchange_exposure
author: The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Read what the bot holds
  tradeops.botfleet.exchange_exposure_info:
    exchange: okx
    environment: demo
    credentials_path: /opt/quantum-trader/.env
  register: held

- name: It holds nothing
  ansible.builtin.assert:
    that: held.state == 'flat'

- name: Find out whether these are a testnet's
  tradeops.botfleet.exchange_exposure_info:
    exchange: bybit
    environment: testnet
    credentials: "{{ vault_testnet_credentials.bybit }}"
    credentials_only: true
  register: whose
  failed_when: whose is failed or 'production' not in whose.not_known_in
"""

RETURN = r"""
account:
  description: Exchange and environment.
  returned: success
  type: str
state:
  description: V(flat) where there is neither a position nor an order, else V(residual).
  returned: success, without O(credentials_only)
  type: str
positions:
  description: Each with C(symbol), C(side), C(contracts) and C(notional) in the quote currency.
  returned: success, without O(credentials_only)
  type: list
  elements: dict
orders:
  description: Each with C(symbol), C(id), C(kind), C(side), C(reduces) and C(amount).
  returned: success, without O(credentials_only)
  type: list
  elements: dict
notional:
  description: Of all positions, in the quote currency.
  returned: success, without O(credentials_only)
  type: float
not_known_in:
  description: The environments that were asked and do not know the credentials.
  returned: success
  type: list
  elements: str
  sample: [testnet, demo]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._exposure.access import ACCOUNT, ONE_PLACE
from ..module_utils._operation import Context, OperationError
from ..module_utils._operations.exchange_exposure import ExchangeExposure


def main() -> None:
    spec = {**ACCOUNT, "credentials_only": {"type": "bool", "default": False}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True, **ONE_PLACE)
    options = {**module.params, "strategy": "cancel_and_close"}
    try:
        reader = ExchangeExposure.reader(options, Context(check_mode=True))
        read = {} if module.params["credentials_only"] else reader.observe()
        account = {"account": reader.account, **read, "not_known_in": reader.not_known_in()}
    except OperationError as error:
        module.fail_json(msg=str(error))
    account.pop("unwanted", None)
    module.exit_json(changed=False, **account)


if __name__ == "__main__":
    main()

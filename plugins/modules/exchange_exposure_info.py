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
attributes:
  check_mode:
    details: Reads only, with or without it.
  diff_mode:
    support: none
    details: Nothing is changed.
options:
  exchange:
    description:
      - The exchange, by ccxt's name. Derivatives only, and of OKX swaps only.
        Neither its dated futures and options nor the spot market of any exchange are seen.
    type: str
    choices: [binanceusdm, bybit, okx]
    required: true
  environment:
    description:
      - The environment that the credentials were issued for.
      - One signed read is sent to each environment, and nothing else is done unless this one alone knows them.
        Neither a flag in a config nor a signature tells them apart.
    type: str
    choices: [production, testnet, demo]
    required: true
  credentials:
    description:
      - C(api_key) and C(api_secret), of OKX C(api_passphrase), too.
        Or these by exchange, named as in O(exchange).
      - One of O(credentials), O(credentials_env) and O(credentials_path) is required.
    type: dict
  credentials_env:
    description: Of each field, the name of the environment variable on the host that holds it.
    type: dict
  credentials_path:
    description: A YAML, JSON or env file on the host that holds them, such as the bot's own config.
    type: path
  credentials_key:
    description:
      - The key of each field in O(credentials_path), with dots between its parts.
        C({exchange}) and C({field}) are filled in, C({EXCHANGE}) and C({FIELD}) in capitals.
      - By default C(exchanges.{exchange}.{field}), in env files C({EXCHANGE}_{FIELD}).
    type: str
  replaced_path:
    description:
      - Where O(tradeops.botfleet.exchange_testnet#module:keep_replaced) keeps what it replaced in O(credentials_path).
      - If O(environment) does not know the credentials that are there, or there are none, those of production that were
        replaced last are tried in the same way. So an account can be read once its bot is on testnet.
    type: path
  base_url:
    description:
      - Where a gateway stands in for the exchange. C({environment}) is filled in.
      - Without it a gateway leads to one environment, and only that one is asked whether it knows the credentials.
    type: str
  markets:
    description: Which of its markets count, such as V(linear) and V(inverse) of Bybit. Empty means all of them.
    type: list
    elements: str
    default: []
  symbols:
    description: Which contracts count, as ccxt writes them, such as V(BTC/USDT:USDT). Empty means all of them.
    type: list
    elements: str
    default: []
  deadline:
    description: Seconds for all of it.
    type: float
    default: 60
requirements:
  - Python 3.10 and ccxt 4.5.80 on the host
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
"""

RETURN = r"""
account:
  description: Exchange and environment.
  returned: success
  type: str
state:
  description: V(flat) where there is neither a position nor an order, else V(residual).
  returned: success
  type: str
positions:
  description: Each with C(symbol), C(side), C(contracts) and C(notional) in the quote currency.
  returned: success
  type: list
  elements: dict
orders:
  description: Each with C(symbol), C(id), C(kind), C(side), C(reduces) and C(amount).
  returned: success
  type: list
  elements: dict
notional:
  description: Of all positions, in the quote currency.
  returned: success
  type: float
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._exposure.access import ACCOUNT, ONE_PLACE
from ..module_utils._operation import Context, OperationError
from ..module_utils._operations.exchange_exposure import ExchangeExposure


def main() -> None:
    module = AnsibleModule(argument_spec=ACCOUNT, supports_check_mode=True, **ONE_PLACE)
    options = {**module.params, "strategy": "cancel_and_close"}
    try:
        account = ExchangeExposure.reader(options, Context(check_mode=True)).observe()
    except OperationError as error:
        module.fail_json(msg=str(error))
    account.pop("unwanted")
    module.exit_json(changed=False, **account)


if __name__ == "__main__":
    main()

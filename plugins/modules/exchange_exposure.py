# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: exchange_exposure
short_description: Cancel the orders of an account, close its positions, and prove it
version_added: 1.0.0
description:
  - Reads all positions and all orders of an account, regular and conditional, cancels and closes what O(strategy) does
    not want, and reads again until that is proven (S1.3, S3.5, S4.7).
  - Closing orders can only reduce. One whose answer never comes is looked up by its client id,
    and never sent blindly again.
  - Check mode sends signed reads only, and shows the orders that it would send.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
  - tradeops.botfleet.account
options:
  strategy:
    description:
      - What is wanted (S4.7).
      - V(natural) cancels orders that may open or grow a position, and leaves positions to their stops.
      - V(close) closes all positions, too.
      - V(cancel_and_close) leaves no order either.
        Conditional orders go last, so that stops protect until a position is closed.
    type: str
    choices: [natural, close, cancel_and_close]
    default: cancel_and_close
  deadline:
    description: Seconds for all of it. What is left then is in the result, and the module fails.
    type: float
    default: 60
  clean_reads:
    description: How many readings in a row must show what is wanted.
    type: int
    default: 2
  max_slippage:
    description: How far from the mark price a closing order may go, as a share, where the exchange has such orders.
    type: float
  client_id_seed:
    description:
      - What the client ids of orders are made of. Give the rollback id, so that a second run knows those of the first.
    type: str
    default: ""
  confirm_environment:
    description: Must be O(environment) for any order to be sent.
    type: str
notes:
  - Whatever was closed is not opened again, there is no way back in this module.
  - The account must have no other user meanwhile. Stop the bot first, or what it sends is closed again and again.
seealso:
  - module: tradeops.botfleet.exchange_exposure_info
  - module: tradeops.botfleet.exchange_testnet
author: The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Close everything, as the bot on this host may
  tradeops.botfleet.exchange_exposure:
    exchange: binanceusdm
    environment: production
    confirm_environment: production
    credentials_path: /opt/quantum-trader/config/exchange.yaml
    credentials_key: exchanges.binance.{field}

- name: Let two contracts end at their stops, and cancel what may open more
  tradeops.botfleet.exchange_exposure:
    exchange: bybit
    environment: production
    confirm_environment: production
    credentials:
      api_key: "{{ vault_bybit_key }}"
      api_secret: "{{ vault_bybit_secret }}"
    symbols: ["BTC/USDT:USDT", "ETH/USDT:USDT"]
    strategy: natural
"""

RETURN = r"""
msg:
  description: What was done or would be done, or why it failed, with what is left.
  returned: always
  type: str
before:
  description: The account before the module did anything.
  returned: when it could be read
  type: dict
  contains: &account
    account:
      description: Exchange and environment.
      returned: always
      type: str
    state:
      description: V(flat), V(guarded) where the strategy leaves positions to their stops, or V(residual).
      returned: always
      type: str
    positions:
      description: Each with C(symbol), C(side), C(contracts) and C(notional) in the quote currency.
      returned: always
      type: list
      elements: dict
    orders:
      description: Each with C(symbol), C(id), C(kind), C(side), C(reduces) and C(amount).
      returned: always
      type: list
      elements: dict
    notional:
      description: Of all positions, in the quote currency.
      returned: always
      type: float
    unwanted:
      description: C(positions) and C(orders) that the strategy does not want.
      returned: always
      type: dict
after:
  description: The account after the module ran.
  returned: when something was done
  type: dict
  contains: *account
change:
  description: What was done.
  returned: when something was done
  type: dict
  contains:
    closed:
      description: Each closing order, with C(client_id) and what it C(came_to).
      returned: always
      type: list
      elements: dict
    cancelled:
      description: The orders that were asked to be cancelled.
      returned: always
      type: list
      elements: dict
    rounds:
      description: How many readings asked for something to be done.
      returned: always
      type: int
    refusals:
      description: What the exchange said to what it did not do.
      returned: always
      type: list
      elements: str
    notional_before:
      description: Of all positions at the start, in the quote currency.
      returned: always
      type: float
    notional_after:
      description: Of those that are left.
      returned: always
      type: float
    seconds_to_flat:
      description: From the start to the first clean reading, null unless it was proven.
      returned: always
      type: float
    readings:
      description: Of each reading the seconds since the start, the notional of all positions, and the number of orders.
      returned: always
      type: list
      elements: list
      sample: [[0.132, 36000.0, 3], [0.518, 6000.0, 1], [0.904, 0.0, 0], [1.337, 0.0, 0]]
    requests:
      description: How many were sent.
      returned: always
      type: int
    network_seconds:
      description: Seconds spent in them.
      returned: always
      type: float
    waited_seconds:
      description: Seconds spent in pauses, most of them asked for by the exchange.
      returned: always
      type: float
proof:
  description: The account as the last of the clean readings shows it.
  returned: on success outside check mode
  type: dict
  contains:
    <<: *account
    proof:
      description: When the clean readings came, in seconds, and the environments that do not know the credentials.
      returned: always
      type: dict
"""

from ansible_collections.tradeops.botfleet.plugins.module_utils._module import run_module
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.exchange_exposure import ExchangeExposure


def main() -> None:
    run_module(ExchangeExposure)


if __name__ == "__main__":
    main()

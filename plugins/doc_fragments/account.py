# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options that say which account at an exchange is meant, and how it is opened."""

    DOCUMENTATION = r"""
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
      - Only then, since they may be of another account that the bot had before. It is on testnet if the key C(testnet)
        beside the credentials says so, and where there is none, if an environment without real money knows them.
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
requirements:
  - Python 3.10 and ccxt 4.5.80 on the host
"""

# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: exchange_testnet
short_description: Send a bot's orders to the testnet of each exchange
version_added: 1.0.0
description:
  - Sets the testnet switch of each exchange in a YAML, JSON or env file, and the credentials that are given (S4.4).
  - Production credentials are what closes positions. With O(require_flat) nothing changes unless the accounts are
    read as flat.
  - A switch tells nothing of the credentials beside it. With O(prove_environment) the exchange says whose they are.
  - Only the named values change; comments, order, unknown keys, quotes, line ends, owner and mode stay.
  - There is no way back to production in this module. The replaced credentials are kept in a file of mode V(0600).
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
options:
  path:
    description:
      - The config. It must be a file itself, not a symlink.
    type: path
    required: true
  format:
    description:
      - The format of O(path). V(auto) takes it from the file's name,
        C(*.yaml), C(*.yml), C(*.json), or one with C(env) in it.
    type: str
    choices: [auto, yaml, json, env]
    default: auto
  exchanges:
    description:
      - The exchanges to switch. Left out, empty or V(all) means every exchange in the file; none there is an error.
      - An exchange without its switch is an error too, since it would stay on production.
    type: list
    elements: str
  key:
    description:
      - The key of an exchange's testnet switch, with dots between its parts, in YAML and JSON files.
      - C({exchange}) is filled in, C({EXCHANGE}) in capitals. A dot inside a part is written V(\\.).
      - The switch must be there and be a boolean.
      - A switch that is inherited by a YAML merge key is written out for its exchange.
    type: str
    default: exchanges.{exchange}.testnet
  credentials_key:
    description:
      - The key of an exchange's credential in YAML and JSON files. C({exchange}) and C({field}) are filled in.
      - One that is missing is added if the mapping it belongs to is there.
    type: str
    default: exchanges.{exchange}.{field}
  env_name:
    description:
      - The name of an exchange's testnet switch in env files.
      - A switch stays in its words, so V(0) becomes V(1) and V(False) becomes V(True).
      - Where a name is assigned several times, every assignment is changed.
    type: str
    default: "{EXCHANGE}_TESTNET"
  env_credentials_name:
    description:
      - The name of an exchange's credential in env files. One that is missing is added below its likest neighbour.
    type: str
    default: "{EXCHANGE}_{FIELD}"
  credentials:
    description:
      - The testnet credentials, a mapping of exchange to a mapping of field to value.
      - Credentials that are not given here stay as they are.
    type: dict
  keep_replaced:
    description:
      - The file that keeps the replaced credentials, by default O(path) with C(.replaced) added.
      - It is written before the config is. Values are only added to it, so none is ever lost.
    type: path
  require_flat:
    description:
      - Before anything is changed, read each of O(accounts), and fail unless it holds no position, and no order that
        its O(accounts[].strategy) does not leave. Having no O(accounts) is a failure, too.
      - When nothing is to be changed, nothing is asked.
      - Check mode says what an account holds, which is no failure there, since the bot may still trade.
    type: bool
    default: false
  prove_environment:
    description:
      - Once the config is set for testnet, send a signed read with the present credentials to each environment of
        O(accounts), and fail unless they are those of O(accounts[].testnet_environment).
        So production credentials beside V(testnet=true) are found out.
      - The present credentials are those in O(path). Of an account of which it has none, RV(proof.unproven) says so.
      - Nothing but reads is ever sent.
    type: bool
    default: false
  accounts:
    description:
      - The exchange accounts of the bot. Each is described as for M(tradeops.botfleet.exchange_exposure).
    type: list
    elements: dict
    default: []
    suboptions:
      exchange:
        description: The exchange, by ccxt's name.
        type: str
        choices: [binanceusdm, bybit, okx]
        required: true
      environment:
        description: The environment that is read for O(require_flat).
        type: str
        choices: [production, testnet, demo]
        required: true
      testnet_environment:
        description:
          - The environment that the credentials must be of for O(prove_environment), by default V(testnet),
            or V(demo) where the exchange has no other.
        type: str
        choices: [testnet, demo]
      name_in_config:
        description:
          - How O(path) and O(credentials) name the exchange, by default as O(accounts[].exchange) does.
          - For O(prove_environment), of an account whose O(accounts[].credentials_path) is not O(path).
        type: str
      credentials:
        description: See O(tradeops.botfleet.exchange_exposure#module:credentials).
        type: dict
      credentials_env:
        description: See O(tradeops.botfleet.exchange_exposure#module:credentials_env).
        type: dict
      credentials_path:
        description: See O(tradeops.botfleet.exchange_exposure#module:credentials_path). It may be O(path).
        type: path
      credentials_key:
        description: See O(tradeops.botfleet.exchange_exposure#module:credentials_key).
        type: str
      replaced_path:
        description:
          - See O(tradeops.botfleet.exchange_exposure#module:replaced_path). Only for O(require_flat).
        type: path
      base_url:
        description:
          - See O(tradeops.botfleet.exchange_exposure#module:base_url).
            For O(prove_environment) it must lead to all environments.
        type: str
      markets:
        description: See O(tradeops.botfleet.exchange_exposure#module:markets).
        type: list
        elements: str
        default: []
      symbols:
        description: See O(tradeops.botfleet.exchange_exposure#module:symbols).
        type: list
        elements: str
        default: []
      strategy:
        description: What must be there for O(require_flat). See O(tradeops.botfleet.exchange_exposure#module:strategy).
        type: str
        choices: [natural, close, cancel_and_close]
        default: cancel_and_close
      deadline:
        description: Seconds for all reads of this account, before the switch and again after it.
        type: float
        default: 60
      clean_reads:
        description: Not used, one reading is enough here.
        type: int
        default: 2
      max_slippage:
        description: Not used, no order is sent.
        type: float
requirements:
  - ruamel.yaml on the host, for a config in YAML
  - Python 3.10 and ccxt 4.5.80 on the host, for O(accounts)
notes:
  - Credentials are masked in results and diffs; diffs hold only the keys that change.
  - The bot reads its config when it starts, RV(change.restart_required) says so.
  - YAML and JSON files with a duplicate key, and YAML files with several documents, are not edited.
    Neither is a value that an exchange shares through a YAML anchor with one that is not to change.
  - Large YAML files are read five times as fast where the C parser of ruamel.yaml (C(ruamel.yaml.clib)) is installed.
seealso:
  - module: tradeops.botfleet.exchange_exposure
  - module: tradeops.botfleet.go_live_flag
author: The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Switch every exchange in the config to its testnet
  tradeops.botfleet.exchange_testnet:
    path: /opt/quantum-trader/config/exchange.yaml

- name: Switch one exchange, with its credentials
  tradeops.botfleet.exchange_testnet:
    path: /opt/quantum-trader/config/exchange.yaml
    exchanges: [binance]
    credentials:
      binance:
        api_key: "{{ vault_binance_testnet_key }}"
        api_secret: "{{ vault_binance_testnet_secret }}"
    keep_replaced: /var/lib/botfleet/quantum-trader/exchange.replaced

- name: Switch it once its account is flat, and let the exchange say that the new credentials are a testnet's
  tradeops.botfleet.exchange_testnet:
    path: /opt/quantum-trader/config/exchange.yaml
    credentials: "{{ vault_testnet_credentials }}"
    require_flat: true
    prove_environment: true
    accounts:
      - exchange: binanceusdm
        environment: production
        credentials_path: /opt/quantum-trader/config/exchange.yaml
        credentials_key: exchanges.binance.{field}

- name: Switch the exchanges of an env file
  tradeops.botfleet.exchange_testnet:
    path: /opt/quantum-trader/.env
    exchanges: [binance, bybit, okx]
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
  contains:
    path: &path
      description: The config.
      returned: always
      type: str
    format: &format
      description: Its format.
      returned: always
      type: str
    exchanges: &exchanges
      description:
        - Of each exchange, by name, C(testnet), a boolean, and C(credentials) if any are given.
        - Credentials tell of each field V(given) if it is the one given, V(other) or V(missing).
      returned: always
      type: dict
      sample: {"binance": {"testnet": false, "credentials": {"api_key": "other"}}}
    restart_required: &restart_required
      description: Whether this run changed the config, so that a running bot does not know it yet.
      returned: always
      type: bool
after:
  description: The state after the module ran, null if it failed.
  returned: always
  type: dict
  contains:
    path: *path
    format: *format
    exchanges: *exchanges
    restart_required: *restart_required
change:
  description: What was changed.
  returned: when something was changed
  type: dict
  contains:
    path: *path
    changed:
      description: The keys whose value was changed or added.
      returned: always
      type: list
      elements: str
    kept:
      description: The file with the replaced credentials, null if none were replaced.
      returned: always
      type: str
    accounts:
      description:
        - With O(require_flat) each account as it was read before that. C(account) is its exchange and environment,
          C(state) V(flat), and C(not_known_in) the environments that do not know the credentials.
      returned: always
      type: list
      elements: dict
      sample: [{"account": "binanceusdm production", "state": "flat", "not_known_in": ["testnet", "demo"]}]
    restart_required: *restart_required
proof:
  description: The state read again, in which each exchange is on its testnet with the credentials given.
  returned: on success outside check mode
  type: dict
  contains:
    path: *path
    format: *format
    exchanges: *exchanges
    accounts:
      description:
        - With O(prove_environment) each account that the config opens. C(account) is its exchange and the environment
          that its credentials are of, C(not_known_in) the environments that do not know them.
      returned: always
      type: list
      elements: dict
      sample: [{"account": "binanceusdm testnet", "not_known_in": ["production", "demo"]}]
    unproven:
      description: With O(prove_environment) a sentence for each account of which O(path) has no credentials.
      returned: always
      type: list
      elements: str
"""

from ansible_collections.tradeops.botfleet.plugins.module_utils._module import run_module
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.exchange_testnet import ExchangeTestnet


def main() -> None:
    run_module(ExchangeTestnet)


if __name__ == "__main__":
    main()

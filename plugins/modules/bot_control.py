# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bot_control
short_description: Pause, empty and stop a bot through its own interface
version_added: 1.0.0
description:
  - Brings a bot to a state by what it offers itself, which is freqtrade's REST API, an HTTP API or commands
    (S1.3, S2.6). The bot is read first, and again afterwards. What was read decides, not what was answered.
  - Nothing is sent to a bot that is in the state already. No bot is ever started, and none told to enter anything.
  - What a bot says of itself is no proof of what its account holds. M(tradeops.botfleet.exchange_exposure) has that.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
attributes:
  check_mode:
    details:
      - Only reads, with GET requests. No command is run, not even the one for the status.
  idempotent:
    support: partial
    details:
      - What cannot be read back is sent each time.
options:
  interface:
    description:
      - What the bot speaks.
      - V(freqtrade) is its REST API, as of 2026.9. It takes O(url) and credentials.
      - V(http) takes O(requests), V(command) takes O(commands).
    type: str
    choices: [freqtrade, http, command]
    required: true
  state:
    description:
      - V(paused) enters nothing new.
      - V(flat) is paused, and has closed all that it had open by its own count.
      - V(stopped) is flat, and was stopped by its own means then.
        Its process may run on, M(tradeops.botfleet.bot_service) stops that.
      - V(reloaded), of V(freqtrade) alone, is paused, and has learnt from its exchange that what it had open was
        closed by others. Without that, such a trade stays open in its database.
    type: str
    choices: [paused, flat, stopped, reloaded]
    required: true
  url:
    description:
      - The address of freqtrade's API server, such as V(http://127.0.0.1:8080).
    type: str
  requests:
    description:
      - The requests of a bot with an HTTP API. Each is sent once. Redirects are never followed.
      - The last step of O(state) is required. One before it that is missing is left out.
    type: dict
    suboptions:
      pause:
        description:
          - Has it enter nothing new.
        type: dict
        suboptions: &request
          url: &address
            description:
              - The address. Credentials belong in O(credentials).
            type: str
            required: true
          method:
            description:
              - The method.
            type: str
            choices: [POST, PUT, PATCH, DELETE]
            default: POST
          body:
            description:
              - The body. Text is sent as it is, anything else as JSON. It is no place for secrets.
            type: raw
          headers: &headers
            description:
              - Further headers. Their values are never shown.
            type: dict
          expected: &expected
            description:
              - Any of these statuses is expected.
            type: list
            elements: int
            default: [200]
      exit:
        description:
          - Has it close all that it has open.
        type: dict
        suboptions: *request
      stop:
        description:
          - Stops it. It is sent once the others are done.
        type: dict
        suboptions: *request
      status:
        description:
          - Where it says how it is. Without it, all is a claim.
        type: dict
        suboptions:
          url: *address
          headers: *headers
          expected: *expected
          count: &count
            description:
              - A JMESPath expression that finds how many trades or positions are open.
              - Without any of the three expressions, the answer is that number itself.
            type: str
          paused: &paused
            description:
              - A JMESPath expression that is true once it enters nothing new, else false.
            type: str
          stopped: &stopped
            description:
              - A JMESPath expression that is true once it is stopped, else false. It is paused then, too.
            type: str
  commands:
    description:
      - The commands of a bot that has scripts. Each is a list, and run once, without a shell.
      - The last step of O(state) is required. One before it that is missing is left out.
    type: dict
    suboptions:
      pause:
        description:
          - Has it enter nothing new.
        type: list
        elements: str
      exit:
        description:
          - Has it close all that it has open.
        type: list
        elements: str
      stop:
        description:
          - Stops it. It is run once the others are done.
        type: list
        elements: str
      status:
        description:
          - What prints how it is, and changes nothing. Without it, all is a claim.
        type: dict
        suboptions:
          argv:
            description:
              - The command, as a list.
            type: list
            elements: str
            required: true
          count: *count
          paused: *paused
          stopped: *stopped
      chdir:
        description:
          - The directory in which they are run.
        type: path
      user:
        description:
          - The user as whom they are run. Another one than the module's takes root.
        type: str
      timeout:
        description:
          - Time limit of each, s. It is killed then.
        type: float
        default: 30.0
  credentials:
    description:
      - C(username) and C(password), or C(token), a bearer's.
    type: dict
  credentials_env:
    description:
      - Of each of them, the name of the environment variable on the host that holds it.
    type: dict
  expect_dry_run:
    description:
      - Whether freqtrade is expected to trade on paper. If it says otherwise, nothing is sent.
      - C(FREQTRADE__DRY_RUN) in its environment overrides its config, so that the file does not tell.
    type: bool
  absent:
    description:
      - What comes of a bot with an API at whose address nothing listens, so that it does not run.
      - With V(skip) it is left alone, which proves nothing of what it holds.
    type: str
    choices: [fail, skip]
    default: fail
  timeout:
    description:
      - Time limit of each request, s.
    type: float
    default: 5.0
  deadline:
    description:
      - How long all of it may take, s. The module fails then, and says what is left.
    type: float
    default: 60.0
  validate_certs:
    description:
      - Whether the server's certificate is verified.
    type: bool
    default: true
  ca_path:
    description:
      - A file of certificates of authorities on the host, instead of the host's own.
    type: path
requirements:
  - jmespath on the host, for a status with expressions
notes:
  - A freqtrade that is stopped is paused as it is. It is not paused again, which would start it, and with trades open
    it is neither V(flat) nor V(stopped), because it exits nothing then.
  - A paused freqtrade with C(position_adjustment_enable) still adds to open trades. The result shows it.
seealso:
  - module: tradeops.botfleet.exchange_exposure
  - module: tradeops.botfleet.bot_service
author: The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Have freqtrade close its trades, then stop
  tradeops.botfleet.bot_control:
    interface: freqtrade
    url: http://127.0.0.1:8080
    credentials_env:
      username: FREQTRADE__API_SERVER__USERNAME
      password: FREQTRADE__API_SERVER__PASSWORD
    expect_dry_run: false
    state: stopped

- name: Let it see what was closed at its exchange meanwhile
  tradeops.botfleet.bot_control:
    interface: freqtrade
    url: http://127.0.0.1:8080
    credentials: "{{ vault_freqtrade }}"
    state: reloaded

- name: Close all positions of a bot with an API of its own
  tradeops.botfleet.bot_control:
    interface: http
    state: flat
    credentials:
      token: "{{ vault_bot_token }}"
    requests:
      pause:
        url: http://127.0.0.1:9000/trading
        method: PUT
        body: {enabled: false}
      exit:
        url: http://127.0.0.1:9000/positions
        method: DELETE
        expected: [202]
      status:
        url: http://127.0.0.1:9000/status
        count: length(positions)
        paused: trading.enabled == `false`

- name: Close all positions by a script
  tradeops.botfleet.bot_control:
    interface: command
    state: flat
    commands:
      chdir: /opt/trading-node
      user: trader
      exit: [./scripts/emergency_stop.sh]

- name: Stop the data ingestion
  tradeops.botfleet.bot_control:
    interface: command
    state: stopped
    commands:
      chdir: /opt/solution
      stop: [python3, scripts/emergency_stop.py, --service, databento]
"""

RETURN = r"""
msg:
  description: What was done or would be done, or why it failed, with what is left.
  returned: always
  type: str
before:
  description: What the bot said of itself before anything was sent.
  returned: when it could be read
  type: dict
  contains: &bot
    bot:
      description: Which one it is, and where.
      returned: always
      type: str
    paused:
      description: Whether it enters nothing new, null if it does not say.
      returned: always
      type: bool
    count:
      description: How many trades or positions it has open, null if it does not say.
      returned: always
      type: int
    stopped:
      description: Whether it is stopped, null if it does not say.
      returned: always
      type: bool
    claimed:
      description: Whether the state rests on something that cannot be read back.
      returned: always
      type: bool
    state:
      description: Freqtrade's own word.
      returned: for freqtrade
      type: str
    dry_run:
      description: Whether freqtrade trades on paper.
      returned: for freqtrade
      type: bool
    version:
      description: Freqtrade's.
      returned: for freqtrade
      type: str
    position_adjustment_enable:
      description: Whether freqtrade adds to open trades, even when it is paused.
      returned: for freqtrade
      type: bool
after:
  description: What it says now.
  returned: on success outside check mode
  type: dict
  contains: *bot
change:
  description: What was done.
  returned: when something was sent
  type: dict
  contains:
    sent:
      description: The steps, V(pause), V(exit), V(reload) and V(stop).
      returned: always
      type: list
      elements: str
    count_before:
      description: What was open before.
      returned: always
      type: int
    count_after:
      description: What is open now.
      returned: always
      type: int
    seconds:
      description: How long it took.
      returned: always
      type: float
proof:
  description: What was read back in the end, also when it is not what was wanted.
  returned: when it was read back
  type: dict
  contains: *bot
"""

from ansible_collections.tradeops.botfleet.plugins.module_utils._module import run_module
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.bot_control import BotControl


def main() -> None:
    run_module(BotControl)


if __name__ == "__main__":
    main()

# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_check
short_description: Check a bot's health by name
version_added: 1.0.0
description:
  - Carries out named checks of what a bot answers, logs and leaves on its host (S0.8, S1.5, S1.6, S2.11, S4.6).
  - All checks are carried out, several at a time. If some fail, the module fails and names each of them.
  - A check that can never work, such as one with a malformed expression, fails the module before anything is asked.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
attributes:
  check_mode:
    details:
      - Nothing is changed anyway, except by commands, which are left out in check mode. The result says so.
  diff_mode:
    support: N/A
    details:
      - Nothing is changed.
options:
  checks:
    description:
      - The checks. Each has a name and exactly one kind.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - What the check is called when it fails. No two checks have the same name.
        type: str
        required: true
      http:
        description:
          - Status, body, or a value in the body of an HTTP answer.
          - A redirect is followed only to the same scheme, host and port. Proxies are never used.
        type: dict
        suboptions:
          url:
            description:
              - The address. Credentials belong in O(checks[].http.headers).
            type: str
            required: true
          method:
            description:
              - The method.
            type: str
            choices: [GET, HEAD]
            default: GET
          status:
            description:
              - Any of these is expected.
            type: list
            elements: int
            default: [200]
          contains:
            description:
              - Text that is expected in the first MiB of the body.
            type: str
          headers: &headers
            description:
              - Headers of the request. Their values are never shown.
            type: dict
          query:
            description:
              - A JMESPath expression, asked of a body in JSON.
              - Without an expected value or bound, its value must be true.
            type: str
          timeout: &timeout
            description:
              - Time limit of one attempt, s.
            type: float
            default: 5.0
          validate_certs: &validate_certs
            description:
              - Whether the server's certificate is verified.
            type: bool
            default: true
          ca_path: &ca_path
            description:
              - A file of certificates of authorities on the host, instead of the host's own.
            type: path
          equals:
            description:
              - The expected value of O(checks[].http.query). V(true) is not V(1).
              - A string is also equal to the number or boolean that it spells, because templates give strings.
            type: raw
          any_of:
            description:
              - Expected values; one of them is enough.
            type: list
            elements: raw
          min:
            description:
              - The least number that is expected.
            type: float
          max:
            description:
              - The greatest number that is expected.
            type: float
          above:
            description:
              - A number is expected that is greater.
            type: float
          below:
            description:
              - A number is expected that is less.
            type: float
      version:
        description:
          - A version, read from exactly one of O(checks[].version.url), O(checks[].version.file) and
            O(checks[].version.command), without white space around it.
        type: dict
        suboptions:
          equals:
            description:
              - The expected version.
            type: str
            required: true
          url:
            description:
              - The address that answers with the version, or with JSON that holds it.
            type: str
          headers: *headers
          query:
            description:
              - A JMESPath expression that finds the version in JSON.
            type: str
          validate_certs: *validate_certs
          ca_path: *ca_path
          file:
            description:
              - The file that holds the version. It must not be a symlink.
            type: path
          command:
            description:
              - The command that prints the version, as a list. It is left out in check mode.
            type: list
            elements: str
          chdir: &chdir
            description:
              - The directory in which the command is run.
            type: path
          user: &user
            description:
              - The user as whom the command is run. Another one than the module's takes root.
            type: str
          timeout: *timeout
      log:
        description:
          - Lines of a log file, or of a unit in the journal.
          - A file that is missing and a unit without any line are failures, whatever is looked for.
        type: dict
        suboptions:
          path:
            description:
              - The log file. A symlink may lead to a file in the same directory only.
            type: path
          unit:
            description:
              - The systemd unit.
            type: str
          present:
            description:
              - Regular expressions, each of which must be found in some line.
            type: list
            elements: str
            default: []
          absent:
            description:
              - Regular expressions, none of which may be found in any line.
            type: list
            elements: str
            default: []
          lines:
            description:
              - How many of the last lines are looked at.
              - Without it and without O(checks[].log.since), 50; with O(checks[].log.since) alone, all since then.
            type: int
          since:
            description:
              - Only lines since then are looked at. A number is s ago, else it is a time with its zone, such as
                V(2026-01-31T12:00:00Z).
              - The time of a line in a file is the first one like V(2026-01-31T12:00:00) or
                V(2026-01-31 12:00:00,123) in its first 64 characters, in the host's local time if it has no zone.
                A line without a time belongs to the one before it.
            type: str
      file:
        description:
          - Whether something is at a path. A symlink counts, whatever it leads to.
        type: dict
        suboptions:
          path:
            description:
              - The path.
            type: path
            required: true
          state:
            description:
              - What is expected there.
            type: str
            choices: [absent, present]
            default: present
      command:
        description:
          - The exit code of a command, which is run without a shell. It is left out in check mode.
        type: dict
        suboptions:
          argv:
            description:
              - The command, as a list.
            type: list
            elements: str
            required: true
          code:
            description:
              - The expected exit code.
            type: int
            default: 0
          chdir: *chdir
          user: *user
          timeout:
            description:
              - Time limit of one attempt, s. The command is killed then.
            type: float
            default: 30.0
      tcp:
        description:
          - Whether a port accepts connections.
        type: dict
        suboptions:
          host:
            description:
              - The host.
            type: str
            default: 127.0.0.1
          port:
            description:
              - The port.
            type: int
            required: true
          timeout: *timeout
  deadline:
    description:
      - Checks that fail are tried again until so many s have passed. V(0) tries once.
    type: float
    default: 0.0
  interval:
    description:
      - The time between two attempts, s.
    type: float
    default: 1.0
requirements:
  - jmespath on the host, for checks with a query; without it these fail and the others are carried out
  - journalctl on the host, for checks of a unit's log
author: The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Check that trading is off
  tradeops.botfleet.health_check:
    deadline: 60
    checks:
      - name: The emergency stop system is active by hand, or inactive
        http:
          url: http://127.0.0.1:8000/api/risk/ess/status
          query: active == `false` || (active == `true` && reason == 'manual_deactivation')
          equals: true
      - name: The flag is gone
        file:
          path: /opt/quantum-trader/go_live.active
          state: absent
      - name: Orders are skipped
        log:
          path: /opt/quantum-trader/logs/backend.log
          present: [ORDER_SKIPPED]
          lines: 50

- name: Check the market maker
  tradeops.botfleet.health_check:
    checks:
      - name: Version
        version:
          url: http://127.0.0.1:8080/version
          query: version
          equals: v0.9.9-stable
      - name: Latency
        http:
          url: http://127.0.0.1:8080/health
          query: p95_latency_ms
          max: 350
      - name: No errors in five minutes
        log:
          unit: mm-bot
          absent: ['\bERROR\b']
          since: "300"
      - name: Health check
        command:
          argv: [/opt/mm-bot/scripts/health_check.sh]
          user: mm-bot
"""

RETURN = r"""
msg:
  description: The checks that failed, with what was observed.
  returned: always
  type: str
before:
  description: Always empty, nothing is changed.
  returned: always
  type: dict
after:
  description: Always empty, nothing is changed. Null if a check failed.
  returned: always
  type: dict
change:
  description: Always null, nothing is changed.
  returned: always
  type: dict
proof:
  description: What was observed.
  returned: when the checks were carried out
  type: dict
  contains:
    checks:
      description: The checks, in their order.
      returned: always
      type: list
      elements: dict
      contains:
        name:
          description: The check's name.
          returned: always
          type: str
        ok:
          description: Whether it passed, null if it was left out.
          returned: always
          type: bool
        observed:
          description: What was seen, on one line, cut short, without secret headers.
          returned: always
          type: str
        attempts:
          description: How often it was carried out.
          returned: always
          type: int
        seconds:
          description: How long the last attempt took.
          returned: always
          type: float
"""

from ansible_collections.tradeops.botfleet.plugins.module_utils._module import run_module
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.health_check import HealthCheck


def main() -> None:
    run_module(HealthCheck)


if __name__ == "__main__":
    main()

# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: transaction
short_description: Carry out the steps of one or more rollback stages on a bot, in one round trip, journaled
version_added: 1.0.0
description:
  - Takes steps as data, each written as a task would be (a name and one operation with its options), and carries all
    of
    them out on the bot's host in one exchange.
  - Every step is written to a journal on the host before and after it, read again after a change, and bounded by a
    time
    limit. A transaction that was cut short is completed by running the same O(rollback_id) again, from any
    controller.
  - Each step and each secret is templated alone. What cannot be templated or validated fails that step only. In a
    stage with
    O(stages[].on_failure=continue) the others run; elsewhere the bot is refused before anything is touched.
  - Every operation of this collection is also a module of its own, with the same name and options.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
attributes:
  check_mode:
    details:
      - Takes no lock and writes no journal. The stages V(resume), V(verify) and V(watch) are skipped, since they need
        the bot as
        the earlier stages would leave it.
  idempotent:
    support: partial
    details:
      - A closed O(rollback_id) returns its stored result. A new one carries its steps out anew, each of which is
        idempotent where
        its module is.
options:
  rollback_id:
    description: Names the rollback. Everything about it on the host is filed under this name.
    type: str
    required: true
  bot:
    description: Name of the bot, under which its state is kept. Defaults to the inventory's name of the host.
    type: str
  state_dir:
    description: Directory of the state of all bots of a host. Each bot has a directory of mode V(0700) in it.
    type: str
    default: /var/lib/botfleet
  decided_at:
    description: When the rollback was decided, in the controller's UTC time. Kept in the journal.
    type: str
  stages:
    description: The stages, carried out in this order. This or O(stages_from) is required.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the stage.
        type: str
        required: true
        choices: [halt, exposure, data, preserve, revert, resume, verify, watch]
      on_failure:
        description:
          - V(continue) tries the other steps all the same, since each of them makes the bot safer.
          - V(stop) goes no further and makes the bot safe.
          - V(undo) puts back what the stage changed, in reverse order, then does as V(stop). It never starts a
            process,
            raises a flag or brings production credentials back; such a step is reported as V(not_undone).
        type: str
        choices: [continue, stop, undo]
        default: stop
      budget:
        description: Seconds that the stage should take. An overrun is reported.
        type: float
      requires_safe:
        description: Prove everything in O(safe) before the first change of the stage, and refuse the stage otherwise.
        type: bool
        default: false
      delay:
        description: Seconds to wait before the stage, which its budget does not count. Staggers restarts over a
          fleet.
        type: float
        default: 0.0
      confirm_within:
        description:
          - Of the stage V(resume). Seconds after which a timer of the host's own makes the bot safe again, unless the
            stage V(verify) of the same O(rollback_id) is proven by then, in this transaction or a later one. V(0) is no
            timer.
          - It is armed before the first step that may start the bot, and carries out O(safe) from a copy on the host,
            which must hold no secret. The next transaction on this bot says in RV(notes) that it fired.
        type: float
        default: 0.0
      steps:
        description:
          - The steps themselves. Each has one operation with its options, and may have C(args) (more options, as in a
            task), C(id), C(name), C(when) (a boolean), C(timeout) (seconds, 300 by default; the step is killed with its
            children), C(loop) and C(mode).
          - C(loop) is a list, and C(item) in the step is each of it. The first keeps the C(id), the others get C(-2)
            and so on behind it. An empty list is a step that is not wanted.
          - C(mode) is C(apply), C(plan) (never changes anything) or C(prove) (never changes anything and fails unless
            the wanted state is there).
          - 'Where an option takes a secret, write C({secret: name}) with a name from O(secrets_from).'
        type: list
        elements: dict
      steps_from:
        description: Name of the variable that holds the steps, so that they reach this module untemplated.
        type: str
      only:
        description: Carry out only the steps with these ids. An id that no step has is a failure.
        type: list
        elements: str
      no_steps:
        description: Why there is nothing to carry out, as one sentence, if there is nothing. The stage then fails with
          it.
        type: str
  stages_from:
    description: Name of the variable that holds O(stages), which is rendered faster than stages that stand in the task.
    type: str
  validated_from:
    description:
      - Name of the variable that a transaction with the same stages and O(validate_only) registered.
      - They, and what is safe, are carried out as they were rendered then, instead of being rendered again.
    type: str
  safe:
    description: What must be read back for the bot to be called safe, written as steps. A step with C(until_resume)
      holds until the bot is started again. One with C(required=false) is applied with the others when the bot is made
      safe after a failure, but not read back.
    type: dict
    suboptions:
      steps:
        description: The steps themselves.
        type: list
        elements: dict
      steps_from:
        description: Name of the variable that holds the steps.
        type: str
      only:
        description: Only the steps with these ids.
        type: list
        elements: str
  secrets_from:
    description: Name of the variable that holds a dictionary of secrets, for the placeholders in steps.
    type: str
  secrets:
    description: The secrets themselves. Set by the action plugin from O(secrets_from).
    type: dict
    default: {}
  controller:
    description: Who carries this out. Set by the action plugin.
    type: str
    default: ""
  closes:
    description: Whether the rollback of this bot is closed once these stages are proven.
    type: bool
    default: false
  preempt:
    description: Take the bot's lock from another rollback. Its holder is asked to stop after its step and killed
      after O(preempt_after).
    type: bool
    default: false
  lock_wait:
    description: Seconds to wait for a holder of the same O(rollback_id).
    type: float
    default: 30.0
  preempt_after:
    description: Seconds until a holder that does not stop is killed.
    type: float
    default: 10.0
  validate_only:
    description: Only template and validate the steps, on the controller. Nothing is sent to the host.
    type: bool
    default: false
  detach:
    description:
      - Let it run on the host by itself, for steps that take long, such as copies of a database. The action plugin asks
        every 2 s how far it is, shows that, and returns the result as if it had run with the connection held.
      - Whatever happens to the connection, the controller or the task (its C(timeout) included) ends the waiting, not
        the work. The same O(rollback_id) with the same steps follows it again while it runs. A host may give no answer
        for 60 s before the task gives up.
      - For root on a host with systemd, it runs in a scope of its own, which no login session ends. Otherwise it is a
        process in a session of its own, which logind ends with the login if it is told to (C(KillUserProcesses)).
      - Where that is not possible, the transaction is carried out all the same, with the connection held, and says so
        in RV(notes). In check mode nothing is detached.
    type: bool
    default: false
  follow:
    description: Which detached transaction to ask for. Set by the action plugin.
    type: str
author:
  - The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Purge a large cache, however long that takes
  tradeops.botfleet.transaction:
    rollback_id: rb-20260105T031500Z-1f2e3d
    detach: true
    stages:
      - name: preserve
        steps:
          - name: Purge the cache
            timeout: 7200
            cache_purge:
              path: /srv/bot/cache
              patterns: ["*.parquet"]

- name: Make the bot safe
  tradeops.botfleet.transaction:
    rollback_id: rb-20260105T031500Z-1f2e3d
    preempt: true
    stages:
      - name: halt
        on_failure: continue
        budget: 30
        steps:
          - name: Lower the go-live flag
            id: flag
            go_live_flag:
              path: /srv/bot/go_live.active
              state: absent
          - name: Stop the process
            id: stop
            timeout: 45
            bot_service:
              name: bot.service
              manager: systemd
              state: stopped
    safe:
      steps:
        - name: Flag is down
          go_live_flag:
            path: /srv/bot/go_live.active
            state: absent
        - name: Process is stopped
          until_resume: true
          bot_service:
            name: bot.service
            manager: systemd
            state: stopped
"""

RETURN = r"""
msg:
  description: Notes and the first failure, empty when all went well.
  returned: always
  type: str
notes:
  description: What an operator should know beside the steps, such as from which rollback the lock was taken, or why
    nothing could be journaled, or that a bot was made safe because nobody verified it. Also given as warnings.
  returned: always
  type: list
  elements: str
rollback_id:
  description: The id.
  returned: always
  type: str
bot:
  description: The bot.
  returned: always
  type: str
stored:
  description: Whether the rollback was closed before, so that this is its stored result and nothing was touched.
  returned: always
  type: bool
closed:
  description: Whether the rollback of this bot is closed.
  returned: always
  type: bool
decided_at:
  description: The decision, as the first transaction of this id was told.
  returned: always
  type: str
resume_begun:
  description: Whether this rollback ever began to start the bot again.
  returned: always
  type: bool
confirm_left:
  description: Seconds until the host makes the bot safe again, unless it is verified by then. Null if no such timer
    runs.
  returned: always
  type: float
seconds:
  description: How long all of it took on the host.
  returned: always
  type: float
stages:
  description: Each stage with C(name), C(status) (C(ok), C(failed), C(skipped)), C(began) (seconds after the host took
    up the transaction), C(seconds), C(budget), C(over_budget) and C(message).
  returned: always
  type: list
  elements: dict
steps:
  description:
    - Each step with C(stage), C(id), C(name), C(operation), C(seconds), C(before), C(after), C(proof), C(change),
      C(message), C(diff), and
      C(status), which is C(unchanged), C(changed), C(failed), C(skipped), C(resumed), C(undone) or C(not_undone).
    - C(touched) tells whether something was or may have been changed.
  returned: always
  type: list
  elements: dict
safe:
  description: C(is_safe), C(trading) (C(off) or C(on); what cannot be read counts as on), and in C(read) what was
    read to say so.
  returned: always
  type: dict
detached:
  description: Whether it ran by itself. A closed O(rollback_id) needs nothing to run.
  returned: when O(detach=true), outside of check mode
  type: bool
path:
  description: How it got there, C(agent) on an armed host, else C(module).
  returned: always
  type: str
controller_times:
  description: When the steps were sent and the result received, in seconds since the epoch by the controller's clock.
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._transaction.perform import perform
from ..module_utils._transaction.spec import CONSTRAINTS, OPTIONS


def main() -> None:
    """Carry out what the action plugin sent."""
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True, **CONSTRAINTS)
    result = perform(module.params, module.check_mode)
    for warning in result.pop("warnings", []):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

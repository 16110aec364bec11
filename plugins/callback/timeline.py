# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows a rollback while it runs, and how it went."""

from __future__ import annotations

DOCUMENTATION = r"""
name: timeline
type: aggregate
short_description: Show a rollback while it runs, and how it went
version_added: 1.0.0
description:
  - Shows how far a fleet is, stage by stage, who is being waited for and for how long, each failure at once as one
    sentence, and at the end a table that names every bot that is not restored.
  - It displays only. Every figure in the record comes from task results, and the exit code is Ansible's.
  - Tasks of this collection's roles, and tasks that use M(tradeops.botfleet.transaction), are shown this way.
  - Of a transaction with O(tradeops.botfleet.transaction#module:detach=true), it shows how far the step under way is,
    in bytes, with rate and time left. In lines, that is said every 10 s.
  - Times in brackets are those since the decision, or since the first task if that is not known.
notes:
  - With C(callbacks_enabled = tradeops.botfleet.timeline), it adds its lines to those of whatever callback has the
    output, as in AWX and ansible-runner, which have their own. It then repeats nothing that the other one prints.
  - With C(stdout_callback = tradeops.botfleet.timeline), it has the output to itself. On a terminal, a bar for each
    stage is drawn again and again below what is printed; in a pipe or a log there are lines only, without escape
    codes. Tasks of a rollback are then shown only where they fail, warn or say something; with C(-v), each has a
    line. With C(--diff), what a bot's steps change is shown step by step. All other tasks look as with
    P(ansible.builtin.default#callback), whose options apply to them.
  - C(NO_COLOR) and C(ANSIBLE_NOCOLOR) are respected. Control characters that a host sends are spelled out, not sent
    to the terminal.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
options:
  live:
    description: Whether to draw on a terminal. Without it, a terminal gets the lines that a pipe gets.
    type: bool
    default: true
    env:
      - name: BOTFLEET_TIMELINE_LIVE
    ini:
      - section: callback_timeline
        key: live
  all_bots:
    description: Whether the table at the end has a line for every bot. By default, restored bots are counted instead
      when the fleet has more than 20 bots. All others always have their line.
    type: bool
    default: false
    env:
      - name: BOTFLEET_TIMELINE_ALL_BOTS
    ini:
      - section: callback_timeline
        key: all_bots
author:
  - The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
ansible_cfg_of_an_operator: |
  [defaults]
  stdout_callback = tradeops.botfleet.timeline

ansible_cfg_in_awx: |
  [defaults]
  callbacks_enabled = tradeops.botfleet.timeline
"""

import atexit
import os
import sys
from collections.abc import Mapping
from typing import Any

from ansible import constants as C  # noqa: N812  # its usual name
from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible.plugins.callback.default import CallbackModule as DefaultCallback

from ..plugin_utils._timeline.notes import diff_lines, message_lines, step_lines
from ..plugin_utils._timeline.outcome import Outcome, read_outcome, read_shared
from ..plugin_utils._timeline.progress import HELD
from ..plugin_utils._timeline.tasks import (
    action_of,
    assesses,
    is_ours,
    is_transaction,
    role_of,
    shared_stage,
    stages_of,
)
from ..plugin_utils._timeline.text import plain
from ..plugin_utils._timeline.timeline import Timeline

NAME = "tradeops.botfleet.timeline"
OWNER = C.DEFAULT_STDOUT_CALLBACK == NAME

# What is not ours goes to the base class: it says what is usual for the owner of the output, and nothing for a guest.
Base: Any = DefaultCallback if OWNER else CallbackBase


class CallbackModule(Base):  # type: ignore[misc]  # ansible-core ships no types
    """Events in, a ``Timeline`` out."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = NAME
    CALLBACK_NEEDS_ENABLED = True

    _there_is_one = False

    def __init__(self) -> None:
        super().__init__()
        self.disabled = CallbackModule._there_is_one  # ansible-core 2.18 loads it twice if both settings name it
        CallbackModule._there_is_one = True
        self._started: Timeline | None = None
        self._current_play: Any = None
        self._play_is_shown = False
        self._others_are_shown = False

    # plays and tasks

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play = self._current_play = play
        self._play_is_shown = False

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if is_ours(task):
            self._begin(task)
        else:
            self._show_play()
            super().v2_playbook_on_task_start(task, is_conditional)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        if not is_ours(task):
            self._show_play()
            super().v2_playbook_on_handler_task_start(task)

    def v2_playbook_on_no_hosts_matched(self) -> None:
        if not self._started:
            self._show_play()
            super().v2_playbook_on_no_hosts_matched()

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        if not self._started:
            super().v2_playbook_on_no_hosts_remaining()

    def v2_playbook_on_stats(self, stats: Any) -> None:
        if not self._started or self._others_are_shown:
            super().v2_playbook_on_stats(stats)
        if self._started:
            self._started.finish(failed=bool(stats.failures or stats.dark))
            self._forget()

    # results

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        if is_transaction(task):
            shared = shared_stage(task)
            if not shared or host.get_name() in self._timeline.leaders(shared):
                self._timeline.sent(host.get_name())
        elif not is_ours(task):
            super().v2_runner_on_start(host, task)

    def v2_runner_on_ok(self, result: Any) -> None:
        if not is_ours(result._task):
            super().v2_runner_on_ok(result)
            return
        self._show_warnings(result)
        self._timeline.learn(result._result.get("ansible_facts") or {})
        if is_transaction(result._task):
            self._receive(result)
        elif action_of(result._task) == "rollback_record":
            self._timeline.recorded(result._result, written=True)
        elif result._task.action in C._ACTION_DEBUG:
            self._show_message(result)
        else:
            self._show_task(result, "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if not is_ours(result._task):
            super().v2_runner_on_failed(result, ignore_errors)
            return
        self._show_warnings(result)
        if is_transaction(result._task):
            self._receive(result, failed=True)
            return
        if action_of(result._task) == "rollback_record":
            self._timeline.recorded(result._result, written=False)
        if ignore_errors:  # data for the tasks that follow
            self._show_task(result, "failed, ignored")
        elif not (result._task.loop and "results" in result._result):  # else each item was shown
            self._show_failure(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        if not is_ours(result._task):
            super().v2_runner_on_unreachable(result)
        elif is_transaction(result._task):
            self._receive(result, unreachable=True)
        else:
            self._show_failure(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        if not is_ours(result._task):
            super().v2_runner_on_skipped(result)
        elif shared_stage(result._task):
            pass  # another bot asks for what they share, or it has one for itself
        elif is_transaction(result._task):
            held = dict.fromkeys(stages_of(result._task), HELD)
            self._timeline.received(result._host.get_name(), Outcome(held))
        else:
            self._show_task(result, "skipped")

    def v2_runner_item_on_ok(self, result: Any) -> None:
        if not is_ours(result._task):
            super().v2_runner_item_on_ok(result)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        if not is_ours(result._task):
            super().v2_runner_item_on_skipped(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        if is_ours(result._task):
            self._show_failure(result)
        else:
            super().v2_runner_item_on_failed(result)

    def v2_on_file_diff(self, result: Any) -> None:
        if not is_ours(result._task):
            super().v2_on_file_diff(result)
        elif OWNER:
            bot = plain(result._host.get_name())
            for line, kind in diff_lines(result._result):
                self._timeline.say(line if kind else f"{bot} {line}", kind)

    # what is ours

    @property
    def _timeline(self) -> Timeline:
        if self._started is None:
            live = OWNER and self.get_option("live") and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
            check_mode = bool(context.CLIARGS.get("check"))
            self._started = Timeline(self._display, live, check_mode, all_bots=self.get_option("all_bots"))
            atexit.register(self._abort)
        return self._started

    def _begin(self, task: Any) -> None:
        first = self._started is None
        timeline = self._timeline
        timeline.doing(task.get_name())
        if first and OWNER and assesses(task):
            timeline.say("checking the inputs")
        if is_transaction(task):
            variables = self._current_play.get_variable_manager().get_vars(play=self._current_play)
            everyone, batch = variables["ansible_play_hosts_all"], variables["ansible_play_batch"]
            shared = shared_stage(task)
            if shared:
                everyone = batch = timeline.leaders(shared)
            if batch:
                timeline.begin(stages_of(task), batch, len(everyone))

    def _receive(self, result: Any, **status: bool) -> None:
        """status: ``failed`` or ``unreachable``, which ansible-core takes out of what callbacks get."""
        bot = result._host.get_name()
        if OWNER and self._display.verbosity:
            for line in step_lines(result._result):
                self._timeline.say(f"{plain(bot)} {line}")
        check_mode = bool(result._task.check_mode)
        answer = {**result._result, **status}
        shared = shared_stage(result._task)
        if shared:
            self._timeline.received_shared(shared, bot, read_shared(answer, shared, check_mode))
            return
        guarded = self._timeline.is_guarded(bot)
        outcome = read_outcome(answer, stages_of(result._task), check_mode, guarded=guarded)
        self._timeline.received(bot, outcome)

    def _show_message(self, result: Any) -> None:
        if OWNER and not self._timeline.is_in_table(result._result.get("msg")):
            message = result._result.get("msg")
            said = {"msg": self._timeline.not_said(message)} if isinstance(message, Mapping) else {}
            for line in message_lines({**result._result, **said}):
                self._timeline.say(line, "note")

    def _show_failure(self, result: Any) -> None:
        message = result._result.get("msg")
        if OWNER and not self._timeline.is_in_table(message):
            role = role_of(result._task)
            what = f"{role or plain(result._host.get_name())} {'REFUSED' if role == 'assess' else 'FAILED'}"
            self._timeline.say(f"{what}: {plain(message or 'no reason was given')}", "failed")
            self._show_task(result, "failed")

    def _show_task(self, result: Any, status: str) -> None:
        if OWNER and self._display.verbosity:
            path = f" ({result._task.get_path()})" if self._display.verbosity > 1 else ""
            self._timeline.say(f"{plain(result._host.get_name())} {plain(result._task.get_name())}: {status}{path}")

    def _show_warnings(self, result: Any) -> None:
        if OWNER:
            self._handle_warnings(result._result)

    def _show_play(self) -> None:
        """The heading of a play, once a task in it is not ours."""
        self._others_are_shown = True
        if not self._play_is_shown:
            self._play_is_shown = True
            super().v2_playbook_on_play_start(self._current_play)

    def _abort(self) -> None:
        if self._started:
            self._started.abort()

    def _forget(self) -> None:
        """More playbooks may follow on the same command line."""
        atexit.unregister(self._abort)
        self._started = None
        self._others_are_shown = False

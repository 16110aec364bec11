# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bot_service
short_description: Stop, start, restart or reload a trading bot, and prove it
version_added: 1.0.0
author:
  - The tradeops.botfleet authors (@tradeops)
description:
  - Stops a bot gracefully, and by force only when told to. Stopped is proven by the manager and by no process of
    the bot being left.
  - Starts a bot that is down, never a second time beside itself. Started is proven by the same main process after
    O(settle) seconds; a crash loop is a failure that shows the last lines of the log.
  - Units are neither enabled nor disabled.
  - A process is the bot's own if it is in the cgroup of its systemd unit; or O(pidfile) names it; or its command
    line is that of O(command) or O(pattern), its working directory is in O(chdir), and O(user) runs it; or it
    descends from one of the latter two, or is in a session that one of them leads.
  - So neither a shell in the bot's directory nor C(less), an editor or C(tail) on its files is ever taken for the
    bot, nor is the bot next door with the same command in another directory.
  - A process that is not the bot's own by these rules, but is run by O(user) and works in O(chdir) without a
    terminal, or runs a program or script from there, is a suspect. It is never signalled. But where none is the
    bot's own, and a suspect is still there after ten seconds, the bot is not proven stopped, and is not started. A
    pattern with a typo, a stale pidfile or the wrong unit thus never makes a running bot a stopped one.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
attributes:
  idempotent:
    support: partial
    details:
      - V(started) and V(stopped) are idempotent. V(restarted) and V(reloaded) always act.
options:
  name:
    description:
      - The systemd unit when O(manager=systemd), otherwise how messages call the bot.
    type: str
    required: true
  manager:
    description:
      - What runs the bot.
      - V(systemd) is a unit of the host's systemd.
      - V(script) is the bot's own O(start_command) and O(stop_command). It needs O(chdir), and O(pidfile) or
        O(pattern).
      - V(process) starts O(command) itself, detached, and stops it with O(stop_signal). It needs O(chdir).
    type: str
    required: true
    choices:
      - systemd
      - script
      - process
  state:
    description:
      - V(started) starts the bot unless it runs. Two main processes of one bot are an error.
      - V(stopped) stops it, and changes nothing where neither a process of the bot nor a suspect is found. A unit
        that does not exist is an error, because nothing could be proven of it. A unit that a timer, socket or path
        may start again is an error, too, once it is stopped.
      - V(restarted) stops it, proves it, and starts it.
      - V(reloaded) uses the unit's reload or O(reload_command), otherwise C(SIGHUP) to the main process, if that
        handles it.
    type: str
    required: true
    choices:
      - started
      - stopped
      - restarted
      - reloaded
  start_command:
    description:
      - Starts the bot and returns, as an argument list. Required to start it when O(manager=script).
      - When it fails, what it started is ended.
    type: list
    elements: str
  stop_command:
    description:
      - Stops the bot, as an argument list, when O(manager=script).
      - Without it, when it fails, or when half of O(timeout) is over and processes remain, O(stop_signal) follows.
      - It is also called when only a suspect is found that does not end within two seconds, because it may know
        better which process is the bot's. Where nothing is found it is not called, so it may fail when nothing runs.
    type: list
    elements: str
  reload_command:
    description:
      - Makes the bot read its configuration again, as an argument list, when O(manager=script) or O(manager=process).
    type: list
    elements: str
  command:
    description:
      - The bot's command as an argument list, started detached when O(manager=process).
      - It also tells the bot's process from others. Interpreters, their options and directories are left out of the
        comparison, so that C(python3 -u /srv/bot/main.py -v) is C(./main.py -v).
    type: list
    elements: str
  chdir:
    description:
      - The bot's working directory. Its commands run there, and its processes are looked for there and below.
    type: path
  user:
    description:
      - The user (name or uid) that runs the bot and its commands.
      - By default, the bot's commands run as the owner of O(chdir) when the module runs as root, and its processes
        may be anybody's. For other users, the default is themselves.
    type: str
  environment:
    description:
      - Variables to add to the environment of the bot and its commands.
      - Like all options of modules, they may be logged on the host. Secrets belong in the unit or in a file that
        the bot reads.
    type: dict
  pidfile:
    description:
      - The file that holds the pid of the bot's main process. With O(manager=process), it is written at the start.
      - It is believed when the process is older than the file, or has the bot's command line, in the bot's
        directory. A younger process has got the pid of a bot that ended.
      - Not used when O(manager=systemd).
    type: path
  pattern:
    description:
      - Regular expression that the bot's command line matches from its program on, or, where that is an
        interpreter, from its script or module on. Directories of these may be left out. V(trading_node) thus
        matches C(python3 -m trading_node) and C(/srv/bot/trading_node --live), but not C(less trading_node.log).
      - Any matching process that is not this bot's own is an error that names it, and it is never signalled.
      - When O(manager=systemd), it finds processes of the bot that were started outside of the unit, in O(chdir).
    type: str
  log:
    description:
      - The bot's log, the last lines of which are shown when the bot does not run. The file itself, not a symlink.
      - By default, the journal of the unit when O(manager=systemd).
      - When O(manager=process), the output of O(command) is appended to it.
    type: path
  timeout:
    description:
      - Seconds for a graceful stop, and for a start or reload.
      - A unit's own C(TimeoutStopSec) and kill policy apply as well, and may end the bot earlier.
    type: int
    default: 30
  force:
    description:
      - Whether to kill (C(SIGKILL)) what is left after O(timeout). Otherwise it is a failure that names what is left.
    type: bool
    default: false
  settle:
    description:
      - Seconds for which the same main process must live to be called started. A process that is older needs no wait.
    type: float
    default: 3.0
  stop_signal:
    description:
      - The signal for a graceful stop, such as V(INT). When O(manager=systemd), only for processes that the unit
        leaves behind.
    type: str
    default: TERM
  lines:
    description:
      - How many lines of the log are shown.
    type: int
    default: 10
  start_token:
    description:
      - A path that is there while the bot is started, and only then, so that a unit with a drop-in of this collection
        starts in spite of the marker of a halt (M(tradeops.botfleet.halt_marker)).
      - Missing directories are made with mode V(0755). It is a symlink to the process that starts the bot, so that one
        that a killed run leaves behind counts for nothing.
    type: path
notes:
  - Suspects are looked for in O(chdir) and below. A bot's directory should therefore not hold the directory of
    another bot, nor a helper that goes on when the bot stops. With O(manager=systemd), which needs O(chdir) for it, a
    service of its own that works there is no suspect, unless it is another instance of the bot's own template and
    the bot's instance is not enabled.
  - Where C(/proc) hides other users' processes, the module must run as root or as the bot's user.
  - C(systemctl start) calls it a success when a condition of the unit keeps it from starting. Here that is a failure,
    which names the marker of a halt if there is one.
seealso:
  - module: tradeops.botfleet.halt_marker
  - module: ansible.builtin.systemd_service
"""

EXAMPLES = r"""
- name: Stop a bot under systemd, by force after half a minute
  tradeops.botfleet.bot_service:
    name: mm-bot
    manager: systemd
    state: stopped
    timeout: 30
    force: true
  become: true

- name: Stop a bot that has scripts of its own
  tradeops.botfleet.bot_service:
    name: trading_node
    manager: script
    state: stopped
    chdir: /srv/bots/trading_node
    user: trader
    stop_command:
      - scripts/shutdown.sh
      - force
    pattern: trading_node
  become: true

- name: Start a bot that nothing manages
  tradeops.botfleet.bot_service:
    name: quantum-trader
    manager: process
    state: started
    chdir: /srv/bots/quantum-trader
    user: trader
    command:
      - .venv/bin/uvicorn
      - backend.main:app
    log: /srv/bots/quantum-trader/logs/backend.log
    settle: 30
  become: true

- name: Let a bot read its overrides again
  tradeops.botfleet.bot_service:
    name: mm-bot
    manager: systemd
    state: reloaded
  become: true
"""

RETURN = r"""
msg:
  description: What was done, or in check mode would be, or why it failed.
  type: str
  returned: always
  sample: stop mm-bot (pid 4711)
before:
  description: The bot as it was found.
  type: dict
  returned: when it could be observed
  contains:
    state:
      description:
        - V(running), V(starting), V(stopping), V(stopped), V(failed) (a unit that is stopped), V(restarting) (it
          crashed and systemd is about to start it again), V(leftover) (processes without their manager or main
          process) or V(unproven) (no process that is the bot's own, but one that may be).
      type: str
      sample: running
    manager:
      description: What systemd says of the unit. Empty for other managers.
      type: str
      sample: active (running)
    main_pid:
      description: The pid of the main process.
      type: int
      sample: 4711
    started_at:
      description: When the main process started, in UTC.
      type: str
      sample: "2026-03-01T09:30:00Z"
    pids:
      description: The pids of all processes of the bot.
      type: list
      elements: int
      sample: [4711, 4712]
after:
  description: The bot as it was found after the change. The same keys as in RV(before).
  type: dict
  returned: when it was changed and proven, or needed no change
change:
  description: What was done.
  type: dict
  returned: when something was done
  contains:
    stopped:
      description: The pids that are gone.
      type: list
      elements: int
    killed:
      description: Those of them that had to be killed.
      type: list
      elements: int
    started:
      description: Whether the bot was started.
      type: bool
    reloaded:
      description: The pid of the main process that was reloaded.
      type: int
proof:
  description: The bot as it was read when the wanted state was proven. The same keys as in RV(before).
  type: dict
  returned: when the wanted state was proven
"""

from ansible_collections.tradeops.botfleet.plugins.module_utils._module import run_module
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.bot_service import BotService


def main() -> None:
    run_module(BotService)


if __name__ == "__main__":
    main()

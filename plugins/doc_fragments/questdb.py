# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options that say which QuestDB is meant, how it is asked, and how its server is stopped and started."""

    DOCUMENTATION = r"""
options:
  root:
    description:
      - The root directory of QuestDB on the host, which holds C(db). What C(-d) of its command line names, in
        containers what is mounted at C(/var/lib/questdb). It must not be a symlink.
    type: path
    required: true
  url:
    description:
      - Scheme, host and port of its HTTP server. Credentials in it are refused.
      - The server must be the one that has the data below O(root) open. Another is refused by name, also one that was
        made alike, by the time of the last transaction that each table with WAL has on disk and in its answer. Where
        neither tells them apart, as no such table has a transaction yet or one is a copy of the other, a checkpoint
        must be made below O(root), a server that is stopped must answer no more, and a table made for that must come to
        be below O(root), before anything is copied, restored or written.
    type: str
    default: http://127.0.0.1:9000
  health_url:
    description:
      - The address of its health, such as V(http://127.0.0.1:9003/status). Without it, a query stands for it.
    type: str
  username:
    description: The user that C(http.user) of its configuration names.
    type: str
  password:
    description: That user's password.
    type: str
  token:
    description: A token, instead of O(username) and O(password).
    type: str
  timeout:
    description: Seconds to wait for each answer.
    type: float
    default: 30
"""

    SERVICE = r"""
options:
  service:
    description:
      - How the server is stopped and started, as in M(tradeops.botfleet.bot_service), where each of these is described.
    type: dict
    suboptions:
      name:
        description: The systemd unit when V(manager) is V(systemd), otherwise how messages call the server.
        type: str
        required: true
      manager:
        description: What runs the server.
        type: str
        required: true
        choices: [systemd, script, process]
      start_command:
        description: Starts the server and returns, with manager V(script).
        type: list
        elements: str
      stop_command:
        description: Stops the server, with manager V(script).
        type: list
        elements: str
      reload_command:
        description: Not used here.
        type: list
        elements: str
      command:
        description: The server's command, with manager V(process).
        type: list
        elements: str
      chdir:
        description: The server's working directory.
        type: path
      user:
        description: The user that runs the server.
        type: str
      environment:
        description: Variables to add to the server's environment.
        type: dict
      pidfile:
        description: The file that holds the pid of the server.
        type: path
      pattern:
        description: Regular expression that the server's command line matches.
        type: str
      log:
        description: The server's log.
        type: path
      timeout:
        description: Seconds for a graceful stop, and for a start.
        type: int
        default: 30
      force:
        description: Whether to kill a server that has not stopped after that. It then recovers at its next start.
        type: bool
        default: false
      settle:
        description: Seconds for which the server must live to be called started.
        type: float
        default: 3.0
      stop_signal:
        description: The signal for a graceful stop.
        type: str
        default: TERM
      lines:
        description: How many lines of the log are shown when the server does not run.
        type: int
        default: 10
      start_token:
        description: A path that is there while the server is started, and only then.
        type: path
  drain_timeout:
    description:
      - Seconds to wait until what was written so far has arrived in its table. A table that is suspended is named, and
        never resumed, for that may skip transactions.
    type: float
    default: 60
  start_timeout:
    description: Seconds until the server must answer after it was started, which it does once it has recovered.
    type: float
    default: 120
"""

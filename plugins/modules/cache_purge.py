# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cache_purge
short_description: Purge a bot's cache, files or Redis keys, so that it can be brought back
version_added: 1.0.0
description:
  - Purges the files of a directory by pattern (S2.6, S2.7, S2.9), or the keys of a Redis by prefix (S2.7).
  - Files are moved to a trash on the same file system. Keys are written to a dump there before they are removed.
    In a transaction, undo brings both back, over nothing that is there again by then.
  - Nothing is done when nothing matches. Afterwards nothing matches but what was created since, which is counted.
  - Interrupted at any point, each file is in its place or in the trash with a line in its manifest, and each key is in
    Redis or in the dump. Run again, it goes on with the same trash.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
options:
  path:
    description:
      - The directory whose entries are purged. It stays itself. One that is not there has nothing to purge.
      - Refused are C(/) and what lies directly below it, each home directory in the passwd database and what holds one,
        mount points, git work trees, symlinks, C(..) in a path, and a symlink on the way that another user made.
      - One of O(path) and O(redis) is required.
    type: path
  patterns:
    description:
      - Which of its entries, by name, as a shell would take them. A directory that matches goes with all that is in it,
        hidden entries too, unless that holds a git work tree or something is mounted there, which is an error.
      - A symlink that matches goes itself. What it leads to stays.
    type: list
    elements: str
    default: ["*"]
  recurse:
    description: Look for entries in directories that do not match, too. These directories stay.
    type: bool
    default: false
  hidden:
    description: Whether V(*) at the beginning of a pattern stands for a dot, too. A pattern may begin with one.
    type: bool
    default: false
  redis:
    description: The Redis whose keys are purged. A cluster, a sentinel and a replica are refused.
    type: dict
    suboptions:
      host:
        description: Where it is.
        type: str
        default: 127.0.0.1
      port:
        description: Its port.
        type: int
        default: 6379
      unix_socket_path:
        description: Its socket, instead of O(redis.host) and O(redis.port).
        type: path
      db:
        description: The number of the database.
        type: int
        default: 0
      credentials:
        description: C(password) and, where it is not the default user's, C(username).
        type: dict
      tls:
        description: Whether to speak TLS.
        type: bool
        default: false
      ca_path:
        description: The certificates that the server's must come from, by default those of the host.
        type: path
      certificate_path:
        description: The certificate of this client, where the server wants one.
        type: path
      private_key_path:
        description: Its private key.
        type: path
      validate_certs:
        description: Whether the server's certificate must be valid, and of O(redis.host).
        type: bool
        default: true
      timeout:
        description: Seconds to wait for each answer.
        type: float
        default: 5
      prefix:
        description:
          - What the names of the keys begin with. V(*), V(?) and the like in it stand for themselves.
          - Required unless O(redis.flush) is given. It may be given with it, to be told how many keys lack it.
        type: str
      batch:
        description: How many keys are dumped and removed at a time. Fewer take less memory where values are huge.
        type: int
        default: 500
      dump:
        description:
          - Keep what is removed in a file of mode V(0600) in O(trash), to be restored by undo.
          - Without it nothing brings the keys back.
        type: bool
        default: true
      flush:
        description:
          - V(flushdb) empties the whole database, whoever else uses it. Without that word only O(redis.prefix) goes.
        type: str
        choices: [flushdb]
      flush_db:
        description: For a flush, the number in O(redis.db) once more.
        type: int
  trash:
    description:
      - The directory of what was purged. It is made, with mode V(0700), when something is.
      - For O(path) it must be on the same file system. The default is C(.botfleet-trash) beside O(path).
      - For O(redis) the default is C(/var/lib/botfleet-trash).
    type: path
  trash_max_age:
    description:
      - Seconds after which a later run of the same purge removes what an earlier one has left in O(trash).
        Nothing else there is ever removed.
    type: int
    default: 604800
requirements:
  - redis-py 4.3 on the host, for O(redis)
notes:
  - Stop the bot first. A process keeps the files that it has open, wherever they are moved, and goes on reading and
    writing them. What it writes into a key between dump and removal is lost.
  - Keys are found with SCAN and removed with UNLINK, which do not block the server. The user must be permitted these,
    and DUMP, PTTL and RESTORE for a dump, which is found out before anything is removed. A flush needs FLUSHDB instead
    of UNLINK.
  - Purged files still take up space, until the trash expires.
  - Results and diffs have names of files and keys, at most 20 of them, never contents.
seealso:
  - module: tradeops.botfleet.config_snapshot
author: The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Purge what was fetched from the provider of market data
  tradeops.botfleet.cache_purge:
    path: /opt/solution/outputs/databento_cache

- name: Purge its Parquet files alone, and keep them for a day
  tradeops.botfleet.cache_purge:
    path: /opt/solution/outputs/signal_cache
    patterns: ["*.parquet"]
    recurse: true
    trash_max_age: 86400

- name: Purge the signals in a Redis that other programs use, too
  tradeops.botfleet.cache_purge:
    redis:
      unix_socket_path: /run/redis/redis-server.sock
      db: 3
      credentials:
        username: purger
        password: "{{ vault_redis_password }}"
      prefix: "signal:"

- name: Empty a database that is this bot's alone
  tradeops.botfleet.cache_purge:
    redis:
      db: 3
      flush: flushdb
      flush_db: 3
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
  contains: &state
    path:
      description: The directory.
      returned: with O(path)
      type: str
    present:
      description: Whether it is there.
      returned: with O(path)
      type: bool
    matches:
      description: How many of its entries match, or how many keys would go.
      returned: always
      type: int
    files:
      description: How many files these hold.
      returned: with O(path)
      type: int
    bytes:
      description: How large these are.
      returned: with O(path)
      type: int
    redis:
      description: The Redis and its database.
      returned: with O(redis)
      type: str
    others:
      description: How many of them lack O(redis.prefix), which is only so in a flush.
      returned: with O(redis)
      type: int
    names:
      description: The first 20 of these keys.
      returned: with O(redis)
      type: list
      elements: str
    trash:
      description: The trash.
      returned: always
      type: str
    expired:
      description: What earlier runs left there, and is removed.
      returned: always
      type: list
      elements: str
    interrupted:
      description: What an interrupted run left there, null if there is none. The next run goes on with it.
      returned: always
      type: str
after:
  description: The state after the module ran, null if it failed. Has RV(proof.created_since), too.
  returned: always
  type: dict
  contains: *state
change:
  description: What was changed.
  returned: when something was changed
  type: dict
  contains:
    path:
      description: The directory.
      returned: with O(path)
      type: str
    redis:
      description: The Redis and its database.
      returned: with O(redis)
      type: str
    trash:
      description: Where in the trash it lies, null if nothing was purged, or no dump of keys was wanted.
      returned: always
      type: str
    moved:
      description: How many entries are there, those of an interrupted run included.
      returned: with O(path)
      type: int
    files:
      description: How many files these hold.
      returned: with O(path)
      type: int
    bytes:
      description: How large these are.
      returned: with O(path)
      type: int
    removed:
      description: How many keys were removed, those of an interrupted run included.
      returned: with O(redis)
      type: int
    expired:
      description: What earlier runs had left in the trash, and is gone.
      returned: always
      type: list
      elements: str
proof:
  description: What was read again, as in RV(before), and one value more.
  returned: on success outside check mode
  type: dict
  contains:
    created_since:
      description: How many entries or keys match, having been created since the purge began. Nothing else matches.
      returned: always
      type: int
"""

from ansible_collections.tradeops.botfleet.plugins.module_utils._module import run_module
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.cache_purge import CachePurge


def main() -> None:
    run_module(CachePurge)


if __name__ == "__main__":
    main()

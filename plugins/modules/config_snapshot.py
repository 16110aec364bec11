# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_snapshot
short_description: Copy a bot's configuration, and put it back exactly
version_added: 1.0.0
description:
  - Copies a directory, some of its files or one file to O(dest), with a manifest of hashes, modes and owners (S2.3),
    and restores such a copy (S1.5).
  - A snapshot appears at once and whole, or not at all. It is never overwritten.
  - Before anything is restored, the snapshot is checked against its manifest. What it holds then replaces what is live
    by rename. Files that are live and not in the snapshot are gone afterwards, and listed.
  - What was replaced is kept beside it as C(.<name>.replaced-<UTC time>). Nothing removes these copies; to prune them,
    remove those that are older than you need.
  - Interrupted at any point, it can be run again, and finishes.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
options:
  path:
    description:
      - The directory or the file that is copied or restored. It must not be a symlink.
    type: path
    required: true
  files:
    description:
      - Files in the directory O(path), relative to it, when only these are meant. The others are left alone.
    type: list
    elements: str
  dest:
    description:
      - The directory that holds snapshots. It is made, with mode V(0700), when the first one is.
    type: path
    required: true
  name:
    description:
      - The snapshot's name in O(dest).
      - V({stamp}) in it stands for the part of O(tag) that the V(*) of O(tag_pattern) matches.
    type: str
    required: true
  tag:
    description:
      - The deploy tag that the snapshot belongs to. Required where O(name) contains V({stamp}).
    type: str
  tag_pattern:
    description:
      - What deploy tags look like, with one V(*).
    type: str
    default: deploy-*
  state:
    description:
      - V(present) makes the snapshot of O(path).
      - V(restored) makes O(path) what the snapshot holds.
    type: str
    choices: [present, restored]
    required: true
  missing:
    description:
      - What it means when there is nothing to copy, or no such snapshot.
      - V(ok) skips, and says so.
    type: str
    choices: [fail, ok]
    default: fail
  manifest:
    description:
      - V(optional) also restores a plain directory that something else copied. All that it holds is taken, and the
        result says so. Modes and owners are those of the live files, since those of a plain copy mean little.
    type: str
    choices: [required, optional]
    default: required
notes:
  - Symlinks are kept as such. One that leads out of the directory is an error, and so is a socket, device or pipe.
  - What belongs to Git in O(path) is no part of a snapshot and stays where it is.
  - Owners are restored, and compared, only as root. Set-user-ID bits, ACLs and extended attributes are not kept.
  - As root, a symlink on the way to O(path) or O(dest) is followed only if root, or the owner of the directory that it
    leads to, made it.
  - A snapshot is restored only where it was taken.
  - Results and diffs show paths, modes, owners and hashes, never contents.
seealso:
  - module: tradeops.botfleet.git_deploy_tag
author: The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Keep the configuration as it is before it is touched
  tradeops.botfleet.config_snapshot:
    path: /opt/trading-node/config
    dest: /backup
    name: before-{{ rollback_id }}
    state: present

- name: Restore the configuration of a release, if one was kept
  tradeops.botfleet.config_snapshot:
    path: /opt/trading-node/config
    dest: /backup
    name: config-{stamp}
    tag: deploy-20260101-120000
    state: restored
    missing: ok
    manifest: optional

- name: Restore two of its files
  tradeops.botfleet.config_snapshot:
    path: /opt/trading-node/config
    files: [limits.yaml, exchanges/binance.yaml]
    dest: /backup
    name: config-20260101-120000
    state: restored
"""

RETURN = r"""
msg:
  description: What was done or would be done, or why it failed or was skipped.
  returned: always
  type: str
before:
  description: The state before the module ran.
  returned: when it could be read
  type: dict
  contains: &state
    path:
      description: What is copied or restored.
      returned: always
      type: str
    present:
      description: Whether it is there.
      returned: always
      type: bool
    files:
      description: How many files it holds.
      returned: always
      type: int
    digest:
      description: A SHA-256 over its paths, modes and contents, null if it is not there.
      returned: always
      type: str
    snapshot:
      description: The path of the snapshot.
      returned: always
      type: str
    snapshot_present:
      description: Whether the snapshot is there.
      returned: always
      type: bool
    interrupted:
      description: What an interrupted run left, which the next one that restores cleans up.
      returned: always
      type: list
      elements: str
after:
  description: The state after the module ran, null if it failed.
  returned: always
  type: dict
  contains: *state
change:
  description: What was changed.
  returned: when something was changed
  type: dict
  contains:
    path:
      description: What was copied or restored.
      returned: always
      type: str
    snapshot:
      description: The path of the snapshot.
      returned: always
      type: str
    files:
      description: How many files were copied.
      returned: when O(state=present)
      type: int
    manifest:
      description: Whether the snapshot has a manifest.
      returned: when O(state=restored)
      type: bool
    added:
      description: Paths that were not there before.
      returned: when O(state=restored)
      type: list
      elements: str
    changed:
      description: Paths with another content, mode or owner.
      returned: when O(state=restored)
      type: list
      elements: str
    removed:
      description: Paths that are gone because the snapshot does not have them.
      returned: when O(state=restored)
      type: list
      elements: str
    replaced:
      description: What was replaced.
      returned: when O(state=restored)
      type: list
      elements: dict
      contains:
        path:
          description: The directory or file.
          returned: always
          type: str
        kept:
          description: Where the previous one is kept, null if there was none.
          returned: always
          type: str
        before:
          description: The digest of the previous one, null if there was none.
          returned: always
          type: str
        after:
          description: The digest of what replaced it.
          returned: always
          type: str
proof:
  description: What was read again, every file hashed.
  returned: on success outside check mode
  type: dict
  contains:
    path:
      description: What was copied or restored.
      returned: always
      type: str
    snapshot:
      description: The path of the snapshot.
      returned: always
      type: str
    manifest:
      description: V(verified), or V(none) if the snapshot has none.
      returned: always
      type: str
    taken:
      description: When the snapshot was taken (UTC), null if that is not known.
      returned: always
      type: str
    files:
      description: How many files the snapshot, or what was restored, holds.
      returned: always
      type: int
    digest:
      description: The digest of these.
      returned: always
      type: str
"""

from ansible_collections.tradeops.botfleet.plugins.module_utils._module import run_module
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.config_snapshot import ConfigSnapshot


def main() -> None:
    run_module(ConfigSnapshot)


if __name__ == "__main__":
    main()

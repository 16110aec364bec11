# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: git_deploy_tag
short_description: Bring a bot's code to a deploy tag, or back to the previous one
version_added: 1.0.0
description:
  - Checks out a tag in the git work tree of a bot, detached, and reads it back (S1.4, S1.6, S0.7).
  - The host remembers from where to where it rolled back, so that V(previous) can be asked for any number of times,
    and which tags are bad. Both are refs in the repository itself, below C(refs/worktree/botfleet) and
    C(refs/botfleet/bad).
  - An edit of a tracked file does not make it another version. Local changes matter only when a checkout is needed.
  - A run that was killed is completed by the next one, the build included.
  - git runs as the owner of the work tree, without hooks, so that no program that the repository names runs as root.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
options:
  path:
    description: The top of the work tree. It may be a linked work tree, a shallow clone, or belong to another user.
    type: path
    required: true
  target:
    description:
      - The tag to check out, V(previous), or V(current), which stays where it is and reports the tag that runs.
      - V(previous) is the predecessor, in deploy order, of the tag that runs now, past bad tags and past tags of the
        very commit that runs. It is never a later one. A host that was rolled back, and is where it was rolled back
        to, stays there, until the next deploy moves it or that place is bad.
      - The tag that runs now is the one that C(HEAD) is on, else the nearest one that C(HEAD) descends from.
      - Without a target the module fails and lists the last five tags.
    type: str
  pattern:
    description:
      - The tags that are deploys, as a shell pattern.
      - They are ordered by the numbers in their names, V(deploy-20250101-093000) by its time, V(v0.10.0) after
        V(v0.9.9). A pre-release such as V(v1.0.0-rc1) comes before its release, with any other suffix, such as
        V(v0.9.9-stable), after it.
    type: str
    default: deploy-*
  remote:
    description: The remote to ask for tags.
    type: str
    default: origin
  fetch:
    description:
      - V(auto) asks the remote only when the tag is not in the repository. Otherwise the remote may be dead.
      - V(always) asks it each time. A tag that is another commit there than here is an error that names both.
      - V(never) does not ask it.
      - Only the wanted tag is fetched, in a shallow clone with its commit alone. In check mode nothing is fetched.
    type: str
    choices: [auto, always, never]
    default: auto
  fetch_timeout:
    description: Seconds that the remote has for its answers, all together.
    type: int
    default: 30
  paths:
    description:
      - Restore only these files and directories from the tag, exactly, deletions included. C(HEAD) stays.
      - They are relative to O(path), taken literally.
    type: list
    elements: str
    default: []
  local_changes:
    description:
      - What to do with edits of tracked files, and with untracked or ignored files that the tag would overwrite.
      - V(stash) keeps them as a stash that C(git stash list) shows and RV(change.stash) names.
      - V(refuse) fails and lists them.
    type: str
    choices: [stash, refuse]
    default: stash
  clean_untracked:
    description:
      - Remove untracked files that are not ignored, into the stash, when the code changes.
      - A flag file that is untracked and not ignored goes too, so lower flags again afterwards.
    type: bool
    default: false
  known_bad:
    description:
      - Tags that must not be brought back. With each of them go all tags of the same commit.
      - A bad O(target) is an error.
    type: list
    elements: str
    default: []
  mark_bad:
    description:
      - Remember on the host that the tag that is left is bad.
      - C(git update-ref -d refs/botfleet/bad/TAG) takes the mark off.
      - Has no effect together with O(paths).
    type: bool
    default: false
  build:
    description:
      - A command to run in the work tree, as its owner, when the code changed.
      - If it fails, the checkout is undone.
    type: list
    elements: str
    default: []
  build_timeout:
    description: Seconds that the build has. Then it is killed, with its process group, and has failed.
    type: int
    default: 600
requirements:
  - git 2.25 or later on the host
notes:
  - Submodules are left as they are. O(build) can update them.
  - A lock file that a killed git left in the repository is removed, if it is some seconds old and no git process runs
    in any of the repository's work trees. Otherwise it is waited for, then an error.
  - Where a transaction undoes it, files edited since the checkout stay as they are on disk, so that what was lowered
    in them is not raised again.
seealso:
  - module: tradeops.botfleet.config_snapshot
  - module: tradeops.botfleet.transaction
author: The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Go back to the deploy before the one that runs
  tradeops.botfleet.git_deploy_tag:
    path: /opt/trading
    target: previous
    mark_bad: true

- name: Go back to a release and install it
  tradeops.botfleet.git_deploy_tag:
    path: /opt/mm-bot
    target: v0.9.9-stable
    pattern: v*
    build: [.venv/bin/pip, install, -e, .]
    build_timeout: 300

- name: Restore the config alone
  tradeops.botfleet.git_deploy_tag:
    path: /opt/trading
    target: deploy-20250101-093000
    paths: [config]
"""

RETURN = r"""
msg:
  description: What was done or would be done, or why it failed.
  returned: always
  type: str
before:
  description: The work tree before the module ran.
  returned: when it could be read and the target is known
  type: dict
  contains: &state
    path:
      description: The work tree.
      returned: always
      type: str
    commit:
      description: The commit that C(HEAD) is on.
      returned: always
      type: str
    tag:
      description: The tag that runs, null if there is none.
      returned: always
      type: str
    ahead:
      description: The number of commits that C(HEAD) is past that tag.
      returned: always
      type: int
    branch:
      description: The branch that C(HEAD) is on, null if it is detached.
      returned: always
      type: str
    detached:
      description: Whether C(HEAD) is detached.
      returned: always
      type: bool
    dirty:
      description: Whether tracked files have local changes.
      returned: always
      type: bool
    shallow:
      description: Whether the repository is a shallow clone.
      returned: always
      type: bool
    target:
      description: The wanted version.
      returned: always
      type: dict
      contains:
        tag:
          description: The tag.
          returned: always
          type: str
        commit:
          description: The commit that it names.
          returned: always
          type: str
    bad:
      description: The tags that are known to be bad.
      returned: always
      type: list
      elements: str
    rolled_back:
      description: The rollback that led here, as V(from) and V(to) with V(tag) and V(commit). Null if there was none.
      returned: always
      type: dict
    unfinished:
      description: Whether an earlier run was interrupted.
      returned: always
      type: bool
    differing:
      description: The files that are not as in the tag. Before the tag is fetched, the O(paths) themselves.
      returned: when O(paths) is set
      type: list
      elements: str
after:
  description: The work tree after the module ran, null if it failed.
  returned: always
  type: dict
  contains: *state
change:
  description: What was changed.
  returned: when something was changed
  type: dict
  contains:
    origin:
      description: Where the work tree was, as V(commit), V(tag) and V(branch).
      returned: always
      type: dict
    target:
      description: Where it was brought, likewise.
      returned: always
      type: dict
    stash:
      description: The object id of the stash with the local changes, null if there were none.
      returned: always
      type: str
    left_over:
      description: The object id of the stash with what an interrupted run had left half done, else null.
      returned: always
      type: str
    paths:
      description: The paths that were restored. Empty if C(HEAD) moved.
      returned: always
      type: list
      elements: str
    changed:
      description: Whether the code changed, or an interrupted change of it was finished.
      returned: always
      type: bool
    fetched:
      description: Whether the tag was fetched.
      returned: always
      type: bool
    marked_bad:
      description: The tag that was marked as bad, else null.
      returned: always
      type: str
    earlier:
      description: The object id of the rollback that was remembered before, else null.
      returned: always
      type: str
    undo:
      description: Always V(false). Belongs to the note that the host keeps while it undoes this change.
      returned: always
      type: bool
    kept:
      description: Always null. Belongs to the note that the host keeps while it undoes this change.
      returned: always
      type: str
proof:
  description: The work tree read again, which is on the tag.
  returned: on success outside check mode
  type: dict
  contains: *state
"""

from ansible_collections.tradeops.botfleet.plugins.module_utils._module import run_module
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.git_deploy_tag import GitDeployTag


def main() -> None:
    run_module(GitDeployTag)


if __name__ == "__main__":
    main()

# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories in a bad state (S1.4). What else git may come up with is in the unit tests of git_deploy_tag."""

from __future__ import annotations

import pytest

from .fleet import BAD, GOOD
from .night import Fault, Outcome

ORIGIN = "/srv/origin/quantum_trader.git"
PRISTINE = "tar -C / -xpf /usr/local/lib/fleet/live.tar"
IN_TREE = 'cd /srv/bots/trader; git() { runuser -u bot -- git "$@"; };'
FORGET = f"{IN_TREE} git tag --list 'deploy-*' | grep -v {BAD} | xargs runuser -u bot -- git tag --delete >&2;"
LISTEN = "import socket, time; server = socket.create_server(('127.0.0.1', 9418)); time.sleep(600)"
OBJECT = f".git/objects/$(git rev-parse {GOOD}:strategy.py | sed 's|^..|&/|')"

FAULTS = {
    "remote down, tag here": Fault("restored", f"{IN_TREE} git remote set-url origin /srv/nowhere"),
    "remote down, tag only there": Fault(
        "safe",
        f"{FORGET} git remote set-url origin /srv/nowhere",
        f"{IN_TREE} git remote set-url origin {ORIGIN}",
        "version to go back to was not read: .*/srv/nowhere",
    ),
    "remote stalling": Fault(
        "safe",
        f"{FORGET} git remote set-url origin git://127.0.0.1/trader; "
        f'systemd-run --quiet --unit stall python3 -c "{LISTEN}"; sleep 0.5',
        f"{IN_TREE} git remote set-url origin {ORIGIN}; systemctl stop stall",
        "version to go back to was not read: .* 5 s",
    ),
    "tag missing": Fault(
        "safe",
        f"{FORGET} rm -rf /srv/origin/quantum_trader.git/refs/tags /srv/origin/quantum_trader.git/packed-refs",
        f"{PRISTINE} srv/origin",
        r"no good tag deploy-\* was deployed before it: name a target",
    ),
    "tag moved": Fault(
        "safe",
        f"{IN_TREE} git --git-dir {ORIGIN} tag --force {GOOD} {BAD}^{{}}~2 >&2",
        f"{PRISTINE} srv/origin",
        f"{GOOD} .*moved",
        variables={"botfleet_fetch": "always"},
    ),
    "dirty tree": Fault(
        "restored",
        f"{IN_TREE} echo '# mine' >> runtime.py; echo mine > notes.txt; chown bot: notes.txt",
        keeps=f"{IN_TREE} grep -qx mine notes.txt; git stash show -p stash@{{0}} | grep -q '^+# mine'",
    ),
    "corrupt object": Fault(
        "safe",
        f"{IN_TREE} test -e {OBJECT}; cp -a {OBJECT} /root/object; chmod u+w {OBJECT}; echo rubbish > {OBJECT}",
        f"{IN_TREE} cp -a /root/object {OBJECT}",
        "Check out the version to go back to: ",
    ),
    "shallow clone": Fault(
        "restored",
        f"{IN_TREE} runuser -u bot -- git clone --quiet --depth 1 --branch {BAD} file://{ORIGIN} /tmp/shallow;"
        " rm -rf .git; mv /tmp/shallow/.git .; rm -rf /tmp/shallow",
    ),
    "other owner": Fault(
        "restored",
        "cd /srv/bots/trader; chown -h ops: .; "
        "find . -mindepth 1 \\( -path ./logs -o -path ./run \\) -prune -o -exec chown -h ops: {} +",
        keeps='test -z "$(find /srv/bots/trader/.git -user root)"',
    ),
    "index.lock left behind": Fault("restored", f"{IN_TREE} runuser -u bot -- touch .git/index.lock"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_ends_as_it_is_said(night: dict[str, Outcome], fault: str) -> None:
    """By the record, the exit code and the host; mended, the same id restores it."""
    night[fault].check()

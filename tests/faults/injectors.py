# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may go wrong at a random moment of a rollback, on a random host."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from .fleet import Controller, Fleet
from .host import END_TRANSACTIONS, STATE, TREE, Host

ANOTHER = "rb-another"


@dataclass
class Scene:
    """A rollback under way.

    last_id: under which the rollback is to be completed: that of the controller that came last
    others: controllers that came in between
    """

    fleet: Fleet
    host: Host
    random: random.Random
    controller: Controller
    process: subprocess.Popen[bytes]
    last_id: str
    others: list[subprocess.Popen[bytes]]


def kill_controller(scene: Scene) -> None:
    """SIGKILL of its process group, as by ansible-runner. Ansible's workers are not in it, and outlive it."""
    os.killpg(scene.process.pid, signal.SIGKILL)


def interrupt_controller(scene: Scene) -> None:
    """SIGTERM or SIGINT to its process group, as by an impatient operator."""
    os.killpg(scene.process.pid, scene.random.choice([signal.SIGTERM, signal.SIGINT]))


def kill_transaction(scene: Scene) -> None:
    """SIGKILL of whatever the collection runs on the host."""
    scene.host.run(END_TRANSACTIONS)


def cut_link(scene: Scene) -> None:
    """Nothing arrives there any more."""
    scene.host.cut()


def pause_host(scene: Scene) -> None:
    """It hangs."""
    scene.host.pause()


def reboot_host(scene: Scene) -> None:
    """It loses power, and boots."""
    scene.host.reboot()


def restart_sshd(scene: Scene) -> None:
    """Its SSH connections end, with all that runs in them."""
    scene.host.run("systemctl kill --signal KILL ssh; systemctl restart ssh")


def fill_state(scene: Scene) -> None:
    """No room for a journal."""
    scene.host.fill(STATE)


def fill_repository(scene: Scene) -> None:
    """No room for another version."""
    scene.host.fill(f"{TREE}/.git")


def forbid_config(scene: Scene) -> None:
    """The config turns read-only."""
    scene.host.forbid_writing(f"{TREE}/config")


def start_bot(scene: Scene) -> None:
    """A colleague starts the bot."""
    scene.host.run("systemctl start trader || :")


def crash_bot(scene: Scene) -> None:
    """The bot's process dies; its unit has it start again."""
    scene.host.run("systemctl kill --signal KILL trader || :")


def second_controller(scene: Scene) -> None:
    """Somebody else rolls the same fleet back, under another id."""
    other = Controller(scene.fleet, scene.controller.directory / "other")
    scene.others.append(other.begin(rollback_id=ANOTHER))
    scene.last_id = ANOTHER


def same_id_twice(scene: Scene) -> None:
    """Somebody else runs the same id."""
    other = Controller(scene.fleet, scene.controller.directory / "other")
    scene.others.append(other.begin(rollback_id=scene.last_id))


INJECTORS: list[Callable[[Scene], None]] = [
    kill_controller,
    interrupt_controller,
    kill_transaction,
    cut_link,
    pause_host,
    reboot_host,
    restart_sshd,
    fill_state,
    fill_repository,
    forbid_config,
    start_bot,
    crash_bot,
    second_controller,
    same_id_twice,
]


def die_at_line(host: Host, chance: random.Random) -> None:
    """The host's side is killed at a random line of its journal."""
    host.order("kill", f"{chance.randrange(1, 44)} {chance.choice(['after', 'torn'])}")


def deaf_bot(host: Host, _chance: random.Random) -> None:
    """The bot hears no SIGTERM."""
    host.make_deaf()


def wrong_clock(host: Host, chance: random.Random) -> None:
    """The host's clock is off, by up to a day."""
    host.order("clock", str(chance.randrange(-86400, 86400)))


PREPARED: list[Callable[[Host, random.Random], None]] = [die_at_line, deaf_bot, wrong_clock]
"""Those that are laid before the rollback begins; the first strikes by itself."""

# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bot_service over SSH and sudo, with real units of a real systemd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Host

PROGRAM = """\
import signal, subprocess, sys, time
words = sys.argv[1:]
print("began", *words, flush=True)
if "stubborn" in words:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "reloads" in words:
    signal.signal(signal.SIGHUP, lambda number, frame: print("reloaded", flush=True))
if "crashes" in words:
    print("Traceback: no such strategy", flush=True)
    sys.exit(1)
if "worker" in words:
    subprocess.Popen(["sleep", "600"])
while True:
    time.sleep(60)
"""


def unit(*words: str, **service: str) -> str:
    lines = {"User": "bot", "WorkingDirectory": "/srv/bots/mm", **service}
    lines.setdefault("ExecStart", f"/usr/bin/python3 bot.py {' '.join(words)}")
    return "[Service]\n" + "".join(f"{name}={value}\n" for name, value in lines.items())


UNITS = {
    "mm-bot.service": unit("reloads", ExecReload="/bin/kill -HUP $MAINPID"),
    "hup-bot.service": unit("reloads"),
    "crash-bot.service": unit("crashes", Restart="always", RestartSec="200ms"),
    "stubborn-bot.service": unit("stubborn", TimeoutStopSec="600"),
    "sigint-bot.service": unit("stubborn", KillSignal="SIGINT"),
    "leaving-bot.service": unit("worker", KillMode="process"),
    "masked-bot.service": unit(),
    "timed-bot.service": unit(),
    "inst-bot@.service": unit() + "[Install]\nWantedBy=multi-user.target\n",
    "beside.service": unit(),
    "timed-bot.timer": "[Timer]\nOnCalendar=yearly\n",
}

LEFT = "pgrep -u bot | xargs -r pwdx | grep -c ' /srv/bots/mm$' || :"  # other bots of the user may run elsewhere
BOTS = [name for name in UNITS if name.endswith(".service") and name not in ("masked-bot.service", "inst-bot@.service")]
INSTANCES = ["inst-bot@1.service", "inst-bot@2.service"]


@pytest.fixture(scope="module")
def units(host: Host) -> Host:
    """The host with the program and the units."""
    files = {f"/etc/systemd/system/{name}": text for name, text in UNITS.items()}
    files["/srv/bots/mm/bot.py"] = PROGRAM
    written = "".join(f"cat > {path} <<'END'\n{text}END\n" for path, text in files.items())
    masked = (
        "mv /etc/systemd/system/masked-bot.service /run/; ln -sfn /dev/null /etc/systemd/system/masked-bot.service\n"
    )
    left = "rm -rf /run/systemd/system/crash-bot.service.d\n"  # by an earlier run
    host.shell(f"mkdir -p /srv/bots/mm\n{written}{masked}{left}chown -R bot: /srv/bots/mm\nsystemctl daemon-reload")
    return host


@pytest.fixture
def clean(units: Host) -> Iterator[Host]:
    """The host; every unit is stopped and forgotten after the test."""
    yield units
    names = " ".join([*BOTS, *INSTANCES, "timed-bot.timer"])
    units.shell(f"systemctl kill -s KILL {names} 2>/dev/null || :; systemctl stop {names}; systemctl reset-failed")


def task(name: str, state: str, *, check: bool = False, become: bool = True, **options: Any) -> dict[str, Any]:
    given = {"name": name, "manager": "systemd", "state": state, "settle": 0.5, "timeout": 10, **options}
    return {"tradeops.botfleet.bot_service": given, "check_mode": check, "become": become}


def service(host: Host, name: str, state: str, **options: Any) -> dict[str, Any]:
    (result,) = host.modules(task(name, state, **options))
    return result


def main_pid(host: Host, name: str) -> int:
    return int(host.shell(f"systemctl show --value -p MainPID {name}"))


def test_started_stopped_restarted(clean: Host) -> None:
    """S0.7, S1.3: in check mode, for real, and again."""
    would, started, again = clean.modules(
        task("mm-bot", "started", check=True), task("mm-bot", "started"), task("mm-bot.service", "started")
    )
    assert (would["changed"], would["msg"], would["proof"]) == (True, "start mm-bot", None)
    assert (started["before"]["manager"], started["after"]["manager"]) == ("inactive (dead)", "active (running)")
    first = main_pid(clean, "mm-bot")
    assert (started["proof"]["main_pid"], started["proof"]["pids"]) == (first, [first])
    assert (started["changed"], again["changed"]) == (True, False)

    would, restarted = clean.modules(task("mm-bot", "restarted", check=True), task("mm-bot", "restarted"))
    assert (would["changed"], restarted["before"]["main_pid"]) == (True, first)
    assert restarted["change"] == {"stopped": [first], "killed": [], "started": True}
    second = main_pid(clean, "mm-bot")
    assert restarted["proof"]["main_pid"] == second != first

    would, stopped, again = clean.modules(
        task("mm-bot", "stopped", check=True), task("mm-bot", "stopped"), task("mm-bot", "stopped")
    )
    assert (would["changed"], stopped["before"]["main_pid"]) == (True, second)
    assert (stopped["changed"], stopped["proof"]["state"], stopped["proof"]["pids"]) == (True, "stopped", [])
    assert main_pid(clean, "mm-bot") == 0
    assert not again["changed"]


@pytest.mark.parametrize(("name", "how"), [("mm-bot", "by its manager"), ("hup-bot", "by SIGHUP")])
def test_reloaded(clean: Host, name: str, how: str) -> None:
    """S0.4: by the unit's reload, or HUP where it has none; the same process lives on."""
    clean.shell(f"systemctl start {name}")
    pid = main_pid(clean, name)
    done = service(clean, name, "reloaded")
    assert (done["msg"], done["change"], main_pid(clean, name)) == (f"reload {name} {how}", {"reloaded": pid}, pid)
    assert clean.shell(f"journalctl -q -o cat -n 1 _PID={pid}") == "reloaded"


def test_a_crash_loop(clean: Host) -> None:
    """S1.2, S2.2: a failure that shows the journal; the loop can be stopped; the good version starts at once."""
    started, stopped = clean.modules(task("crash-bot", "started"), task("crash-bot", "stopped"))
    assert started["failed"]
    assert "Traceback: no such strategy" in started["msg"]
    assert stopped["proof"]["state"] in ("stopped", "failed"), stopped

    clean.shell("systemctl start crash-bot || :; until systemctl -q is-failed crash-bot; do sleep 0.1; done")
    said = clean.shell("! systemctl start crash-bot && journalctl -q -o cat -n 3 -u crash-bot")
    assert "Start request repeated too quickly" in said
    drop_in = "/run/systemd/system/crash-bot.service.d"
    good = "[Service]\\nExecStart=\\nExecStart=/usr/bin/python3 bot.py\\n"
    clean.shell(f"mkdir -p {drop_in}; printf '{good}' > {drop_in}/good.conf; systemctl daemon-reload")
    done = service(clean, "crash-bot", "started")
    assert done["changed"], done


def test_one_that_ignores_sigterm(clean: Host) -> None:
    """S1.3: systemd would wait for ten minutes; without force a failure that names the process."""
    clean.shell("systemctl start stubborn-bot; sleep 0.5")
    pid = main_pid(clean, "stubborn-bot")
    gently, by_force = clean.modules(
        task("stubborn-bot", "stopped", timeout=1), task("stubborn-bot", "stopped", timeout=1, force=True)
    )
    assert gently["failed"]
    assert "systemd says deactivating (stop-sigterm)" in gently["msg"]
    assert f"still running: {pid} (" in gently["msg"]
    assert by_force["change"] == {"stopped": [pid], "killed": [pid]}
    assert main_pid(clean, "stubborn-bot") == 0


def test_one_that_handles_sigint_only(clean: Host) -> None:
    """S1.3: as passivbot; systemd sends the signal that its unit names."""
    clean.shell("systemctl start sigint-bot; sleep 0.5")
    pid = main_pid(clean, "sigint-bot")
    done = service(clean, "sigint-bot", "stopped")
    assert done["change"] == {"stopped": [pid], "killed": []}
    assert main_pid(clean, "sigint-bot") == 0


def test_what_the_unit_leaves_behind_is_stopped_too(clean: Host) -> None:
    """S1.3: KillMode=process ends the main process only, and systemd calls that inactive."""
    clean.shell("systemctl start leaving-bot; sleep 0.5")
    done = service(clean, "leaving-bot", "stopped")
    assert len(done["change"]["stopped"]) == 2, done
    assert clean.shell(LEFT) == "0"

    clean.shell("systemctl start leaving-bot; sleep 0.5; systemctl stop leaving-bot")
    done = service(clean, "leaving-bot", "stopped")
    assert (done["before"]["state"], done["before"]["manager"]) == ("leftover", "inactive (dead)")
    assert len(done["change"]["stopped"]) == 1


def test_one_that_was_started_by_hand(clean: Host) -> None:
    """S1.3: outside of its unit; a pattern and the directory find it."""
    clean.shell("cd /srv/bots/mm; setsid -f sudo -u bot python3 bot.py by-hand >/dev/null 2>&1 </dev/null; sleep 0.5")
    own: dict[str, Any] = {"chdir": "/srv/bots/mm", "pattern": "bot.py by-hand"}
    started, stopped = clean.modules(task("mm-bot", "started", **own), task("mm-bot", "stopped", **own))
    assert "stop it first" in started["msg"]
    assert len(stopped["change"]["stopped"]) == 1, stopped
    assert clean.shell(LEFT) == "0"


def test_one_that_was_started_by_hand_and_that_nothing_finds(clean: Host) -> None:
    """S1.3: outside of its unit, and no pattern or the wrong one; a stranger next door is no suspect."""
    clean.shell(
        "mkdir -p /srv/bots/mm2; cd /srv/bots/mm2; setsid -f sudo -u bot sleep 600 >/dev/null 2>&1 </dev/null\n"
        "cd /srv/bots/mm; setsid -f sudo -u bot python3 bot.py by-hand >/dev/null 2>&1 </dev/null; sleep 0.5"
    )
    own: dict[str, Any] = {"chdir": "/srv/bots/mm", "user": "bot"}
    unnamed, misspelt, started = clean.modules(
        task("mm-bot", "stopped", **own),
        task("mm-bot", "stopped", pattern=r"bto\.py", **own),
        task("mm-bot", "started", **own),
    )
    assert unnamed["before"]["state"] == "unproven"
    for result in (unnamed, misspelt, started):
        assert (result["failed"], result["changed"]) == (True, False)
        assert "mm-bot is not proven stopped" in result["msg"]
        assert "(python3 bot.py by-hand) is at work in /srv/bots/mm " in result["msg"]
        assert 'not found by unit "mm-bot" (inactive (dead))' in result["msg"]
        assert "sleep" not in result["msg"]
    assert 'pattern "bto\\.py"' in misspelt["msg"]
    clean.shell("pkill -u bot; while pgrep -u bot; do sleep 0.1; done")
    assert not service(clean, "mm-bot", "stopped", **own)["failed"]


def test_another_instance_of_its_template(clean: Host) -> None:
    """S1.3: systemd loads any instance, misspelt or not; only one that is enabled is known to be the bot."""
    own: dict[str, Any] = {"chdir": "/srv/bots/mm"}
    clean.shell("systemctl start inst-bot@1; sleep 0.5")
    misspelt = service(clean, "inst-bot@01", "stopped", **own)
    assert misspelt["failed"]
    assert "inst-bot@01 is not proven stopped: process " in misspelt["msg"]
    clean.shell("systemctl enable inst-bot@2")
    enabled, right = clean.modules(task("inst-bot@2", "stopped", **own), task("inst-bot@1", "stopped", **own))
    assert (enabled["failed"], right["changed"], right["failed"]) == (False, True, False)


def test_another_service_in_its_directory(clean: Host) -> None:
    """A dashboard that works there has a unit of its own, and goes on."""
    clean.shell("systemctl start beside mm-bot; sleep 0.5")
    done = service(clean, "mm-bot", "stopped", chdir="/srv/bots/mm")
    assert (done["failed"], done["changed"]) == (False, True), done
    assert main_pid(clean, "beside") != 0


def test_a_timer_may_start_it_again(clean: Host) -> None:
    """S1.3: such a bot is not called stopped."""
    clean.shell("systemctl start timed-bot.timer timed-bot")
    names = ("timed-bot", "timed-bot.timer", "timed-bot")
    while_timed, timer, after_it = clean.modules(*(task(name, "stopped") for name in names))
    assert while_timed["failed"]
    assert "timed-bot.timer may start it again" in while_timed["msg"]
    assert (timer["changed"], after_it["changed"], after_it["failed"]) == (True, False, False)


def test_masked_and_missing_units(clean: Host) -> None:
    """A masked one is down, and cannot be started; of a missing one nothing can be proven."""
    stopped, started, *missing = clean.modules(
        task("masked-bot", "stopped"),
        task("masked-bot", "started", check=True),
        task("no-such-bot", "stopped"),
        task("no-such-bot", "started"),
        task("no-such-bot", "stopped", chdir="/srv/bots/mm", pattern="nothing"),
    )
    assert (stopped["changed"], stopped["proof"]["manager"]) == (False, "inactive (dead), masked")
    assert "is masked: unmask it" in started["msg"]
    for result in missing:
        assert (result["failed"], result["changed"]) == (True, False)
        assert "does not exist on this host" in result["msg"]


def test_without_become_it_is_refused(clean: Host) -> None:
    """What was not done is not claimed."""
    clean.shell("systemctl start mm-bot")
    done = service(clean, "mm-bot", "stopped", become=False)
    assert done["failed"]
    assert "was refused" in done["msg"]
    assert main_pid(clean, "mm-bot") != 0


def test_a_detached_process_outlives_the_connection(clean: Host) -> None:
    """S4.5: the manager ``process`` leaves a bot that no SSH session holds."""
    own: dict[str, Any] = {"manager": "process", "chdir": "/srv/bots/mm", "user": "bot"}
    own["command"] = ["python3", "bot.py", "detached"]
    started, again = clean.modules(task("detached", "started", **own), task("detached", "started", **own))
    assert started["changed"], started
    pid = started["proof"]["main_pid"]
    assert clean.shell(f"ps -o user=,ppid= -p {pid}").split() == ["bot", "1"]
    assert not again["changed"]
    assert service(clean, "detached", "stopped", **own)["change"] == {"stopped": [pid], "killed": []}

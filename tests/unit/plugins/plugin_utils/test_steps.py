# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps as a role writes them, read with Ansible's own templating: what is wrong with one spoils that one only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ansible.template
import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._steps import StepReader, template_secrets
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._variables import Variables

FLAG = {"path": "/srv/bot/go_live.active", "state": "absent"}
HTTP = {"url": "http://127.0.0.1:9000/status"}


def trusted(value: Any) -> Any:
    """What stands in a playbook may be templated; from ansible-core 2.19 on that has to be said."""
    trust_as_template = getattr(ansible.template, "trust_as_template", None)
    if trust_as_template is None:
        return value
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value


class Controller:
    """Ansible's templating, with the variables of a host."""

    def __init__(self, **variables: Any) -> None:
        loader = DataLoader()
        inventory = InventoryManager(loader=loader, sources="bot-1,")
        magic = VariableManager(loader=loader, inventory=inventory).get_vars(host=inventory.get_host("bot-1"))
        self.variables = {**magic, **trusted(variables)}
        templar = Templar(loader=loader, variables=self.variables)
        self.template: Callable[[Any], Any] = templar.template
        self.values = Variables(templar, self.variables)

    def read(self, *raw: Any, only: Any = None, secrets: Any = None) -> list[dict[str, Any]]:
        reader = StepReader(self.values, self.variables.get("omit"), secrets or {})
        steps = reader.read(trusted(list(raw)), only)
        json.dumps(steps)
        return steps


def flag(**keywords: Any) -> dict[str, Any]:
    return {"name": "Lower the flag", "id": "flag", "go_live_flag": dict(FLAG), **keywords}


def invalid(*raw: Any, **variables: Any) -> str:
    """Why the first step is invalid; the sound step after it must not be."""
    step, sound = Controller(**variables).read(*raw, flag(id="sound"))
    assert sound.get("invalid") is None and sound["options"]["path"] == FLAG["path"]
    return str(step.get("invalid") or "")


def test_a_step_is_templated_and_its_defaults_filled_in() -> None:
    (step,) = Controller(root="/srv").read(
        flag(go_live_flag={"path": "{{ root }}/bot/flag", "state": "absent"}, timeout="{{ 2 * 5 }}", mode="prove")
    )
    assert (step["id"], step["name"], step["operation"]) == ("flag", "Lower the flag", "go_live_flag")
    assert (step["mode"], step["timeout"]) == ("prove", 10.0)
    assert step["options"]["path"] == "/srv/bot/flag"
    assert (step["options"]["polarity"], step["options"]["confirm"]) == ("live", False)
    assert not step.get("invalid")


@pytest.mark.parametrize("prefix", ["", "tradeops.botfleet."])
def test_an_operation_may_carry_the_name_of_its_collection(prefix: str) -> None:
    (step,) = Controller().read({"name": "Lower the flag", f"{prefix}go_live_flag": FLAG})
    assert step["operation"] == "go_live_flag" and step["id"] == "lower_the_flag" and not step.get("invalid")


@pytest.mark.parametrize(
    "broken",
    [
        {"go_live_flag": {"path": "{{ nowhere }}/flag", "state": "absent"}},
        {"go_live_flag": "{{ nowhere }}"},
        {"when": "{{ nowhere }}"},
        {"timeout": "{{ nowhere | int }}{{ nowhere }}"},
    ],
)
def test_an_undefined_variable_spoils_its_step_only(broken: dict[str, Any]) -> None:
    assert "nowhere" in invalid(flag(**broken))


@pytest.mark.parametrize(
    ("variable", "mend"),
    [
        ("botfleet_path", "set it"),
        ("botfleet_go_live_config_key", "set it, or botfleet_start_trades if the bot has no switch"),
    ],
)
def test_a_variable_that_is_not_set_is_named_with_the_mend(variable: str, mend: str) -> None:
    """Behind another variable, too; each ansible-core says it in words of its own."""
    said = f"variable {variable} is not set for this bot: {mend}"
    template = f"{{{{ {variable} }}}}"
    assert invalid(flag(go_live_flag={"path": template})) == said
    assert invalid(flag(go_live_flag="{{ shared }}"), shared={"path": template}) == said
    _values, problems = template_secrets(trusted({"secret": template}), Controller().template)
    assert problems == {"secret": said}


@pytest.mark.parametrize(
    "template",
    [
        "{{ 1 / 0 }}",
        "{{ '[' | from_json }}",
        "{{ {} | combine(3) }}",
        "{{ 'x' | no_such_filter }}",
        "{{ unclosed",
        "{{ lookup('ansible.builtin.file', '/nowhere/at/all') }}",
        "{{ ''.nothing() }}",
    ],
)
def test_a_template_that_fails_in_any_way_spoils_its_step_only(template: str) -> None:
    reason = invalid(flag(go_live_flag={"path": template, "state": "absent"}))
    assert reason.startswith("cannot be templated") and "\n" not in reason


def test_a_broken_variable_behind_a_variable_spoils_its_step_only() -> None:
    broken = flag(go_live_flag="{{ shared | combine({'state': 'absent'}) }}")
    assert "nowhere" in invalid(broken, shared={"path": "{{ nowhere }}"})


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({"name": "x", "no_such_operation": {}}, "names no_such_operation"),
        ({"name": "x"}, "names nothing"),
        ({"name": "x", "go_live_flag": FLAG, "bot_service": {}}, "names bot_service"),
        (flag(whne=False), "names whne"),
        (flag(go_live_flag={**FLAG, "pth": "/x"}), "go_live_flag: no option pth: use one of config_key, config_path, "),
        (flag(go_live_flag={"path": "/x", "stat": "absent"}), "go_live_flag: no option stat: use one of "),
        (flag(go_live_flag={**FLAG, "confirm": "perhaps"}), "confirm"),
        (flag(go_live_flag={**FLAG, "state": "gone"}), "gone"),
        (flag(go_live_flag={"state": "absent"}), "one of the following is required"),
        (flag(go_live_flag=[1]), "are a mapping"),
        (flag(go_live_flag={}), "state"),
        (flag(when="sometimes"), "sometimes"),
        (flag(when=[]), "when is []"),
        (flag(when="{{ [1] }}"), "when is [1]"),
        (flag(when=None), "when is None"),
        (flag(timeout="soon"), "soon"),
        (flag(timeout=-1), "timeout is -1"),
        (flag(timeout="nan"), "timeout is 'nan'"),
        (flag(timeout="inf"), "timeout is 'inf'"),
        (flag(until_resume="maybe"), "maybe"),
        (flag(mode="perform"), "perform"),
        ("not a mapping", "not 'not a mapping'"),
        (None, "not None"),
    ],
)
def test_a_step_that_makes_no_sense_says_so_and_spoils_nothing_else(step: Any, reason: str) -> None:
    assert reason in invalid(step)


def test_a_step_that_is_not_wanted_needs_no_options() -> None:
    """A bot without a flag has no path of one."""
    (step,) = Controller().read(flag(when="{{ 1 == 2 }}", go_live_flag={"path": "{{ nowhere }}", "state": "absent"}))
    assert step["when"] is False and not step.get("invalid")


@pytest.mark.parametrize("value", [True, "true", "yes", "{{ 1 == 1 }}", "{{ 'True' }}"])
def test_what_counts_as_wanted(value: Any) -> None:
    (step,) = Controller().read(flag(when=value))
    assert step.get("when", True) is True and not step.get("invalid")


def test_omitted_values_are_left_out_however_deep() -> None:
    """ansible-core 2.18 leaves its placeholders in nested values."""
    check = {"name": "x", "http": {**HTTP, "query": "{{ nowhere | default(omit) }}"}, "tcp": "{{ omit }}"}
    steps = Controller(extra="{{ nowhere | default(omit) }}").read(
        {"name": "health", "health_check": {"checks": [check, "{{ omit }}"], "deadline": "{{ omit }}"}},
        flag(go_live_flag={**FLAG, "config_path": "{{ nowhere | default(omit) }}"}),
        flag(id="combined", go_live_flag="{{ " + str(FLAG) + " | combine({'config_key': extra}) }}"),
    )
    assert [step.get("invalid") for step in steps] == [None, None, None]
    health, plain, combined = (step["options"] for step in steps)
    assert len(health["checks"]) == 1 and health["checks"][0]["http"]["query"] is None and health["deadline"] == 0
    assert plain["config_path"] is None and combined["config_key"] is None
    assert "omit" not in json.dumps(steps)


def test_only_what_the_plan_names_is_read_in_the_order_of_the_role() -> None:
    raw = [flag(id="a"), flag(id="b", go_live_flag={"path": "{{ nowhere }}"}), flag(id="c")]
    steps = Controller().read(*raw, only=["c", "a"])
    assert [step["id"] for step in steps] == ["a", "c"] and not any(step.get("invalid") for step in steps)
    assert Controller().read(*raw, only=[]) == []


def test_a_step_that_the_plan_names_and_no_role_has() -> None:
    flag_step, missing = Controller().read(flag(), only=["flag", "stop"])
    assert not flag_step.get("invalid")
    assert missing["id"] == "stop" and "'stop' that the role does not have" in missing["invalid"]


def test_two_steps_never_share_an_id() -> None:
    """The journal is kept by id: two of one name would be taken for each other."""
    raw = [flag(), flag(), {"go_live_flag": FLAG}, {"go_live_flag": FLAG}, flag(id="flag-2"), flag(id=7), flag(id="7")]
    ids = [step["id"] for step in Controller().read(*raw)]
    assert len(set(ids)) == len(ids) == 7 and ids[0] == "flag" and ids[2] == "step_3"


def test_paths_belong_to_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/controller")
    steps = Controller().read(
        flag(go_live_flag={"path": "~/$HOME/flag", "state": "absent"}),
        {"health_check": {"checks": [{"name": "x", "file": {"path": "~/x"}}]}},
    )
    assert steps[0]["options"]["path"] == "~/$HOME/flag"
    assert steps[1]["options"]["checks"][0]["file"]["path"] == "~/x"


CREDENTIALS = {"secret": "testnet_credentials"}


def on_testnet(credentials: Any) -> dict[str, Any]:
    return {"name": "testnet", "exchange_testnet": {"path": "/srv/x.yaml", "credentials": credentials}}


def test_a_secret_stays_a_placeholder() -> None:
    (step,) = Controller().read(on_testnet(CREDENTIALS), secrets={"testnet_credentials": None})
    assert step["options"]["credentials"] == CREDENTIALS and not step.get("invalid")


def test_a_secret_may_be_a_value_in_a_dictionary_and_never_turns_into_text() -> None:
    headers = {"Authorization": {"secret": "token"}}
    checks = [{"name": "x", "http": {**HTTP, "headers": headers}}]
    text = [{"name": "x", "http": {**HTTP, "headers": headers, "contains": {"secret": "token"}}}]
    raw = [{"health_check": {"checks": checks}}, {"health_check": {"checks": text}}]
    good, bad = Controller().read(*raw, secrets={"token": None})
    assert good["options"]["checks"][0]["http"]["headers"] == headers and not good.get("invalid")
    assert "option that takes text" in bad["invalid"]


@pytest.mark.parametrize(
    ("secrets", "reason"),
    [({}, "it is not among"), ({"testnet_credentials": "wrong password"}, "wrong password")],
)
def test_a_secret_that_cannot_be_had_spoils_what_uses_it_only(secrets: dict[str, Any], reason: str) -> None:
    step, sound = Controller().read(on_testnet(CREDENTIALS), flag(), secrets=secrets)
    assert reason in step["invalid"] and not sound.get("invalid")


def test_each_secret_is_templated_alone() -> None:
    controller = Controller(key="k-123456")
    raw = trusted({"good": {"api_key": "{{ key }}"}, "bad": "{{ nowhere }}", "worse": "{{ 1 / 0 }}"})
    values, problems = template_secrets(raw, controller.template)
    assert values == {"good": {"api_key": "k-123456"}}
    assert problems["good"] is None and "nowhere" in str(problems["bad"]) and problems["worse"]


def test_a_loop_is_a_step_for_each_item() -> None:
    paths = [{"path": f"/srv/{name}"} for name in "ab"]
    given = flag(id="flags", loop="{{ flags }}", go_live_flag={"state": "absent"}, args="{{ item }}", name="Lower them")
    again = flag(id="then", go_live_flag={"path": "{{ item | default('/srv/c') }}", "state": "absent"})
    steps = Controller(flags=paths).read(given, again)
    assert [(step["id"], step["options"]["path"]) for step in steps] == [
        ("flags", "/srv/a"),
        ("flags-2", "/srv/b"),
        ("then", "/srv/c"),
    ]
    assert [step["name"] for step in steps[:2]] == ["Lower them"] * 2


def test_a_variable_may_name_the_item() -> None:
    given = flag(loop="{{ flags }}", go_live_flag="{{ options }}")
    steps = Controller(flags=["a", "b"], options={"path": "/srv/{{ item }}", "state": "absent"}).read(given)
    assert [step["options"]["path"] for step in steps] == ["/srv/a", "/srv/b"]


def test_what_is_wrong_with_one_item_spoils_its_step_only() -> None:
    given = flag(loop=[{"path": "/srv/a"}, {"paht": "/srv/b"}], go_live_flag={"state": "absent"}, args="{{ item }}")
    first, second = Controller().read(given)
    assert first["options"]["path"] == "/srv/a" and not first.get("invalid")
    assert (second["id"], second["operation"]) == ("flag-2", "go_live_flag") and "no option paht" in second["invalid"]


def test_a_loop_over_nothing_is_one_step_that_is_not_wanted() -> None:
    (step,) = Controller(flags=[]).read(flag(loop="{{ flags }}", go_live_flag="{{ undefined }}"), only=["flag"])
    assert (step["id"], step["operation"], step["when"]) == ("flag", "go_live_flag", False)


def test_a_loop_is_over_a_list() -> None:
    assert invalid(flag(loop="{{ flags }}"), flags="a") == "loop is 'a', which is no list: write one"
    assert "variable flags is not set" in invalid(flag(loop="{{ flags }}"))


@pytest.mark.parametrize(
    ("at_risk", "backup", "decided", "taken_before"),
    [
        (False, "latest", "", None),
        (True, "nightly", "", None),
        (True, "latest", "2026-01-05T03:15:00Z", "2026-01-05T03:15:00Z"),
        (True, "latest", "", False),
    ],
)
def test_s1_7_the_latest_backup_is_never_that_of_the_bad_state(
    at_risk: bool, backup: str, decided: str, taken_before: Any
) -> None:
    """S1.7, S1.8: which is taken a step before, and nothing but the time of the decision tells it from the others."""
    role = Path(__file__).parents[4] / "roles" / "data"
    own = {
        **yaml.safe_load((role / "defaults/main.yml").read_text()),
        **yaml.safe_load((role / "vars/main.yml").read_text()),
    }
    given = {"data_at_risk": at_risk, "data_restore": True, "data_backup": backup, "data_decided_at": decided}
    database = {"root": "/srv/questdb", "backups": "/backup", "service": {"name": "questdb", "manager": "systemd"}}
    others = {"botfleet_database": database, "botfleet_database_credentials": {}, "rollback_id": "rb-1"}
    controller = Controller(**{**own, **given, **others})
    (step,) = [step for step in controller.read(*own["data_steps"]) if step["id"] == "restore"]
    if taken_before is False:
        assert "data_decided_at is not given" in step["invalid"]
    else:
        assert step["options"]["taken_before"] == taken_before

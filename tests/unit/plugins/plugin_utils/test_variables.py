# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables rendered once come to what Ansible's own templar makes of them, each time."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._variables import Variables

try:
    from ansible.template import trust_as_template as template
except ImportError:  # ansible-core 2.18

    def template(value: str) -> str:
        return value


UNTRUSTED = "{{ path }}"
TRUSTED_UNLESS_MARKED = template(UNTRUSTED) is UNTRUSTED  # 2.18
VALUES: dict[str, Any] = {
    "root": "/srv",
    "name": "bot-1",
    "path": template("{{ root }}/{{ name }}"),
    "config": template("{{ path }}/config"),
    "same": template("{{ config }}"),
    "number": 12,
    "sum": template("{{ number + 1 }}"),
    "flag": True,
    "nothing": None,
    "listed": [template("{{ sum }}"), template("{{ nowhere | default(omit) }}"), {"deep": template("{{ same }}")}],
    "left_out": template("{{ nowhere | default(omit) }}"),
    "braces": template("{{ '{{ root }}' }}"),
    "broken": template("{{ nowhere }}/x"),
    "looks_up": template("{{ lookup('ansible.builtin.pipe', 'echo x >> ' ~ witness ~ '; echo said') }}"),
}
TEXTS = ["{{ " + name + " }}" for name in VALUES if name not in ("left_out", "broken", "looks_up")]
TEXTS += ["{{sum}}", "plain", "{{ same }}/go_live.json", "{{ sum | int + number }}", "{{ broken | default('else') }}"]
TEXTS += ["{{ braces }} and {{ root }}", "{% if flag %}{{ same }}{% endif %}", "{{ listed[2].deep }}"]


@pytest.fixture(autouse=True, scope="module")
def plugins() -> None:
    init_plugin_loader()


def templar(values: dict[str, Any]) -> Any:
    return Templar(loader=DataLoader(), variables=values)


@pytest.mark.parametrize("text", TEXTS)
def test_the_same_as_without(text: str) -> None:
    variables = Variables(templar(dict(VALUES)), VALUES)
    wanted = templar(dict(VALUES)).template(template(text))
    for _time in range(2):
        assert variables.render(template(text)) == wanted


def test_all_in_one_go_and_in_any_order() -> None:
    wanted = [templar(dict(VALUES)).template(template(text)) for text in TEXTS]
    for texts, values in ((TEXTS, wanted), (TEXTS[::-1], wanted[::-1])):
        variables = Variables(templar(dict(VALUES)), VALUES)
        assert [variables.render(template(text)) for text in texts] == values


def test_a_lookup_is_made_once(tmp_path: Any) -> None:
    witness = tmp_path / "witness"
    values = {**VALUES, "witness": str(witness)}
    variables = Variables(templar(values), values)
    assert variables.render([template("{{ looks_up }}"), template("{{ looks_up }}!")]) == ["said", "said!"]
    assert witness.read_text() == "x\n"


def test_what_is_left_out_leaves_its_place() -> None:
    variables = Variables(templar(dict(VALUES)), VALUES)
    options = {"a": template("{{ left_out }}"), "b": template("{{ nowhere | default(omit) }}"), "c": 1}
    rendered = {key: part for key, part in variables.render(options).items() if "omit" not in str(part)}
    assert rendered == {"c": 1}  # 2.18 leaves its placeholders to whoever reads


def test_a_variable_that_cannot_be_had_is_left_out_where_it_may_be() -> None:
    variables = Variables(templar(dict(VALUES)), VALUES)
    assert "omit" in str(variables.render([template("{{ broken | default(omit) }}")]) or "omit")


def test_what_is_undefined_says_so_each_time() -> None:
    variables = Variables(templar(dict(VALUES)), VALUES)
    for text in ("{{ broken }}", "{{ broken }}", "{{ nowhere }}"):
        with pytest.raises(AnsibleError, match="nowhere"):
            variables.render(template(text))


@pytest.mark.skipif(TRUSTED_UNLESS_MARKED, reason="ansible-core 2.18 marks what comes from elsewhere instead")
def test_text_from_elsewhere_is_data() -> None:
    values = {**VALUES, "told": UNTRUSTED}
    variables = Variables(templar(values), values)
    assert variables.render(UNTRUSTED) == UNTRUSTED
    assert variables.render(template("{{ told }}")) == UNTRUSTED
    assert variables.render(template("{{ told }}!")) == f"{UNTRUSTED}!"

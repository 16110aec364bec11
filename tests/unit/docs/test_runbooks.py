# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables in docs/runbooks name every point of their runbooks, and nothing that is not there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
RUNBOOKS = {"trading_node": ("S1", 10), "quantum_trader": ("S4", 14)}
TESTS = {path: path.read_text() for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)}
STATUS = re.compile(r"\*\*(done|in part|not yet|for people)\*\*")


@dataclass(frozen=True)
class Row:
    """One point of a runbook."""

    id: str
    says: str
    variables: str
    where: str
    proven_by: str
    status: str

    def __str__(self) -> str:
        return self.id


def rows(name: str) -> list[Row]:
    """The rows of a page whose first cell is an id."""
    lines = (ROOT / "docs" / "runbooks" / f"{name}.md").read_text().splitlines()
    cells = [re.split(r"\s*\|\s*", line)[1:-1] for line in lines if re.match(r"\| S\d", line)]
    assert {len(row) for row in cells} == {6}, "a row has another number of cells"
    return [Row(*row) for row in cells]


def quoted(cell: str, pattern: str) -> list[str]:
    """What stands in backticks and is of a form."""
    return [match for match in re.findall("`([^`]*)`", cell) if re.fullmatch(pattern, match)]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


ROWS = [row for name in RUNBOOKS for row in rows(name)]
every_row = pytest.mark.parametrize("row", ROWS, ids=str)


@pytest.fixture(scope="module")
def variables() -> set[str]:
    """What an inventory may set."""
    specs = load(ROOT / "roles" / "botfleet" / "meta" / "argument_specs.yml")
    return set(specs["argument_specs"]["variables"]["options"])


@pytest.fixture(scope="module")
def steps() -> set[str]:
    """``stage/id`` of every step in the roles."""
    named = {
        f"{path.parents[1].name}/{step['id']}"
        for path in (ROOT / "roles").glob("*/vars/main.yml")
        for step in load(path).get(f"{path.parents[1].name}_steps", [])
    }
    safe = load(ROOT / "roles" / "botfleet" / "vars" / "main.yml")["botfleet_safe"]
    return named | {f"safe/{step['id']}" for step in safe}


@pytest.mark.parametrize("name", RUNBOOKS)
def test_every_point_has_one_row(name: str) -> None:
    prefix, count = RUNBOOKS[name]
    assert [row.id for row in rows(name)] == [f"{prefix}.{number}" for number in range(1, count + 1)]


@every_row
def test_its_variables_are_documented(row: Row, variables: set[str]) -> None:
    assert set(quoted(row.variables, r"botfleet_\w+")) <= variables
    assert re.sub(r"[,\s]+", "", re.sub(r"`botfleet_\w+`", "", row.variables)) == ""


@every_row
def test_its_steps_are_in_the_roles(row: Row, steps: set[str]) -> None:
    assert set(quoted(row.where, r"[a-z]+/[a-z_]+")) <= steps


@every_row
def test_its_tests_are_there_and_name_it(row: Row) -> None:
    """``grep`` for the id finds the tests that it names; without a test, nothing is called done."""
    named = quoted(row.proven_by, r"test_\w+\.py::test_\w+")
    assert len(named) == len(re.findall("`", row.proven_by)) / 2
    mention = re.compile(rf"\b{re.escape(row.id)}\b")
    for file, test in (name.split("::") for name in named):
        texts = [text for path, text in TESTS.items() if path.name == file and f"def {test}(" in text]
        assert texts, f"there is no {test} in {file}"
        assert any(mention.search(text) for text in texts), f"{file} does not name {row.id}"
    status = STATUS.match(row.status)
    assert status, "the status begins with none of its words"
    assert named or status[1] != "done", "nothing proves that it is done"


@pytest.mark.parametrize("name", [*RUNBOOKS, "README"])
def test_its_links_lead_somewhere(name: str) -> None:
    page = ROOT / "docs" / "runbooks" / f"{name}.md"
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([\w-]+))?\)", page.read_text()):
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings]

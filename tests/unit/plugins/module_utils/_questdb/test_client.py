# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real QuestDB asked over HTTP, and what does not answer as one does."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.client import (
    Access,
    Client,
    QuestDBError,
    Unreachable,
    access_from,
)

from tests.peers.questdb import QuestDB
from tests.peers.ssh import free_port


def test_a_query_gives_columns_and_rows(shared: QuestDB) -> None:
    rows = shared.client.query("select 1 one, 'a;b' text, cast('2026-01-02' as timestamp) moment;")
    assert rows.columns == [("one", "INT"), ("text", "STRING"), ("moment", "TIMESTAMP")]
    assert rows.dicts() == [{"one": 1, "text": "a;b", "moment": "2026-01-02T00:00:00.000000Z"}]


def test_version_and_health(shared: QuestDB) -> None:
    assert shared.client.version() == "9.3.4"
    assert shared.client.is_up()
    assert Client(Access(shared.access.url)).is_up()
    assert not Client(Access(f"http://127.0.0.1:{free_port()}")).is_up()


def test_several_statements_are_refused(shared: QuestDB) -> None:
    """The server would carry out the first, answer 200 and say nothing of the second."""
    with pytest.raises(OperationError, match="only one statement"):
        shared.client.query("create table gone (a int); drop table kept")
    assert shared.sql("select count() from tables() where table_name = 'gone'") == [[0]]


def test_what_the_server_refuses_is_told_on_one_line(shared: QuestDB) -> None:
    with pytest.raises(QuestDBError, match=r"refused 'select nothing from nowhere': .*does not exist") as refused:
        shared.client.query("select nothing\nfrom nowhere")
    assert "\n" not in str(refused.value)


def test_nobody_there_is_unreachable() -> None:
    with pytest.raises(Unreachable, match=r"cannot be reached .*: start it, or correct the address"):
        Client(Access(f"http://127.0.0.1:{free_port()}")).query("select 1")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"url": "http://admin:CANARY@127.0.0.1:9000"}, "url holds credentials"),
        ({"url": "http://127.0.0.1:9000/exec"}, "scheme, host and port"),
        ({"url": "127.0.0.1:9000"}, "no http or https address"),
        ({"username": "admin"}, "credentials are not whole"),
        ({"username": "admin", "password": "CANARY", "token": "CANARY"}, "credentials are not whole"),
    ],
)
def test_options_that_cannot_work_are_refused_without_a_secret(options: dict[str, Any], sentence: str) -> None:
    given = {"url": "http://127.0.0.1:9000", "health_url": None, "username": None, "password": None, "token": None}
    with pytest.raises(OperationError, match=sentence) as refused:
        access_from({**given, **options})
    assert "CANARY" not in str(refused.value)


def test_a_secret_is_in_no_repr() -> None:
    assert "CANARY" not in repr(Access("http://127.0.0.1:9000", username="admin", password="CANARY"))

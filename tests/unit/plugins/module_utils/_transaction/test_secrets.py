# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placeholders for secrets, and what is left of a secret in a result."""

from __future__ import annotations

import json

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.secrets import MASK, mask, resolve

PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIK\n-----END PRIVATE KEY-----\n"
SECRETS = {"pair": {"key": "k-1f2e3d", "odd": "quo\"te\\and'é"}, "pem": PEM, "pin": 1234567890, "list": ["in-a-list"]}


def test_placeholders_become_what_they_stand_for() -> None:
    options = {"credentials": {"secret": "pair"}, "nested": [{"headers": {"X": {"secret": "pin"}}}], "plain": "secret"}
    assert resolve(options, SECRETS) == {
        "credentials": SECRETS["pair"],
        "nested": [{"headers": {"X": 1234567890}}],
        "plain": "secret",
    }
    with pytest.raises(OperationError, match="'other' was not given"):
        resolve({"secret": "other"}, SECRETS)


@pytest.mark.parametrize(
    "text",
    [
        "k-1f2e3d",
        "Bearer k-1f2e3d.",
        SECRETS["pair"]["odd"],  # type: ignore[index]  # a dictionary
        repr(SECRETS["pair"]),
        json.dumps(SECRETS["pair"]),
        PEM,
        "  " + PEM.replace("\n", "\n  "),
        json.dumps(PEM),
        "pin 1234567890",
        "in-a-list",
    ],
)
def test_no_form_of_a_secret_is_left(text: str) -> None:
    masked = json.dumps(mask({"message": text, text: [text]}, SECRETS), ensure_ascii=False)
    assert MASK in masked
    for part in ("k-1f2e3d", "quo", "MC4CAQAwBQYDK2VwBCIEIK", "1234567890", "in-a-list"):
        assert part not in masked


def test_what_is_no_secret_stays() -> None:
    result = {"status": "changed", "seconds": 1.5, "ok": True, "path": "/srv/bot", "none": None}
    assert mask(result, {**SECRETS, "short": "ok", "flag": True, "digit": 1}) == result

# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configs that are not as they should be (S4.3). The sentences for them are in docs/errors.md."""

from __future__ import annotations

import pytest

from .night import Fault, Outcome

GO_LIVE = "/srv/bots/trader/config/go_live.yaml"
KEEP = f"cp -a {GO_LIVE} /root/go_live.yaml;"
MEND = f"rm -rf {GO_LIVE} /srv/shared.yaml; cp -a /root/go_live.yaml {GO_LIVE}"
NO_PROOF = 'no proof of "The config permits no trading": '


def written(text: str) -> str:
    """A script that has the file hold this, as printf writes it."""
    return f"printf '{text}' > {GO_LIVE}"


def left_alone(breaks: str, says: str, files: str = GO_LIVE) -> Fault:
    """The bot is stopped and its flag is down, whatever its config is; the config stays what it is."""
    return Fault("exposed", f"{KEEP} {breaks}", MEND, f"{NO_PROOF}.*{says}", left_alone=files)


FAULTS = {
    "malformed": left_alone(written("activation_enabled: [true\\n"), "is not valid as YAML"),
    "CRLF": Fault("restored", f"sed -i 's/$/\\r/' {GO_LIVE}"),
    "tabs": left_alone(written("\\tactivation_enabled: true\\n"), "is not valid as YAML"),
    "anchors": left_alone(
        written("activation_enabled: &on true\\nothers: *on\\n"),
        "cannot be changed alone: others would change too, through an anchor",
    ),
    "duplicate keys": left_alone(
        written("activation_enabled: true\\nactivation_enabled: false\\n"),
        "the key .activation_enabled. is given twice",
    ),
    "5 MB": left_alone(f"seq -f 'symbol_%g: 1' 320000 >> {GO_LIVE}", "did not end within its time limit of 10 s"),
    "symlink to elsewhere": left_alone(
        f"mv {GO_LIVE} /srv/shared.yaml; ln -s /srv/shared.yaml {GO_LIVE}",
        "is a symlink to /srv/shared.yaml: name the file itself",
        f"{GO_LIVE} /srv/shared.yaml",
    ),
    "no regular file": left_alone(f"rm {GO_LIVE}; mkdir {GO_LIVE}", "is not a regular file"),
    "unreadable for its bot": Fault(
        "safe",
        f"chmod 000 {GO_LIVE}",
        f"chmod 644 {GO_LIVE}",
        "Check out the version to go back to: .*Permission denied",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_ends_as_it_is_said(night: dict[str, Outcome], fault: str) -> None:
    """By the record, the exit code and the host; mended, the same id restores it."""
    night[fault].check()

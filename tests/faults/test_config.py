# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configs that are not as they should be (S4.3). The sentences for them are in docs/errors.md."""

from __future__ import annotations

import pytest

from .night import Fault, Outcome

GO_LIVE = "/srv/bots/trader/config/go_live.yaml"
KEEP = f"cp -a {GO_LIVE} /root/go_live.yaml;"
MEND = f"rm -rf {GO_LIVE}; cp -a /root/go_live.yaml {GO_LIVE}"
NO_PROOF = 'no proof of "The config permits no trading": '


def written(text: str) -> str:
    """A script that has the file hold this, as printf writes it."""
    return f"{KEEP} printf '{text}' > {GO_LIVE}"


FAULTS = {
    "malformed": Fault("exposed", f"{NO_PROOF}.*is not valid as YAML", written("activation_enabled: [true\\n"), MEND),
    "CRLF": Fault("restored", break_=f"sed -i 's/$/\\r/' {GO_LIVE}"),
    "tabs": Fault("exposed", f"{NO_PROOF}.*is not valid as YAML", written("\\tactivation_enabled: true\\n"), MEND),
    "anchors": Fault(
        "exposed",
        f"{NO_PROOF}.*cannot be changed alone: others would change too, through an anchor",
        written("activation_enabled: &on true\\nothers: *on\\n"),
        MEND,
    ),
    "duplicate keys": Fault(
        "exposed",
        f"{NO_PROOF}.*the key .activation_enabled. is given twice",
        written("activation_enabled: true\\nactivation_enabled: false\\n"),
        MEND,
    ),
    "5 MB": Fault(  # which a slow host does not parse in time
        "restored|exposed",
        "^$|did not end within its time limit of 10 s",
        f"{KEEP} yes '# a symbol that nobody trades, with its tick' | head -c 5000000 >> {GO_LIVE}",
        f"if grep -q symbol {GO_LIVE}; then {MEND}; fi",
    ),
    "symlink to elsewhere": Fault(
        "exposed",
        f"{NO_PROOF}.*is a symlink to /srv/shared.yaml: name the file itself",
        f"{KEEP} mv {GO_LIVE} /srv/shared.yaml; ln -s /srv/shared.yaml {GO_LIVE}",
        MEND,
        kept="grep -q 'activation_enabled: true' /srv/shared.yaml; rm /srv/shared.yaml; echo kept",
    ),
    "unreadable for its bot": Fault(
        "safe",
        "Check out the version to go back to: .*Permission denied",
        f"chmod 000 {GO_LIVE}",
        f"chmod 644 {GO_LIVE}",
    ),
    "unreadable for anyone": Fault(
        "exposed", f"{NO_PROOF}.*is not a regular file", f"{KEEP} rm {GO_LIVE}; mkdir {GO_LIVE}", MEND
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_ends_as_it_is_said(night: dict[str, Outcome], fault: str) -> None:
    """By the record, the exit code and the host; mended, the same id restores it."""
    night[fault].check()

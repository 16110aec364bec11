# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version of QuestDB a command would start, of a server that is down (S1.7)."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.rehearse import Boot
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.versions import check_version, version_of

from tests.peers.questdb import JAR, JAVA

MAIN = "io.questdb/io.questdb.ServerMain"


def jar(path: Path, text: str | None) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        if text is not None:
            archive.writestr("META-INF/MANIFEST.MF", text)
    return str(path)


@pytest.mark.usefixtures("_needed")
def test_s1_7_a_real_jar_tells_its_version() -> None:
    """S1.7: however the command names it."""
    folder, name = os.path.split(JAR)
    expected = name[len("questdb-") : -len(".jar")]
    assert version_of(Boot([*JAVA, "-p", JAR, "-m", MAIN, "-d", "/q"])) == expected
    assert version_of(Boot([*JAVA, f"--module-path={JAR}", "-m", MAIN, "-d", "/q"])) == expected
    assert version_of(Boot([*JAVA, "-cp", f"/no/such.jar:{name}", "io.questdb.ServerMain"], cwd=folder)) == expected


def test_s1_7_what_tells_no_version_is_not_guessed(tmp_path: Path) -> None:
    """S1.7: neither from a name, nor of one of two."""
    title = "Manifest-Version: 1.0\r\nImplementation-Title: QuestDB\r\n"
    eight = jar(tmp_path / "8.jar", f"{title}Implementation-Version: 8.3.3\r\n")
    nine = jar(tmp_path / "9.jar", f"{title}Implementation-Version: 9.3.4\r\n")
    assert version_of(Boot(["java", "-p", eight])) == "8.3.3"
    assert version_of(Boot(["java", "-p", f"{eight}:{nine}"])) is None
    assert version_of(Boot(["java", "-p", jar(tmp_path / "questdb-9.3.4.jar", None)])) is None
    made = jar(tmp_path / "made.jar", f"{title}Implementation-Version: [DEVELOPMENT]\n")
    assert version_of(Boot(["java", "-p", made])) is None
    agent = jar(tmp_path / "agent.jar", "Implementation-Title: agent\nImplementation-Version: 1.0\n")
    assert version_of(Boot(["java", f"-javaagent:{agent}=port=1", "-p", nine])) == "9.3.4"
    (tmp_path / "cut.jar").write_bytes(Path(nine).read_bytes()[:50])
    assert version_of(Boot(["java", "-p", str(tmp_path / "cut.jar")])) is None
    assert version_of(Boot(["/usr/local/bin/questdb.sh", "start"])) is None
    assert version_of(None) is None


@pytest.mark.parametrize(("wanted", "version"), [("9.0.1", "9.3.4"), (None, "9.3.4"), ("8.3.3", None)])
def test_s1_7_the_same_major_version_or_an_unknown_one_is_no_reason(wanted: str | None, version: str | None) -> None:
    check_version("/backup", wanted, version)


def test_s1_7_another_major_version_is_named() -> None:
    with pytest.raises(OperationError, match=r"/backup is of QuestDB 10\.0\.0, and 1\.9\.9 runs here"):
        check_version("/backup", "10.0.0", "1.9.9")

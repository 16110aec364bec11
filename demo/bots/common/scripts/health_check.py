# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a bot how it is; exit 1 and say why unless it answers and runs the release that is checked out.

usage: health_check.py PORT
"""

from __future__ import annotations

import json
import os
import socket
import sys


def main() -> None:
    """Compare the status page with what is on disk."""
    port = int(sys.argv[1])
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    name = os.path.basename(home)
    with open(os.path.join(home, "RELEASE"), encoding="utf-8") as handle:
        release = handle.read().strip()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"GET /status HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        status = json.loads(answer.partition(b"\r\n\r\n")[2])
    except (OSError, ValueError) as error:
        sys.exit(f"{name} does not answer on port {port}: {error}")
    if (status["bot"], status["version"]) != (name, release):
        sys.exit(f"{name} on {release} is expected on port {port}, found {status['bot']} on {status['version']}")
    print(f"{name} is healthy on {release}")


if __name__ == "__main__":
    main()

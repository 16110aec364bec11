# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run emergency.sh on all hosts at the same time over parallel-ssh: parallel.py KEY SETTLE HOST...

Prints each line of a host as it comes: when it came (s since 1970), the host, the line. Exit code 1 if any host failed.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from gevent import joinall, spawn
from pssh.clients import ParallelSSHClient
from pssh.output import HostOutput

SCRIPT = Path(__file__).with_name("emergency.sh")


def main() -> int:
    key, settle, *hosts = sys.argv[1:]
    client = ParallelSSHClient(hosts, user="ops", pkey=key, pool_size=len(hosts))
    ran = client.run_command(f"sudo bash -s {float(settle):g}", stop_on_errors=False)
    joinall([spawn(follow, output) for output in ran])
    client.join()
    return int(any(output.exit_code != 0 for output in ran))


def follow(output: HostOutput) -> None:
    if output.exception:
        say(output.host, f"FAILED {output.exception}")
        return
    output.stdin.write(SCRIPT.read_text())
    output.channel.send_eof()
    for line in output.stdout:
        say(output.host, line)
    for line in output.stderr:
        say(output.host, line)


def say(host: str, line: str) -> None:
    print(f"{time.time():.3f} {host} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether each row that a bot wrote is there, by the log that the bot keeps apart from the database."""

from __future__ import annotations

from dataclasses import dataclass

from tests.peers.questdb import Server, Writer


@dataclass(frozen=True)
class Counted:
    """written: as acknowledged; found: of these, in the database; strange: rows of it that nobody wrote, or twice"""

    written: int
    found: int
    strange: int

    @property
    def lost(self) -> int:
        return self.written - self.found

    def __str__(self) -> str:
        return f"rows written {self.written}, rows found {self.found}, rows lost {self.lost}"


def compared(server: Server, bot: Writer) -> Counted:
    """Each row that was acknowledged is looked for, by its number and with all that is in it.

    One that was sent and never acknowledged may be there, or not.
    """
    rows = [tuple(row) for row in server.sql(f"select number, ts, symbol, note from {bot.table}")]
    present, written = set(rows), set(bot.written())
    maybe = {bot.row(number) for number in bot.uncertain}
    return Counted(len(written), len(written & present), len(rows) - len(present & (written | maybe)))

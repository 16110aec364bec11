# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The newest backup of a directory, where nobody names one. PRIVATE to the collection."""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import datetime, timezone

from .._operation import OperationError
from .manifest import read_manifest

LATEST = "latest"


def resolved(path: str, taken_before: str | None, exclude: Collection[str] = ()) -> str:
    """The path of a backup as it is given, or of the newest one beside it if it ends with ``latest``.

    taken_before: a time, UTC unless it says otherwise, so that one that was taken of a bad state does not count
    exclude: names that do not count either, whatever the clock of their host says
    """
    directory, name = os.path.split(path)
    if name != LATEST or os.path.lexists(path):
        return path
    limit = _moment(taken_before) if taken_before else None
    found = {taken: backup for backup, taken in _backups(directory, exclude) if limit is None or taken < limit}
    if not found:
        before = f" that was taken before {taken_before}" if taken_before else ""
        raise OperationError(f"{directory} has no backup{before}: name one, or take one before the next deploy")
    return found[max(found)]


def _backups(directory: str, exclude: Collection[str]) -> list[tuple[str, datetime]]:
    """Those with a manifest that can be read; whether one is whole is found when it is restored."""
    backups = []
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        raise OperationError(f"{directory} cannot be read ({error.strerror}): correct the path of backups") from error
    for name in names:
        path = os.path.join(directory, name)
        if name.startswith(".") or name in exclude or os.path.islink(path):
            continue
        try:
            backups.append((path, _moment(read_manifest(path).taken)))
        except OperationError:
            continue
    return backups


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise OperationError(f"{text!r} is no time: write one such as 2026-01-05T03:15:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)

# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A switch that permits or forbids trading: a flag file, or a boolean in a config. PRIVATE to the collection."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from typing import ClassVar

from .._files import remove_file, write_atomic
from .._operation import OperationError
from .file import ConfigFile, format_of, parse_key


class Switch(ABC):
    """Something that is set or not, and what it shall be.

    option: the module option that names it
    path: the file
    label: what it is called in a diff
    name: what it is called in a sentence
    """

    option: ClassVar[str]
    words: ClassVar[dict[bool, str]]

    def __init__(self, path: str, label: str, name: str, wanted: bool) -> None:
        self.path = path
        self.label = label
        self.name = name
        self.wanted = wanted

    @abstractmethod
    def read(self) -> bool:
        """Read it from disk; it is as wanted only if no reader can see it otherwise."""

    @abstractmethod
    def rehearse(self) -> None:
        """Raise OperationError if ``put`` could not work. Changes nothing."""

    @abstractmethod
    def put(self) -> None:
        """Set it as wanted, durably."""

    def settle(self) -> bool:
        """Set it if it is not as wanted, and read it again; returns whether that took a change."""
        if self.read() is self.wanted:
            return False
        self.put()
        if self.read() is not self.wanted:
            raise OperationError(f"{self.name} was set to {self.words[self.wanted]} and is not: something sets it back")
        return True


class FlagFile(Switch):
    """A file whose presence is the switch (S4.2).

    A symlink is a flag like any other: removing it removes the link, never what it points to. A dangling
    one is neither present (a bot does not see it) nor absent (its target may come back).
    """

    option = "path"
    words = {True: "present", False: "absent"}

    def __init__(self, path: str, wanted: bool) -> None:
        super().__init__(path, "flag file", path, wanted)

    def read(self) -> bool:
        state = self._state()
        if state is None:
            return False
        if stat.S_ISDIR(state.st_mode):
            raise OperationError(f"{self.path} is a directory, not a flag file: mend the path")
        return os.path.exists(self.path) if self.wanted else True

    def rehearse(self) -> None:
        parent = os.path.dirname(self.path)
        if self.wanted and not os.path.isdir(parent):
            raise OperationError(f"{parent}, the directory of the flag file, is not there: mend the path")

    def put(self) -> None:
        if self._state() is not None:
            remove_file(self.path)
        if self.wanted:
            write_atomic(self.path, b"")

    def _state(self) -> os.stat_result | None:
        try:
            return os.lstat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise OperationError(f"{self.path} cannot be looked at ({error.strerror}): mend its directory") from error


class ConfigSwitch(Switch):
    """A boolean in a YAML or JSON config (S4.3). A file named ``.json`` is JSON, any other is YAML."""

    option = "config_key"
    words = {True: "true", False: "false"}

    def __init__(self, path: str, key: str, wanted: bool) -> None:
        super().__init__(path, key, f"{key} in {path}", wanted)

    def read(self) -> bool:
        return self.wanted if self._file().switch(parse_key(self.label)).holds(self.wanted) else not self.wanted

    def rehearse(self) -> None:
        self._changed()

    def put(self) -> None:
        self._changed().write()

    def _changed(self) -> ConfigFile:
        return self._file().with_values({parse_key(self.label): self.wanted})

    def _file(self) -> ConfigFile:
        return ConfigFile.read(self.path, "json" if format_of(self.path) == "json" else "yaml")

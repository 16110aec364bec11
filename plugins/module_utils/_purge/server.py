# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Redis server, asked by way of redis-py, which a host may lack. PRIVATE to the collection."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from .._operation import OperationError

MASK = "********"
HELLO_MODES = {"cluster": "a cluster", "sentinel": "a sentinel"}
Command = tuple[Any, ...]


class Server:
    """One database of one Redis. Every error is a sentence that holds no password.

    name: where it is, for people
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._redis = _library()
        credentials = options["credentials"] or {}
        self._password = str(credentials.get("password") or "")
        self.user = str(credentials.get("username") or "default")
        place = options["unix_socket_path"] or f"{options['host']}:{options['port']}"
        self.name = f"Redis at {place} db {options['db']}"
        arguments = {
            "db": options["db"],
            "username": credentials.get("username"),
            "password": credentials.get("password"),
            "socket_timeout": options["timeout"],
            "socket_connect_timeout": options["timeout"],
            "retry": None,  # a command whose answer is lost may have been carried out
        }
        if int(self._redis.__version__.split(".")[0]) >= 5:
            arguments["protocol"] = 2  # newer ones would speak another, with answers of other shapes
        if options["unix_socket_path"]:
            arguments["unix_socket_path"] = options["unix_socket_path"]
        else:
            arguments.update(host=options["host"], port=options["port"])
        if options["tls"]:
            arguments.update(
                ssl=True,
                ssl_ca_certs=options["ca_path"],
                ssl_certfile=options["certificate_path"],
                ssl_keyfile=options["private_key_path"],
                ssl_cert_reqs="required" if options["validate_certs"] else "none",
                ssl_check_hostname=options["validate_certs"],
            )
        self._client = self._redis.Redis(**arguments)

    def ask(self, *command: Any) -> Any:
        """The answer to a command; raises OperationError."""
        try:
            return self._client.execute_command(*command)
        except (self._redis.RedisError, OSError) as error:
            raise self._sentence(error, str(command[0])) from None

    def ask_all(self, commands: Iterable[Command]) -> list[Any]:
        """The answers to several commands, sent together; what one is refused is an OperationError among them."""
        listed = list(commands)
        if not listed:
            return []
        pipeline = self._client.pipeline(transaction=False)
        for command in listed:
            pipeline.execute_command(*command)
        try:
            answers = pipeline.execute(raise_on_error=False)
        except (self._redis.RedisError, OSError) as error:
            raise self._sentence(error, str(listed[0][0])) from None
        return [
            self._sentence(answer, str(command[0])) if isinstance(answer, Exception) else answer
            for command, answer in zip(listed, answers)
        ]

    def refuse_others(self) -> None:
        """Raise OperationError for a cluster, a sentinel and a replica."""
        try:
            answer = self._client.execute_command("HELLO")
            facts = answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2]))
            facts = {_text(name): _text(value) for name, value in facts.items()}
            mode, role = facts.get("mode", ""), facts.get("role", "")
        except self._redis.ResponseError as error:
            if "unknown command" not in str(error).lower():
                raise self._sentence(error, "HELLO") from None
            facts = self.ask("INFO")  # before Redis 6, which has no users that might not ask it
            mode, role = _text(facts.get("redis_mode", "")), _text(facts.get("role", ""))
        except (self._redis.RedisError, OSError) as error:
            raise self._sentence(error, "HELLO") from None
        if mode in HELLO_MODES:
            raise OperationError(f"{self.name} is {HELLO_MODES[mode]}, which is not purged: name a single server")
        if role in ("replica", "slave"):
            raise OperationError(f"{self.name} is a replica, where nothing is to be changed: name its primary")

    def refuse_unpermitted(self, prefix: bytes, *, dump: bool, flush: bool) -> None:
        """Raise OperationError if the user lacks a permission. Asks for a random key, which does not exist.

        FLUSHDB cannot be tried so. Who may not ask ACL DRYRUN, either, finds out from FLUSHDB itself, which is the only
        change of a flush.
        """
        key = prefix + f"botfleet-{secrets.token_hex(16)}".encode()
        commands: list[Command] = [] if flush else [("UNLINK", key)]
        if dump:
            commands += [("DUMP", key), ("PTTL", key), ("RESTORE", key, 0, b"")]
        verdict = self._dry_run("FLUSHDB") if flush else "OK"
        if verdict != "OK":
            raise Unpermitted(f"{self.name}: user {self.user} may not FLUSHDB there ({verdict}): permit it")
        for command, answer in zip(commands, self.ask_all(commands)):
            harmless = command[0] == "RESTORE" and not isinstance(answer, Unpermitted)  # an empty dump is no dump
            if isinstance(answer, OperationError) and not harmless:
                raise answer

    def _dry_run(self, command: str) -> str:
        """``OK`` or why not; OK where it cannot be known."""
        try:
            return _text(self.ask("ACL", "DRYRUN", self.user, command))
        except OperationError:  # before Redis 7, or to ask takes a permission of its own
            return "OK"

    def _sentence(self, error: Exception, command: str) -> OperationError:
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        if self._password:
            text = text.replace(self._password, MASK)
        if isinstance(error, self._redis.AuthenticationError) or text.startswith(("WRONGPASS", "NOAUTH")):
            return OperationError(f"{self.name} does not accept the credentials ({text}): mend credentials")
        if text.startswith("NOPERM") or isinstance(error, getattr(self._redis.exceptions, "NoPermissionError", ())):
            return Unpermitted(f"{self.name}: user {self.user} may not {command} there ({text}): permit it")
        if "cluster mode" in text:
            return OperationError(f"{self.name} is a cluster, which is not purged: name a single server")
        if isinstance(error, self._redis.ReadOnlyError):
            return OperationError(f"{self.name} is a replica, where nothing is to be changed: name its primary")
        if isinstance(error, (self._redis.ConnectionError, self._redis.TimeoutError, OSError)):
            return OperationError(f"{self.name} does not answer ({text}): see that it runs, and how it is reached")
        if text.startswith("BUSYKEY"):
            return Taken(text)
        return OperationError(f"{self.name} refused {command} ({text}): see what it wants")


class Unpermitted(OperationError):
    """The user lacks a permission."""


class Taken(OperationError):
    """A key of this name is there."""


def _library() -> Any:
    try:
        return import_module("redis")
    except ImportError as error:
        raise OperationError(
            f"purging Redis needs the Python package redis on this host: install it for {sys.executable} "
            "(python3-redis in most distributions)"
        ) from error


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

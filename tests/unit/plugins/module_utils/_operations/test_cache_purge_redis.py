# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis keys purged in a real Redis: S2.7, where FLUSHDB would wipe what others keep there."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import os
import pathlib
import signal
import stat
import sys
import time
from collections.abc import Iterator
from typing import Any, Callable

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import (
    Context,
    NotUndone,
    OperationError,
    Outcome,
    carry_out,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.cache_purge import REDIS, CachePurge
from ansible_collections.tradeops.botfleet.plugins.module_utils._purge.server import Server

from tests.peers.missing import skip
from tests.peers.redis import PASSWORD, Redis, lacking, redis_serving
from tests.peers.ssh import free_port

PREFIX = "signal:"


@pytest.fixture(scope="module", autouse=True)
def _needed() -> None:
    if reason := lacking():
        skip(reason)


@pytest.fixture(name="shared", scope="module")
def _shared(_needed: None) -> Iterator[Redis]:
    with redis_serving() as redis:
        yield redis


class Bot:
    """A bot with a cache in a Redis that it shares."""

    def __init__(self, redis: Redis, base: pathlib.Path) -> None:
        self.redis = redis
        self.trash = base / "trash"
        self.client = redis.client()
        self.options: dict[str, Any] = {"unix_socket_path": redis.socket, "prefix": PREFIX}

    def operation(self, context: Context | None = None, *, trash_max_age: int = 604800, **redis: Any) -> CachePurge:
        defaults = {name: spec.get("default") for name, spec in REDIS.items()}
        options = {name: spec.get("default") for name, spec in CachePurge.OPTIONS.items()}
        options.update(redis={**defaults, **self.options, **redis}, trash=str(self.trash), trash_max_age=trash_max_age)
        return CachePurge(options, context or Context())

    def run(self, mode: str = "apply", **redis: Any) -> Outcome:
        return carry_out(self.operation(**redis), mode)

    def check(self, **redis: Any) -> Outcome:
        return carry_out(self.operation(Context(check_mode=True), **redis))

    def undo(self, change: Any, **redis: Any) -> str:
        """In another process, as it were: from JSON."""
        return self.operation(**redis).undo(json.loads(json.dumps(change)))

    def fill(self, client: Any = None) -> None:
        """Keys of every kind, of this bot and of others."""
        client = client or self.client
        for owner in (PREFIX, "other:"):
            client.set(f"{owner}text", b"\x00\xff binary")
            client.set(f"{owner}short-lived", "soon gone", px=600_000)
            client.rpush(f"{owner}list", *"abc")
            client.hset(f"{owner}hash", mapping={"a": 1, "b": 2})
            client.sadd(f"{owner}set", 1, 2, 3)
            client.zadd(f"{owner}sorted", {"a": 1.5, "b": 2})
            client.xadd(f"{owner}stream", {"a": 1})

    def entries(self) -> list[pathlib.Path]:
        return sorted(self.trash.glob("redis-db*"))


@pytest.fixture(name="bot")
def _bot(shared: Redis, tmp_path: pathlib.Path) -> Bot:
    client = shared.client()
    client.flushall()
    client.config_resetstat()
    return Bot(shared, tmp_path)


def contents(client: Any) -> dict[bytes, Any]:
    """Every key with its value, and whether it expires."""
    readers = {
        b"string": client.get,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"stream": client.xrange,
    }
    return {key: (readers[client.type(key)](key), client.ttl(key) >= 0) for key in client.scan_iter(count=1000)}


def of_others(found: dict[bytes, Any]) -> dict[bytes, Any]:
    return {key: value for key, value in found.items() if not key.startswith(PREFIX.encode())}


def test_s2_7_keys_with_the_prefix_go_and_no_other(bot: Bot) -> None:
    """S2.7: each kind of key; other keys and other databases stay, and nothing that blocks the server was used."""
    bot.fill()
    bot.fill(bot.redis.client(db=1))
    before = contents(bot.client)
    outcome = bot.run()
    assert outcome.status == "changed"
    assert outcome.message == (
        f"remove 7 keys 'signal:' from Redis at {bot.redis.socket} db 0; keep their dump in {bot.trash}"
    )
    assert contents(bot.client) == of_others(before)
    assert len(contents(bot.redis.client(db=1))) == 14
    assert [bot.redis.calls(command) for command in ("keys", "del", "flushdb", "flushall")] == [0, 0, 0, 0]
    (entry,) = bot.entries()
    assert outcome.change == {
        "redis": f"Redis at {bot.redis.socket} db 0",
        "trash": str(entry),
        "removed": 7,
        "expired": [],
    }
    assert stat.S_IMODE((entry / "manifest").stat().st_mode) == 0o600
    assert outcome.proof is not None
    assert (outcome.proof["matches"], outcome.proof["created_since"]) == (0, 0)
    again = bot.run()
    assert (again.status, again.change, again.diff) == ("unchanged", None, [])


def test_s2_7_check_mode_lists_at_most_twenty_and_changes_nothing(bot: Bot) -> None:
    """S2.7: names and how many, and no value of any."""
    bot.client.mset({f"{PREFIX}{number:02}": "CANARY-value" for number in range(30)})
    bot.client.set("other", 1)
    outcome = bot.check()
    assert outcome.status == "changed"
    assert bot.client.dbsize() == 31
    assert not bot.trash.exists()
    lines = outcome.diff[0]["before"].splitlines()
    assert len([line for line in lines if line.startswith(PREFIX)]) == 20
    assert lines[20:] == ["and 10 more", "30 keys"]
    assert outcome.diff[0]["after"] == "0 keys\n"
    assert "CANARY" not in repr(outcome)


@pytest.mark.parametrize("prefix", ["a*", "a?b", "a[bc]", "a\\", "a\\*", "[^a]", "ä:", "{slot}:"])
def test_s2_7_a_prefix_is_no_pattern(bot: Bot, prefix: str) -> None:
    """S2.7: what means something to MATCH stands for itself in a prefix."""
    others = ["a", "ab", "abc", "axb", "a/", "b", "[", "slot:", "prefix" + prefix]
    bot.client.mset(dict.fromkeys([*others, f"{prefix}one", prefix], 1))
    outcome = bot.run(prefix=prefix)
    assert outcome.change is not None and outcome.change["removed"] == 2
    assert sorted(key.decode() for key in bot.client.scan_iter()) == sorted(others)


def test_s2_7_batches_are_bounded(bot: Bot) -> None:
    """S2.7: no command that blocks a server with many keys; as many keys as it takes."""
    bot.client.mset({f"{PREFIX}{number}": number for number in range(1234)})
    bot.client.mset({f"other:{number}": number for number in range(1234)})
    outcome = bot.run(batch=100)
    assert outcome.change is not None and outcome.change["removed"] == 1234
    assert bot.client.dbsize() == 1234
    assert bot.redis.calls("unlink") >= 13
    assert bot.redis.calls("scan") >= 2 * 24
    assert bot.undo(outcome.change, batch=7) == f"1234 keys are back in Redis at {bot.redis.socket} db 0"
    assert bot.client.dbsize() == 2468
    bot.client.config_resetstat()
    bot.run(batch=1)
    assert bot.redis.calls("unlink") > 1234, "SCAN gives more than it is asked for"


def test_s2_7_undo_restores_every_kind_of_key(bot: Bot) -> None:
    """S2.7: values and times to live; a second undo says that it is done."""
    bot.fill()
    before = contents(bot.client)
    change = bot.run().change
    assert bot.undo(change) == f"7 keys are back in Redis at {bot.redis.socket} db 0"
    assert contents(bot.client) == before
    assert 590_000 < bot.client.pttl(f"{PREFIX}short-lived") <= 600_000
    assert bot.entries() == []
    with pytest.raises(NotUndone, match="is gone: it was taken back"):
        bot.undo(change)


def test_s2_7_undo_goes_over_no_key_that_is_there_again(bot: Bot) -> None:
    """S2.7: it is named; and what has expired meanwhile stays so."""
    bot.fill()
    bot.client.set(f"{PREFIX}brief", "x", px=400)
    change = bot.run().change
    bot.client.set(f"{PREFIX}text", "written since")
    bot.client.set(f"{PREFIX}list", "now a text")
    time.sleep(0.41)  # its own time, which is what is tried
    with pytest.raises(NotUndone) as caught:
        bot.undo(change)
    assert "5 keys are back in" in str(caught.value)
    assert ", 1 had expired since, but " in str(caught.value)
    assert "signal:list" in str(caught.value) and "signal:text" in str(caught.value)
    assert bot.client.get(f"{PREFIX}text") == b"written since"
    assert bot.client.exists(f"{PREFIX}brief") == 0
    assert len(bot.entries()) == 1
    bot.client.delete(f"{PREFIX}text", f"{PREFIX}list")
    assert "7 keys are back" in bot.undo(change)
    assert bot.client.lrange(f"{PREFIX}list", 0, -1) == [b"a", b"b", b"c"]


def test_s2_7_undo_of_another_redis_restores_nothing(bot: Bot) -> None:
    """S2.7: a dump goes back only to where it was taken."""
    bot.fill()
    change = bot.run().change
    with pytest.raises(NotUndone, match="is not what this purge of"):
        bot.undo(change, db=2)
    assert bot.redis.client(db=2).dbsize() == 0


def test_s2_7_without_a_dump_nothing_is_kept(bot: Bot) -> None:
    """S2.7: only if it is told; undo says that they stay removed."""
    bot.fill()
    outcome = bot.run(dump=False)
    assert "keep no dump of them" in outcome.message
    assert outcome.change is not None
    assert (outcome.change["removed"], outcome.change["trash"]) == (7, None)
    assert not bot.trash.exists()
    with pytest.raises(NotUndone, match=r"7 keys of .* stay removed: no dump of them was wanted"):
        bot.undo(outcome.change, dump=False)


def test_s2_7_dumps_expire(bot: Bot) -> None:
    """S2.7: a later run of the same purge removes them."""
    bot.fill()
    first = bot.run().change
    other = bot.run(prefix="other:").change
    assert first is not None and other is not None
    later = bot.run(trash_max_age=0)
    assert later.change is not None and later.change["expired"] == [first["trash"]]
    assert [str(path) for path in bot.entries()] == [other["trash"]]
    assert bot.undo(later.change) == f"no key of Redis at {bot.redis.socket} db 0 was removed, so none is put back"


def test_s2_7_prove_fails_while_there_are_keys(bot: Bot) -> None:
    """S2.7: alone it cannot know that they were written since."""
    bot.fill()
    outcome = bot.run("prove")
    assert outcome.status == "failed"
    assert f"Redis at {bot.redis.socket} db 0 still has 7 of keys 'signal:' (such as signal:" in outcome.message
    bot.run()
    assert bot.run("prove").status == "unchanged"


def test_s2_7_what_was_written_since_is_counted(bot: Bot) -> None:
    """S2.7: another process that writes into the cache does not make the purge fail, and is not hidden."""
    bot.fill()
    operation = bot.operation()
    operation.apply(operation.plan(operation.observe()))
    bot.client.set(f"{PREFIX}new", 1)
    assert operation.prove()["created_since"] == 1


def test_s2_7_a_flush_takes_the_word_and_the_number(bot: Bot) -> None:
    """S2.7: without both nothing happens."""
    bot.fill()
    refused: list[tuple[dict[str, Any], str]] = [
        ({"prefix": ""}, "prefix is empty, which all keys have"),
        ({"prefix": None}, "prefix is empty, which all keys have"),
        ({"flush": "flushdb"}, "flush_db is None where db is 0"),
        ({"flush": "flushdb", "flush_db": 3}, "flush_db is 3 where db is 0"),
        ({"flush_db": 0}, "flush_db is for a flush, and flush is not flushdb"),
    ]
    for options, sentence in refused:
        with pytest.raises(OperationError) as caught:
            bot.operation(**options)
        assert sentence in str(caught.value)
    assert bot.client.dbsize() == 14


def test_s2_7_a_flush_names_those_of_others_and_can_be_undone(bot: Bot) -> None:
    """S2.7: one database, after its dump; the plan says how many keys have not the prefix."""
    flush: dict[str, Any] = {"db": 3, "flush": "flushdb", "flush_db": 3}
    client = bot.redis.client(db=3)
    bot.fill()
    bot.fill(client)
    before = contents(client)
    checked = bot.check(**flush)
    where = f"Redis at {bot.redis.socket} db 3"
    assert checked.message.startswith(
        f"flush {where} of all its 14 keys, 7 of them without the prefix 'signal:', whoever else uses them; keep their"
    )
    assert "of all its 14 keys, whoever" in bot.check(**flush, prefix=None).message
    assert client.dbsize() == 14
    assert bot.run("prove", **flush).status == "failed"
    outcome = bot.run(**flush)
    assert outcome.change is not None and outcome.change["removed"] == 14
    assert (client.dbsize(), bot.client.dbsize()) == (0, 14)
    assert bot.redis.calls("flushdb") == 1
    assert bot.run(**flush).status == "unchanged"
    assert bot.undo(outcome.change, **flush) == f"14 keys are back in {where}"
    assert contents(client) == before


def test_s2_7_a_replica_and_a_cluster_are_refused(tmp_path: pathlib.Path) -> None:
    """S2.7: with one sentence, and nothing is changed."""
    with redis_serving("--replicaof", "127.0.0.1", "1") as replica:
        outcome = Bot(replica, tmp_path).run()
        assert outcome.message == (
            f"Redis at {replica.socket} db 0 is a replica, where nothing is to be changed: name its primary"
        )
    with redis_serving("--cluster-enabled", "yes", "--cluster-port", str(free_port()), port=free_port()) as cluster:
        for db in (0, 1):
            outcome = Bot(cluster, tmp_path).run(db=db)
            assert outcome.message == (
                f"Redis at {cluster.socket} db {db} is a cluster, which is not purged: name a single server"
            )


RIGHTS = ("+scan", "+unlink", "+dump", "+pttl", "+restore")


@pytest.mark.parametrize("missing", [*RIGHTS, "~"])
def test_s2_7_a_user_who_may_not_is_told_so_before(bot: Bot, missing: str) -> None:
    """S2.7: each right is asked for before anything is removed; with all of them it goes."""
    bot.fill()
    keys = "~others:*" if missing == "~" else f"~{PREFIX}*"
    rights = [right for right in RIGHTS if right != missing]
    rule = ("ACL", "SETUSER", "purger", "reset", "on", f">{PASSWORD}", "-@all")
    bot.client.execute_command(*rule, keys, *rights)
    credentials = {"username": "purger", "password": PASSWORD}
    for outcome in (bot.check(credentials=credentials), bot.run(credentials=credentials)):
        assert outcome.status == "failed" and not outcome.applied
        command = "UNLINK" if missing == "~" else missing[1:].upper()
        assert f"user purger may not {command} there" in outcome.message
        assert PASSWORD not in repr(outcome)
    assert bot.client.dbsize() == 14
    assert not bot.trash.exists()
    bot.client.execute_command(*rule, f"~{PREFIX}*", *RIGHTS)
    done = bot.run(credentials=credentials)
    assert done.change is not None and done.change["removed"] == 7
    assert "7 keys are back" in bot.undo(done.change, credentials=credentials)


@pytest.mark.parametrize("asks", [True, False])
def test_s2_7_a_user_who_may_not_flush_changes_nothing(bot: Bot, asks: bool) -> None:
    """S2.7: told before by ACL DRYRUN where the user may ask it, else by the flush itself."""
    bot.fill()
    rights = [*RIGHTS, "+acl"] if asks else RIGHTS
    rule = ("ACL", "SETUSER", "purger", "reset", "on", f">{PASSWORD}", "-@all", "~*")
    bot.client.execute_command(*rule, *rights)
    flush: dict[str, Any] = {
        "flush": "flushdb",
        "flush_db": 0,
        "credentials": {"username": "purger", "password": PASSWORD},
    }
    outcome = bot.run(**flush)
    assert "user purger may not FLUSHDB there" in outcome.message
    assert outcome.applied is not asks
    assert bot.client.dbsize() == 14
    bot.client.execute_command(*rule, *rights, "+flushdb")
    done = bot.run(**flush)
    assert done.change is not None and done.change["removed"] == 14


def test_s2_7_credentials_are_nowhere(tmp_path: pathlib.Path) -> None:
    """S2.7: neither good nor bad ones are in an outcome, or in what is kept."""
    with redis_serving() as guarded:
        guarded.client().config_set("requirepass", PASSWORD)  # on its command line every process could read it
        theirs = Bot(guarded, tmp_path)
        wrong = theirs.run(credentials={"password": "CANARY-wrong"})
        assert f"Redis at {guarded.socket} db 0 does not accept the credentials (" in wrong.message
        none = theirs.run()
        assert "does not accept the credentials" in none.message
        theirs.fill(guarded.client(password=PASSWORD))
        right = theirs.run(credentials={"password": PASSWORD})
        assert right.status == "changed"
        said = theirs.undo(right.change, credentials={"password": PASSWORD})
        kept = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
        assert "CANARY" not in repr(wrong) + repr(none) + repr(right) + said + kept
    with redis_serving("--rename-command", "AUTH", "LOGIN") as odd:  # it repeats what it does not know
        outcome = Bot(odd, tmp_path).run(credentials={"password": PASSWORD})
        assert outcome.status == "failed" and "CANARY" not in repr(outcome)


def test_s2_7_over_tls_with_its_certificate(tmp_path: pathlib.Path) -> None:
    """S2.7: encrypted and checked; by a port, as across hosts."""
    certificate, key = certify(tmp_path)
    port = free_port()
    tls = ("--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key)
    with redis_serving(*tls, "--tls-ca-cert-file", certificate, "--tls-auth-clients", "no") as redis:
        bot = Bot(redis, tmp_path)
        bot.fill()
        over: dict[str, Any] = {"unix_socket_path": None, "port": port, "tls": True}
        refused = bot.run(**over)
        assert f"Redis at 127.0.0.1:{port} db 0 does not answer (" in refused.message
        assert "CERTIFICATE_VERIFY_FAILED" in refused.message
        done = bot.run(**over, ca_path=certificate)
        assert done.change is not None and done.change["removed"] == 7


def test_s2_7_a_redis_that_does_not_answer_is_a_sentence(bot: Bot, tmp_path: pathlib.Path) -> None:
    outcome = bot.run(unix_socket_path=str(tmp_path / "none.sock"))
    assert f"Redis at {tmp_path}/none.sock db 0 does not answer (" in outcome.message
    assert "see that it runs, and how it is reached" in outcome.message
    assert "refused" in bot.run(db=99).message


def test_s2_7_without_redis_py_nothing_is_asked(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """S2.7: the host lacks it; files can be purged all the same."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(OperationError) as caught:
        bot.operation()
    assert str(caught.value) == (
        f"purging Redis needs the Python package redis on this host: install it for {sys.executable} "
        "(python3-redis in most distributions)"
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"batch": 0}, "batch is 0: give more than 0"),
        ({"timeout": 0.0}, "timeout is 0: give more than 0"),
        ({"credentials": {"token": "CANARY"}}, "credentials have token: give username and password"),
        (
            {"unix_socket_path": "redis.sock"},
            "unix_socket_path of redis is 'redis.sock', which is not an absolute path",
        ),
    ],
)
def test_bad_options(bot: Bot, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OperationError) as caught:
        bot.operation(**options)
    assert sentence in str(caught.value)


def test_s2_7_a_full_redis_can_be_purged(bot: Bot) -> None:
    """S2.7: it refuses whatever takes memory, but a purge gives some back."""
    bot.fill()
    bot.client.config_set("maxmemory", "1")
    try:
        outcome = bot.run()
    finally:
        bot.client.config_set("maxmemory", "0")
    assert outcome.change is not None and outcome.change["removed"] == 7


def test_s2_7_a_trash_that_cannot_be_written_is_found_out_before(bot: Bot, tmp_path: pathlib.Path) -> None:
    bot.fill()
    bot.trash = tmp_path / "file" / "trash"
    (tmp_path / "file").write_text("")
    assert "is no directory that may be written" in bot.check().message
    assert "is no directory that may be written" in bot.run().message
    assert bot.client.dbsize() == 14


CALLS = ("mkdir", "rename", "fsync", "write", "unlink", "rmdir")


def run_until_killed(work: Callable[[], bool], call: int) -> bool:
    """Work in a process that is killed before its n-th write or question to Redis; False if it ended before."""
    pid = os.fork()
    if pid == 0:
        left = [call]

        def dying(function: Callable[..., Any]) -> Callable[..., Any]:
            def wrapper(*arguments: Any, **named: Any) -> Any:
                left[0] -= 1
                if left[0] <= 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments, **named)

            return wrapper

        for name in CALLS:
            setattr(os, name, dying(getattr(os, name)))
        for name in ("ask", "ask_all"):
            setattr(Server, name, dying(getattr(Server, name)))
        os._exit(0 if work() else 1)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("flush", [False, True], ids=["prefix", "flush"])
def test_s2_7_killed_anywhere_one_undo_brings_all_back(bot: Bot, tmp_path: pathlib.Path, flush: bool) -> None:
    """S2.7: no key is gone whose dump is not kept; the next run goes on with the same dump."""
    options: dict[str, Any] = {"batch": 2, **({"flush": "flushdb", "flush_db": 0} if flush else {})}
    call, killed = 0, True
    while killed:
        call += 1
        bot.trash = tmp_path / str(call)
        bot.client.flushdb()
        bot.fill()
        before = contents(bot.client)
        killed = run_until_killed(lambda: bot.run(**options).status == "changed", call)
        outcome = bot.run(**options)
        assert outcome.status in ("changed", "unchanged"), f"call {call}: {outcome.message}"
        assert contents(bot.client) == ({} if flush else of_others(before)), f"call {call}"
        (entry,) = bot.entries()
        assert not (entry / "unfinished").exists(), f"call {call}"
        change = outcome.change or {"trash": str(entry), "removed": 1}
        assert bot.run(**options).status == "unchanged", f"call {call}"
        bot.undo(change, **options)
        assert contents(bot.client) == before, f"call {call}"
    assert call > 20


def test_s2_7_undo_killed_anywhere_can_be_done_again(bot: Bot, tmp_path: pathlib.Path) -> None:
    """S2.7: what is back already is not taken for a key that somebody else has written."""
    call, killed = 0, True
    while killed:
        call += 1
        bot.trash = tmp_path / str(call)
        bot.client.flushdb()
        bot.fill()
        before = contents(bot.client)
        change = bot.run().change
        killed = run_until_killed(lambda change=change: bool(bot.undo(change, batch=2)), call)  # type: ignore[misc]  # untyped
        if bot.entries():
            assert "7 keys are back" in bot.undo(change, batch=2), f"call {call}"
        assert contents(bot.client) == before, f"call {call}"
    assert call > 6


def test_s2_7_a_redis_that_dies_half_way_is_said(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S2.7: how many are gone, and where their dump is."""
    with redis_serving() as redis:
        theirs = Bot(redis, tmp_path)
        theirs.client.mset({f"{PREFIX}{number}": number for number in range(50)})
        real = Server.ask
        asked: list[Any] = []

        def dying(server: Server, *command: Any) -> Any:
            asked.append(command[0])
            if asked.count("UNLINK") == 3:
                redis.process.kill()
                redis.process.wait()
            return real(server, *command)

        monkeypatch.setattr(Server, "ask", dying)
        outcome = theirs.run(batch=5)
    assert outcome.status == "failed" and outcome.applied
    (entry,) = theirs.entries()
    assert "does not answer (" in outcome.message
    assert f"keys had been removed before and their dump is in {entry}: mend that" in outcome.message


def certify(directory: pathlib.Path) -> tuple[str, str]:
    """The paths of a certificate of 127.0.0.1, and of its key."""
    from cryptography import x509  # noqa: PLC0415  # only one test needs it
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415  # only here
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  # only here

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "redis")])
    now = dt.datetime.now(dt.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = directory / "redis.crt", directory / "redis.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption()))
    return str(paths[0]), str(paths[1])

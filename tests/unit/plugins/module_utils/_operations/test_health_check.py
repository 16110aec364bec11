# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Health checks against real servers, files, commands and a real journal: S0.8, S1.5, S1.6, S2.11, S4.6."""

from __future__ import annotations

import http.server
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, Callable

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import (
    Context,
    OperationError,
    Outcome,
    carry_out,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.health_check import HealthCheck

SECRET = "CANARY-bearer-7f3a"
Response = tuple[int, dict[str, str], bytes]


class Server:
    """An HTTP server on loopback that answers as its ``answers`` say, and notes what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[], Response]] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.command, self.path, dict(self.headers)))
                answer = server.answers.get(self.path.partition("?")[0], lambda: (404, {}, b"no such page"))
                status, headers, body = answer()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815  # the name that http.server calls

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def json(self, path: str, value: Any, status: int = 200) -> None:
        self.answers[path] = lambda: (status, {}, json.dumps(value).encode())

    def text(self, path: str, text: str, status: int = 200, **headers: str) -> None:
        self.answers[path] = lambda: (status, headers, text.encode())


@pytest.fixture(name="server")
def _server() -> Iterator[Server]:
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@contextmanager
def speaking(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that says what ``talk`` sends to each connection; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                with connection:
                    try:
                        connection.recv(4096)
                        talk(connection)
                    except OSError:
                        pass

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def operation(*checks: dict[str, Any], check_mode: bool = False, **options: Any) -> HealthCheck:
    """The operation with options as Ansible validates them."""
    named = [{"name": f"check {number}", **check} for number, check in enumerate(checks, 1)]
    result = ArgumentSpecValidator(HealthCheck.OPTIONS).validate({"checks": named, **options})
    assert not result.error_messages, result.error_messages
    return HealthCheck(result.validated_parameters, Context(check_mode=check_mode))


def run(*checks: dict[str, Any], check_mode: bool = False, **options: Any) -> Outcome:
    return carry_out(operation(*checks, check_mode=check_mode, **options))


def results(outcome: Outcome) -> list[dict[str, Any]]:
    assert outcome.proof is not None
    found: list[dict[str, Any]] = outcome.proof["checks"]
    return found


def ess(server: Server) -> dict[str, Any]:
    return {
        "http": {
            "url": f"{server.url}/api/risk/ess/status",
            "query": "active == `false` || (active == `true` && reason == 'manual_deactivation')",
            "equals": True,
        }
    }


@pytest.mark.parametrize(
    ("status", "ok"),
    [
        ({"active": True, "reason": "manual_deactivation"}, True),
        ({"active": False}, True),
        ({"active": True, "reason": "capital_loss"}, False),
        ({"active": True}, False),
        ({"reason": "manual_deactivation"}, False),
        ({}, False),
        ([], False),
    ],
)
def test_s4_6_the_emergency_stop_system(server: Server, status: Any, ok: bool) -> None:
    """S4.6: active with reason manual_deactivation, or inactive; anything else fails with what was seen."""
    server.json("/api/risk/ess/status", status)
    outcome = run(ess(server))
    assert outcome.status == ("unchanged" if ok else "failed")
    assert results(outcome)[0]["ok"] is ok
    if not ok:
        assert "expected true" in outcome.message


def test_s1_6_and_s4_6_all_kinds_pass(server: Server, tmp_path: pathlib.Path) -> None:
    """S1.6, S4.6: status page, version, log, flag file, a script and a port, in one check."""
    server.json("/status", {"state": "idle", "version": "deploy-20260101-120000"})
    (tmp_path / "VERSION").write_text("deploy-20260101-120000\n")
    (tmp_path / "trading.log").write_text("12:00 started\n12:01 ORDER_SKIPPED go-live is off\n")
    outcome = run(
        {"http": {"url": f"{server.url}/status", "contains": "idle"}},
        {"version": {"url": f"{server.url}/status", "query": "version", "equals": "deploy-20260101-120000"}},
        {"version": {"file": str(tmp_path / "VERSION"), "equals": "deploy-20260101-120000"}},
        {"version": {"command": ["cat", "VERSION"], "chdir": str(tmp_path), "equals": "deploy-20260101-120000"}},
        {
            "log": {
                "path": str(tmp_path / "trading.log"),
                "lines": 20,
                "present": ["ORDER_SKIPPED"],
                "absent": ["ERROR"],
            }
        },
        {"file": {"path": str(tmp_path / "go_live.active"), "state": "absent"}},
        {"file": {"path": str(tmp_path / "VERSION")}},
        {"command": {"argv": ["true"]}},
        {"command": {"argv": ["sh", "-c", "exit 3"], "code": 3}},
        {"tcp": {"port": server.port}},
    )
    assert outcome.status == "unchanged", outcome.message
    assert [result["ok"] for result in results(outcome)] == [True] * 10
    assert {result["attempts"] for result in results(outcome)} == {1}
    assert results(outcome)[1]["observed"] == "deploy-20260101-120000"


def test_s2_11_every_failure_is_named_in_one_message(server: Server) -> None:
    """S2.11: data flow, analysis, latency and error rate are each asked, and all that fail are named."""
    server.json("/metrics", {"ticks": 0, "accuracy": 0.41, "latency_ms": 730, "throughput": 90, "error_rate": 0.002})
    bounds: dict[str, dict[str, Any]] = {
        "data flow": {"query": "ticks", "above": 0},
        "analysis": {"query": "accuracy", "min": 0.5, "max": 1},
        "latency": {"query": "latency_ms", "max": 500},
        "throughput": {"query": "throughput", "min": 50},
        "error rate": {"query": "error_rate", "below": 0.05},
    }
    outcome = run(
        *({"name": name, "http": {"url": f"{server.url}/metrics", **bound}} for name, bound in bounds.items())
    )
    assert outcome.status == "failed"
    assert outcome.message.startswith("3 of 5 checks failed, mend the bot or the check: data flow: ticks is 0 at ")
    assert "expected > 0" in outcome.message
    assert "analysis: accuracy is 0.41" in outcome.message
    assert "latency: latency_ms is 730" in outcome.message
    assert [result["ok"] for result in results(outcome)] == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("value", "bound", "ok"),
    [
        (1, {"equals": True}, False),
        (True, {"equals": 1}, False),
        (True, {"equals": "True"}, True),
        (False, {"equals": False}, True),
        (0, {"equals": 0}, True),
        (5, {"equals": "5"}, True),
        ("5", {"equals": 5}, False),
        ("True", {"equals": True}, False),
        (None, {"equals": "null"}, False),
        ("b", {"any_of": ["a", "b"]}, True),
        ("c", {"any_of": ["a", "b"]}, False),
        (True, {"min": 0}, False),
        ("9", {"min": 0}, False),
        (float("nan"), {"min": 0}, False),
        (0.8, {"min": 0.8, "max": 0.8}, True),
        (0.8, {"above": 0.8}, False),
        (0.8, {"below": 0.8}, False),
        (True, {}, True),
        ("yes", {}, False),
        ({"a": [1]}, {"equals": {"a": [1]}}, True),
    ],
)
def test_values_are_compared_as_json(server: Server, value: Any, bound: dict[str, Any], ok: bool) -> None:
    """S4.6: true is not 1, a bound takes numbers only, and a templated string stands for what it spells."""
    server.json("/v", {"value": value})
    outcome = run({"http": {"url": f"{server.url}/v", "query": "value", **bound}})
    assert results(outcome)[0]["ok"] is ok, results(outcome)


def _hang(connection: socket.socket) -> None:
    connection.recv(1)


def _drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _number in range(200):
        connection.sendall(b".")
        time.sleep(0.05)


def _drip_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for _number in range(200):
        connection.sendall(b".")
        time.sleep(0.05)


def _garbage(connection: socket.socket) -> None:
    connection.sendall(b"\x00\x01 this is no HTTP\r\n\r\n")


def _short(connection: socket.socket) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"active": false}')


def _nothing(connection: socket.socket) -> None:
    pass


@pytest.mark.parametrize(
    ("talk", "message"),
    [
        (_hang, "gave no whole answer within 0.3 s"),
        (_drip, "gave no whole answer within 0.3 s"),
        (_drip_body, "gave no whole answer within 0.3 s"),
        (_garbage, "gave no valid HTTP answer"),
        (_short, "closed the connection before its answer was whole"),
        (_nothing, "closed the connection without an answer"),
    ],
)
def test_s4_6_a_server_that_misbehaves_fails_in_time(talk: Callable[[socket.socket], None], message: str) -> None:
    """S4.6: hanging, dripping, garbage, half an answer and none: each a named failure within the time limit."""
    with speaking(talk) as url:
        started = time.monotonic()
        outcome = run({"name": "status", "http": {"url": url, "timeout": 0.3}})
        assert time.monotonic() - started < 20
    assert outcome.status == "failed"
    assert f"status: {url} {message}" in outcome.message


def test_s4_6_wrong_answers_show_what_was_seen(server: Server) -> None:
    """S4.6: status 500, an empty body, a body that is no JSON: named, with what was seen, on one short line."""
    server.text("/500", "Traceback:\n  boom\n" + "x" * 5000, status=500)
    server.text("/empty", "")
    server.text("/html", "<html>login</html>")
    server.text("/big", "[" + "1," * 700_000 + "1]")
    outcome = run(
        {"http": {"url": f"{server.url}/500"}},
        {"http": {"url": f"{server.url}/empty", "query": "active"}},
        {"http": {"url": f"{server.url}/html", "query": "active"}},
        {"http": {"url": f"{server.url}/big", "query": "[0]"}},
        {"http": {"url": f"{server.url}/html", "contains": "trading"}},
        {"http": {"url": f"{server.url}/none"}},
    )
    seen = [result["observed"] for result in results(outcome)]
    assert "/500 answered 500, expected 200: Traceback: boom xxx" in seen[0]
    assert len(seen[0]) < 300
    assert "/empty is no JSON: it is empty" in seen[1]
    assert "is no JSON: <html>login</html>" in seen[2]
    assert "is longer than 1 MiB" in seen[3]
    assert "does not contain 'trading': <html>login" in seen[4]
    assert "answered 404" in seen[5]
    assert "\n" not in outcome.message


def test_a_status_that_is_expected_passes(server: Server) -> None:
    """S0.8: 503 can be the answer of a bot that is meant to be down; HEAD asks without a body."""
    server.text("/health", "down", status=503)
    url = f"{server.url}/health"
    assert run({"http": {"url": url, "status": [200, 503], "method": "HEAD"}}).status == "unchanged"
    assert server.asked[0][0] == "HEAD"


def test_redirects_stay_on_the_host(server: Server) -> None:
    """S1.6: a redirect is followed on the same host and port; to another it is a failure that names it."""
    other = Server()
    other.json("/status", {"ok": True})
    server.json("/status", {"ok": True})
    server.text("/near", "", status=302, Location="/status")
    server.text("/far", "", status=302, Location=f"{other.url}/status")
    server.text("/loop", "", status=302, Location="/loop")
    outcome = run(
        {"http": {"url": f"{server.url}/near", "query": "ok"}},
        {"http": {"url": f"{server.url}/far", "query": "ok", "headers": {"Authorization": SECRET}}},
        {"http": {"url": f"{server.url}/loop"}},
        {"http": {"url": f"{server.url}/far", "status": [302]}},
    )
    assert [result["ok"] for result in results(outcome)] == [True, False, False, True]
    assert f"redirects to {other.url}, which is not followed" in outcome.message
    assert "redirects more than 5 times" in outcome.message
    assert other.asked == []
    other.http.shutdown()
    other.http.server_close()


def test_headers_are_sent_and_never_shown(server: Server) -> None:
    """S4.6: secret headers are in no result, not even when the server sends them back."""
    server.answers["/echo"] = lambda: (500, {}, f"you sent {server.asked[-1][2]['Authorization']}".encode())
    url = f"{server.url}/echo?token={SECRET}"
    outcome = run({"http": {"url": url, "headers": {"Authorization": f"Bearer {SECRET}"}}})
    assert server.asked[0][2]["Authorization"] == f"Bearer {SECRET}"
    assert outcome.status == "failed"
    assert "you sent ********" in outcome.message
    assert SECRET not in json.dumps([outcome.message, outcome.proof])
    bad = run({"http": {"url": f"{server.url}/echo", "headers": {"Authorization": f"{SECRET}\n"}}})
    assert bad.status == "failed"
    assert SECRET not in bad.message


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{SECRET}@127.0.0.1/",
        "ftp://127.0.0.1/",
        "http:///status",
        "127.0.0.1:9000/status",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\r\nX: y",
        "http://a..b/",
    ],
)
def test_an_impossible_url_is_refused_before_anything_is_asked(url: str) -> None:
    """S4.6: credentials in a URL, which logs would show, and what is no URL."""
    with pytest.raises(OperationError, match="check 'check 1': url ") as error:
        operation({"http": {"url": url}})
    assert SECRET not in str(error.value)


def test_proxies_of_the_environment_are_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1.6: http://localhost:9000/status is asked itself, whatever proxy the host has."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    server.json("/status", {})
    assert run({"http": {"url": f"{server.url}/status"}}).status == "unchanged"


def test_nobody_listens() -> None:
    """S1.6: a refused connection is named for http, version and tcp."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/status"
    outcome = run({"http": {"url": url}}, {"version": {"url": url, "equals": "1"}}, {"tcp": {"port": port}})
    assert outcome.message.count("Connection refused") == 3


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_certificates_are_verified(tmp_path: pathlib.Path) -> None:
    """S4.6: an unknown certificate fails, with its authority or without verification it passes."""
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *subject]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    server = Server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    server.json("/", {})
    url = f"https://127.0.0.1:{server.port}/"
    outcome = run(
        {"http": {"url": url}},
        {"http": {"url": url, "validate_certs": False}},
        {"http": {"url": url, "ca_path": certificate}},
        {"http": {"url": url, "ca_path": str(tmp_path / "none.pem")}},
    )
    server.http.shutdown()
    server.http.server_close()
    assert [result["ok"] for result in results(outcome)] == [False, True, True, False]
    assert "cannot be trusted" in results(outcome)[0]["observed"]
    assert "correct ca_path" in results(outcome)[3]["observed"]


def test_without_jmespath_only_checks_with_a_query_fail(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """S4.6: one sentence, the others run, and no attempt is repeated."""
    monkeypatch.setitem(sys.modules, "jmespath", None)
    server.json("/status", {"ok": True})
    url = f"{server.url}/status"
    outcome = run({"http": {"url": url, "query": "ok"}}, {"http": {"url": url}}, deadline=20)
    assert [result["ok"] for result in results(outcome)] == [False, True]
    assert "install it there" in outcome.message
    assert results(outcome)[0]["attempts"] == 1


def test_s1_5_failing_checks_are_tried_again_until_the_deadline(server: Server) -> None:
    """S1.5: a bot needs a moment to start; what passed once is not asked again."""
    ready = time.monotonic() + 0.3
    server.answers["/late"] = lambda: (200 if time.monotonic() > ready else 503, {}, b"")
    server.json("/soon", {})
    outcome = run(
        {"http": {"url": f"{server.url}/late"}}, {"http": {"url": f"{server.url}/soon"}}, deadline=10, interval=0.1
    )
    assert outcome.status == "unchanged", outcome.message
    late, soon = results(outcome)
    assert late["attempts"] > 1
    assert soon["attempts"] == 1


def test_the_deadline_ends_the_attempts() -> None:
    """S1.5: it is kept, and so is the time limit of the step, which is shorter."""
    check = {"name": "port", "tcp": {"port": free_port()}}
    started = time.monotonic()
    assert run(check, deadline=0.4, interval=0.1).status == "failed"
    assert 0.4 <= time.monotonic() - started < 10
    operation_ = operation(check, deadline=60, interval=0.1)
    limited = HealthCheck(operation_.options, Context(deadline=time.monotonic() + 0.3))
    started = time.monotonic()
    assert carry_out(limited).status == "failed"
    assert time.monotonic() - started < 10


def test_checks_run_at_the_same_time() -> None:
    """S1.5: six that hang take the time of one."""
    with speaking(_hang) as url:
        started = time.monotonic()
        outcome = run(*({"http": {"url": url, "timeout": 3}} for _number in range(6)))
        assert time.monotonic() - started < 15
    assert outcome.message.startswith("6 of 6 checks failed")


def test_s1_5_a_command_that_fails_or_hangs(tmp_path: pathlib.Path) -> None:
    """S1.5: health_check.sh; its code and last line are shown, a hanging one is killed."""
    script = tmp_path / "health_check.sh"
    script.write_text("#!/bin/sh\necho first\necho the feed is stale\nexit 1\n")
    script.chmod(0o755)
    outcome = run(
        {"name": "script", "command": {"argv": [str(script)]}},
        {"name": "hanging", "command": {"argv": ["sleep", "30"], "timeout": 0.2}},
        {"name": "missing", "command": {"argv": [str(tmp_path / "none")]}},
        {"name": "nobody", "command": {"argv": ["true"], "user": "no-such-user"}},
    )
    assert outcome.message.startswith(
        "4 of 4 checks failed, mend the bot or the check: "
        f"script: {script} ended with code 1, expected 0: the feed is stale"
    )
    assert "hanging: sleep 30 did not end within 0.2 s and was killed" in outcome.message
    assert "missing: " in outcome.message
    assert "no-such-user" in outcome.message


def test_check_mode_runs_no_command(server: Server, tmp_path: pathlib.Path) -> None:
    """S1.5: a command may change something, so check mode leaves it out and says so; what only reads is done."""
    touched = str(tmp_path / "touched")
    server.json("/status", {})
    outcome = run(
        {"command": {"argv": ["touch", touched]}},
        {"version": {"command": ["touch", touched], "equals": "1"}},
        {"http": {"url": f"{server.url}/status"}},
        check_mode=True,
    )
    assert outcome.status == "unchanged"
    assert [result["ok"] for result in results(outcome)] == [None, None, True]
    assert "not run in check mode" in results(outcome)[0]["observed"]
    assert not os.path.exists(touched)


def test_s1_6_a_wrong_version_is_shown(server: Server, tmp_path: pathlib.Path) -> None:
    """S1.6: what runs and what was expected; a version that cannot be read is no version."""
    server.text("/version", "v1.0.0\n")
    server.json("/number", 3)
    outcome = run(
        {"version": {"url": f"{server.url}/version", "equals": "v0.9.9-stable"}},
        {"version": {"url": f"{server.url}/version", "equals": "v1.0.0"}},
        {"version": {"url": f"{server.url}/number", "query": "@", "equals": "3"}},
        {"version": {"url": f"{server.url}/none", "equals": "v1"}},
        {"version": {"file": str(tmp_path / "VERSION"), "equals": "v1"}},
        {"version": {"command": ["false"], "equals": "v1"}},
    )
    assert [result["ok"] for result in results(outcome)] == [False, True, True, False, False, False]
    assert "version is v1.0.0, expected v0.9.9-stable" in outcome.message
    assert "VERSION is not there" in outcome.message


def test_s4_6_a_flag_that_is_still_there(tmp_path: pathlib.Path) -> None:
    """S4.6: the flag file present is a failure, even as a symlink to nothing."""
    flag = tmp_path / "go_live.active"
    flag.symlink_to("nothing")
    outcome = run(
        {"file": {"path": str(flag), "state": "absent"}},
        {"file": {"path": str(tmp_path / "no" / "flag"), "state": "absent"}},
        {"file": {"path": str(tmp_path / "no" / "flag")}},
    )
    assert [result["ok"] for result in results(outcome)] == [False, True, False]
    assert f"{flag} is present, expected absent" in outcome.message
    assert results(outcome)[1]["observed"] == "absent, as is its directory"


def test_s4_6_only_the_last_lines_count(tmp_path: pathlib.Path) -> None:
    """S4.6, S1.6: ORDER_SKIPPED in the last 50 lines, no ERROR in the last 20, in a log of many MiB."""
    log = tmp_path / "backend.log"
    old = "2026-01-01 ERROR boom " + "x" * 200 + "\n"
    log.write_text(old * 20_000 + "tick\n" * 49 + "ORDER_SKIPPED\n")
    look: dict[str, Any] = {"path": str(log), "present": ["^ORDER_SKIPPED"], "absent": ["ERROR"]}
    assert run({"log": {**look, "lines": 50}}).status == "unchanged"
    assert run({"log": look}).status == "unchanged"
    more = run({"log": {**look, "lines": 51}})
    assert "has 1 lines with 'ERROR', the last: 2026-01-01 ERROR boom" in more.message
    fewer = run({"log": {"path": str(log), "present": ["tick"], "lines": 1}})
    assert "no line with 'tick' among 1 looked at, the last: ORDER_SKIPPED" in fewer.message


def _stamp(moment: datetime, form: str) -> str:
    return moment.strftime(form)


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%dT%H:%M:%SZ INFO",
        "[%Y-%m-%d %H:%M:%S.%f+00:00] INFO",
        '{"time": "%Y-%m-%dT%H:%M:%S.%f+0000", "level": "INFO"}',
        "INFO %Y-%m-%d %H:%M:%S,123Z",
    ],
)
def test_s0_8_lines_since_a_time(tmp_path: pathlib.Path, form: str) -> None:
    """S0.8: the last five minutes of a log; lines without a time belong to the one before."""
    now = datetime.now(timezone.utc)
    old, new = now - timedelta(minutes=10), now - timedelta(minutes=1)
    log = tmp_path / "bot.log"
    log.write_text(f"{_stamp(old, form)} ERROR old\n  caused by old\n{_stamp(new, form)} started\n  caused by new\n")
    look = {"path": str(log), "since": "300", "absent": ["ERROR", "by old"], "present": ["started", "by new"]}
    assert run({"log": look}).status == "unchanged"
    since = (now - timedelta(minutes=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert "'ERROR'" in run({"log": {**look, "since": since}}).message
    assert run({"log": {**look, "since": since, "lines": 2}}).status == "unchanged"


def test_s0_8_since_looks_back_as_far_as_needed(tmp_path: pathlib.Path) -> None:
    """S0.8: more lines since then than the first block of the file holds."""
    now = datetime.now(timezone.utc)
    log = tmp_path / "bot.log"
    with log.open("w") as handle:
        handle.write(f"{now - timedelta(minutes=9):%Y-%m-%dT%H:%M:%SZ} before\n")
        handle.write(f"{now - timedelta(minutes=4):%Y-%m-%dT%H:%M:%SZ} started\n")
        handle.write(f"{now - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ} {'tick' * 30}\n" * 20_000)
    assert (
        run({"log": {"path": str(log), "since": "300", "present": ["started"], "absent": ["before"]}}).status
        == "unchanged"
    )


def test_s0_8_local_time_is_meant_without_a_zone(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S0.8: programs log local time."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        log = tmp_path / "bot.log"
        log.write_text(f"{datetime.now():%Y-%m-%d %H:%M:%S},000 started\n")  # noqa: DTZ005  # as logs have it
        assert run({"log": {"path": str(log), "since": "60", "present": ["started"]}}).status == "unchanged"
        log.write_text(f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S},000 started\n")
        assert run({"log": {"path": str(log), "since": "60", "present": ["started"]}}).status == "failed"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_log_that_says_nothing_proves_nothing(tmp_path: pathlib.Path) -> None:
    """S0.8: missing, unreadable as times, a directory, a link that leads away: failures, also for absent."""
    (tmp_path / "no-times.log").write_text("started\n")
    (tmp_path / "current.log").symlink_to("no-times.log")
    (tmp_path / "away.log").symlink_to("/etc/passwd")
    outcome = run(
        {"log": {"path": str(tmp_path / "none.log"), "absent": ["ERROR"]}},
        {"log": {"path": str(tmp_path / "no-times.log"), "absent": ["ERROR"], "since": "60"}},
        {"log": {"path": str(tmp_path), "absent": ["ERROR"]}},
        {"log": {"path": str(tmp_path / "away.log"), "present": ["root"]}},
        {"log": {"path": str(tmp_path / "current.log"), "present": ["started"]}},
    )
    assert [result["ok"] for result in results(outcome)] == [False, False, False, False, True]
    assert "none.log is not there" in outcome.message
    assert "no line with a time like" in outcome.message
    assert "root:" not in outcome.message


JOURNALD = "/lib/systemd/systemd-journald"
JOURNAL = """
mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/log/journal && mkdir -p /run/systemd/journal /run/log/journal
/lib/systemd/systemd-journald >/dev/null 2>&1 &
trap 'kill $!' EXIT
"$@"
"""
ASK_JOURNAL = """
import json, socket, sys, time
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, carry_out
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.health_check import HealthCheck
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
end = time.monotonic() + 10
while time.monotonic() < end:
    try:
        journal.connect("/run/systemd/journal/socket")
        break
    except OSError:
        time.sleep(0.02)
for message in ("ERROR old", "started", "maker ratio 0.9"):
    journal.send(f"MESSAGE={message}\\nOBJECT_SYSTEMD_UNIT=mm-bot.service\\n".encode())
options = json.load(sys.stdin)
outcome = carry_out(HealthCheck(options, Context()))
print(json.dumps([outcome.status, outcome.message, outcome.proof]))
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or not os.path.exists(JOURNALD) or not os.path.isdir("/var/log/journal"),
    reason="only root can start a journal of its own, with journald of the host",
)
def test_s0_8_the_journal_of_a_unit() -> None:
    """S0.8: lines of a unit in a real journal, by number and since a time; an unknown unit proves nothing."""
    checks: list[dict[str, Any]] = [
        {"log": {"unit": "mm-bot", "present": ["maker ratio"], "absent": ["ERROR"], "lines": 2}},
        {"log": {"unit": "mm-bot", "present": ["started"], "since": "300"}},
        {"log": {"unit": "mm-bot", "absent": ["ERROR"], "since": "300"}},
        {"log": {"unit": "mm-bot", "absent": ["ERROR"], "since": "2999-01-01T00:00:00Z"}},
        {"log": {"unit": "mm-bto", "absent": ["ERROR"]}},
    ]
    options = operation(*checks, deadline=1, interval=0.1).options
    path = os.pathsep.join(filter(os.path.isdir, sys.path))
    finished = subprocess.run(
        ["unshare", "--mount", "--propagation=private", "sh", "-c", JOURNAL, "sh", sys.executable, "-c", ASK_JOURNAL],
        input=json.dumps(options),
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "unshare failed" in finished.stderr or "permission denied" in finished.stderr:
        pytest.skip("this container may not make a mount namespace")
    status, message, proof = json.loads(finished.stdout)
    assert status == "failed"
    assert [check["ok"] for check in proof["checks"]] == [True, True, False, True, False], message
    assert "the journal has never heard of unit mm-bto" in message


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({"log": {"path": "/var/log/x", "present": ["("]}}, "no regular expression"),
        ({"log": {"path": "/var/log/x"}}, "neither present nor absent"),
        ({"log": {"path": "/var/log/x", "present": ["x"], "since": "yesterday"}}, "since is 'yesterday'"),
        ({"log": {"path": "/var/log/x", "present": ["x"], "since": "2026-01-31T12:00:00"}}, "with its zone"),
        ({"log": {"path": "/var/log/x", "present": ["x"], "since": "2026-13-31T12:00:00Z"}}, "with its zone"),
        ({"log": {"path": "/var/log/x", "present": ["x"], "lines": 0}}, "lines is 0"),
        ({"log": {"path": "logs/x", "present": ["x"]}}, "not an absolute path"),
        ({"file": {"path": "go_live.active"}}, "not an absolute path"),
        ({"http": {"url": "http://127.0.0.1/", "query": "a ="}}, "no JMESPath expression"),
    ],
)
def test_a_check_that_can_never_work_is_refused(check: dict[str, Any], message: str) -> None:
    """S2.11: found before anything is asked, and by its name."""
    with pytest.raises(OperationError, match="check 'check 1': ") as error:
        operation(check)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({"http": {"url": "http://127.0.0.1/", "sattus": [200]}}, "checks.http.sattus"),
        ({"htpp": {"url": "http://127.0.0.1/"}}, "checks.htpp"),
        ({}, "one of the following is required"),
        ({"tcp": {"port": 1}, "file": {"path": "/x"}}, "mutually exclusive"),
        ({"version": {"equals": "1"}}, "one of the following is required"),
        ({"version": {"equals": "1", "file": "/x", "url": "http://a/"}}, "mutually exclusive"),
        ({"http": {"url": "http://127.0.0.1/", "equals": 1}}, "required by 'equals'"),
        ({"log": {"path": "/x", "unit": "x", "present": ["x"]}}, "mutually exclusive"),
        ({"command": {}}, "missing required arguments: argv"),
    ],
)
def test_a_mistyped_check_is_rejected_by_the_argument_spec(check: dict[str, Any], message: str) -> None:
    """S2.11: as Ansible itself rejects it."""
    result = ArgumentSpecValidator(HealthCheck.OPTIONS).validate({"checks": [{"name": "a", **check}]})
    assert message in " ".join(result.error_messages)


def test_checks_have_names_of_their_own() -> None:
    """S2.11: a failure can be named only if its name is one check's."""
    check = {"name": "same", "tcp": {"port": 1}}
    with pytest.raises(OperationError, match="two checks are named 'same'"):
        operation(check, check)
    with pytest.raises(OperationError, match="would prove nothing"):
        operation()

"""One request over HTTP, against a real server."""

from __future__ import annotations

import contextlib
import json
import socket
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from support.answering_server import Server, reply, silent

from rollback_drills.clients.gateway import GatewayClient
from rollback_drills.core.meter import Meter
from rollback_drills.target.target import Target


def test_an_answer_has_status_and_json(make: Any, server: Server):
    server.reply = reply(503, '{"detail": "integration disabled"}')
    answer = make().request("POST", "/x?y=1", json_body={"a": [1]}, headers={"X-Y": "z"})
    assert (answer.status, answer.body, answer.error) == (503, {"detail": "integration disabled"}, "")
    method, path, headers, body = server.seen[0]
    assert (method, path, headers["X-Y"], json.loads(body)) == ("POST", "/x?y=1", "z", {"a": [1]})
    assert "authorization" not in {name.lower() for name in headers}


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"{broken", "application/json", "{broken"),
        (b"[" * 100_000, "application/json", "[" * 2_000),
        (b"\xff\xfd", "application/json", "\ufffd\ufffd"),
        (b"plain", "text/plain", "plain"),
        (b"\xe9", "text/plain; charset=latin-1", "é"),
        (b"x", "text/plain; charset=no-such", "x"),
        (b'{"a": 1}', "application/problem+json", {"a": 1}),
        (b"", "application/json", ""),
        (b"null", "application/json", None),
    ],
    ids=range(9),
)
def test_whatever_the_body_is_it_is_an_answer(make: Any, server: Server, body: bytes, kind: str, expected: object):
    server.reply = reply(500, body, kind)
    assert make().request("GET", "/").body == expected


def test_a_redirect_is_an_answer_and_not_followed(make: Any, server: Server):
    server.reply = reply(302, Location="http://127.0.0.1:1/elsewhere")
    assert make().request("GET", "/").status == 302
    assert len(server.seen) == 1


def test_long_texts_are_kept_whole_for_reading_and_cut_for_the_evidence(make: Any, server: Server):
    server.reply = reply(200, "x" * 100_000, "text/plain")
    answer = make().request("GET", "/")
    assert len(answer.body) == 100_000
    assert len(answer.brief()["body"]) == 2_000


def test_nothing_listening_is_an_answer(reference_target: Target):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and never listening: every connection is refused
        client = GatewayClient(reference_target, lambda: f"http://127.0.0.1:{taken.getsockname()[1]}", Meter())
        answer = client.request("GET", "/health")
        assert answer.status is None
        assert "ConnectError" in answer.error
        assert answer.brief() == {"error": answer.error}
        assert not client.healthy()
        assert "ConnectError" in client.version()["error"]
        client.close()


@pytest.mark.parametrize("path", ["/a\nb", "/\x00", "/ü", "/a b", "/%zz", "//x", "/\U0001f600"])
def test_strange_paths_raise_nothing(make: Any, path: str):
    make().request("GET", path)


@pytest.mark.parametrize("value", ["a\nb", "ü", "\x00", " x "])
def test_strange_headers_raise_nothing(make: Any, value: str):
    make().request("GET", "/", headers={"X-Y": value})


@pytest.mark.parametrize("garbage", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort"])
def test_a_broken_answer_is_an_answer(make: Any, server: Server, garbage: bytes):
    def broken(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(garbage)
        handler.close_connection = True

    server.reply = broken
    answer = make().request("GET", "/")
    assert answer.status is None
    assert answer.error


def test_a_server_that_never_answers_is_given_up(make: Any, server: Server):
    server.reply = silent
    answer = make(timeout=0.1).request("GET", "/")
    assert "Timeout" in answer.error
    assert answer.seconds < 5


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b""])
def test_a_server_that_answers_byte_by_byte_is_given_up(make: Any, server: Server, head: bytes):
    """In the body, in a header, and in the status line."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        with contextlib.suppress(OSError):
            handler.wfile.write(head)
            while not server.released.wait(0.02):
                handler.wfile.write(b"x")
                handler.wfile.flush()

    server.reply = drip
    answer = make(timeout=0.2).request("GET", "/")
    assert answer.status is None
    assert answer.error == "ReadTimeout: the answer was not complete within 0.2 s"
    assert answer.seconds < 5


def test_a_body_without_an_end_is_given_up(make: Any, server: Server):
    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            while not server.released.is_set():
                handler.wfile.write(b"x" * 1_000_000)

    server.reply = flood
    answer = make(timeout=20).request("GET", "/")
    assert (answer.status, answer.error) == (None, "ReadError: the body is longer than 16000000 bytes")


def test_proxies_and_credentials_of_the_caller_are_ignored(
    make: Any, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login u password p\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    assert make().request("GET", "/").status == 200
    assert "Authorization" not in server.seen[0][2]


def test_a_request_is_the_targets_time(reference_target: Target, server: Server):
    meter = Meter()
    client = GatewayClient(reference_target, lambda: server.url, meter)
    answer = client.request("GET", "/")
    client.close()
    assert 0 < meter.target_seconds <= meter.elapsed()
    assert answer.seconds <= meter.elapsed()

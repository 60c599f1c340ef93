"""What a client sees, against a real HTTP server that answers as it is told."""

from __future__ import annotations

import contextlib
import json
import math
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.answering_server import Reply, Server, reply, serving

from rollback_drills.clients.answers import Answer, contains, matches, pointer
from rollback_drills.clients.http import (
    GatewayClient,
    RequestCounters,
)
from rollback_drills.core.errors import StackError
from rollback_drills.core.meter import Meter
from rollback_drills.target.client_tables import Behaviour, Probe, Routes, Version, WriteProbe
from rollback_drills.target.target import Target


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def make(reference_target: Target, server: Server) -> Iterator[Callable[..., GatewayClient]]:
    with contextlib.ExitStack() as stack:

        def make(**changes: Any) -> GatewayClient:
            gateway = reference_target.gateway.model_copy(update={"request_timeout": changes.pop("timeout", 5.0)})
            target = reference_target.model_copy(update={"gateway": gateway, **changes})
            client = GatewayClient(target, lambda: server.url, Meter())
            stack.callback(client.close)
            return client

        yield make


# --- answers -------------------------------------------------------------------------------------------


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
        (b"\xff\xfe", "application/json", "\ufffd\ufffd"),
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
    server.reply = lambda handler: server.released.wait(30) and None
    answer = make(timeout=0.1).request("GET", "/")
    assert "Timeout" in answer.error
    assert answer.seconds < 5


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b""])
def test_a_server_that_answers_byte_by_byte_is_given_up(make: Any, server: Server, head: bytes):
    """Be it in the body, in a header, or in the very first line."""

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


# --- probes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"header": "x-release"}, "gateway/0.5.0 (linux)"),
        ({"header": "X-Release", "pattern": r"\d+\.\d+\.\d+"}, "0.5.0"),
        ({"header": "X-Release", "pattern": r"gateway/(\S+)"}, "0.5.0"),
        ({"header": "X-Release", "pattern": "proxy/(.*)"}, None),
        ({"header": "X-Other"}, None),
        ({"pointer": "/build/number", "pattern": "^4"}, "4"),
        ({"pattern": '"number": (\\d+)'}, "42"),
    ],
)
def test_a_version_may_stand_in_a_header_or_within_a_text(
    make: Any, server: Server, asked: dict[str, str], said: object
):
    server.reply = reply(200, '{"build": {"number": 42}}', **{"X-Release": "gateway/0.5.0 (linux)"})
    assert make(version=Version(path="/v", **asked)).version() == said


def test_health_version_and_behaviour(make: Any, server: Server):
    server.reply = reply(200, '{"status": "ok", "more": 1, "v": {"a/b": ["0.5.0"]}}')
    client = make(
        version=Version(path="/v", pointer="/v/a~1b/0"),
        behaviours=(
            Behaviour(path="/one", release="0.4.0", body={"status": "ok"}),
            Behaviour(path="/two", release="0.4.0", status=404),
            Behaviour(path="/three", release="0.5.0"),
        ),
    )
    assert client.healthy()
    assert client.version() == "0.5.0"
    behaviour = client.behaviour("0.4.0")
    absent = [
        f"a delivery to {name}" for name in ("heroku", "codecov", "sonarqube", "newrelic", "prometheus", "cloudwatch")
    ]
    assert list(behaviour) == ["GET /one", "GET /two", *absent]
    assert all(observed["status"] == 200 for _, observed in (behaviour[each] for each in absent))
    expected, observed = behaviour["GET /one"]
    assert expected == observed
    expected, observed = behaviour["GET /two"]
    assert (expected["status"], observed["status"]) == (404, 200)
    server.reply = reply(500, '{"status": "ok"}')
    assert not client.healthy()
    assert client.version() == {"status": 500, "body": {"status": "ok"}}


def test_what_a_release_does_not_have_yet_is_not_delivered(make: Any, server: Server):
    server.reply = reply(404, '{"detail": "unknown integration"}')
    client = make(behaviours=())
    assert client.behaviour("0.5.0") == {}
    assert all(expected == observed for expected, observed in client.behaviour("0.4.0").values())
    assert [each.acknowledged for each in client.delivered] == [False] * 6


OPENAPI = '{"paths": {"/health": {}, "/version": {}, "/webhooks/{name}": {}}}'


@pytest.mark.parametrize(
    ("wanted", "pointed_at", "answer", "expected", "observed"),
    [
        (3, "/paths", reply(200, OPENAPI), 3, 3),
        (4, "/paths", reply(200, OPENAPI), 4, 3),
        (("/version", "/health", "/webhooks/{name}"), "/paths", reply(200, OPENAPI),
         ["/health", "/version", "/webhooks/{name}"], ["/health", "/version", "/webhooks/{name}"]),
        (("/health", "/version"), "/paths", reply(200, OPENAPI), ["/health", "/version"],
         ["/health", "/version", "/webhooks/{name}"]),
        (("a", "1"), "", reply(200, '["a", 1]'), ["1", "a"], ["1", "a"]),
        (0, "/paths", reply(200, '{"paths": []}'), 0, 0),
        (3, "/elsewhere", reply(200, OPENAPI), 3, {"status": 200, "there": "neither a list nor an object"}),
        (3, "/paths", reply(500, OPENAPI), 3, {"status": 500, "there": "neither a list nor an object"}),
        (3, "", reply(200, "no json", "text/plain"), 3, {"status": 200, "there": "neither a list nor an object"}),
    ],
    ids=range(9),
)  # fmt: skip
def test_a_release_is_told_by_its_routes(
    make: Any, server: Server, wanted: Any, pointed_at: str, answer: Reply, expected: object, observed: object
):
    server.reply = answer
    routes = Routes(path="/openapi.json", pointer=pointed_at, releases={"0.5.0": wanted})
    client = make(behaviours=(), version=Version(path="/version", routes=routes))
    assert client.behaviour("0.5.0") == {f"GET /openapi.json at {pointed_at or '/'}": (expected, observed)}
    assert not any("openapi" in each for each in client.behaviour("0.4.0"))


def test_the_write_probe_has_an_id_of_its_own(make: Any, server: Server):
    server.reply = reply(201, '{"stored": true, "more": 1}')
    probe = WriteProbe.model_validate(
        {"path": "/probe/{unique}", "json": {"id": "{unique}"}, "headers": {"X-Id": "{unique}"}, "status": 201,
         "body": {"stored": True}}
    )  # fmt: skip
    client = make(write_probe=probe)
    answers = [client.write_probe() for _ in range(2)]
    assert all(matches(probe, answer) for answer in answers)
    method, path, headers, body = server.seen[0]
    unique = json.loads(body)["id"]
    assert (method, path, headers["X-Id"]) == ("POST", f"/probe/{unique}", unique)
    assert json.loads(server.seen[1][3])["id"] != unique
    with pytest.raises(StackError, match="no \\[write_probe\\]"):
        make(write_probe=None).write_probe()


@pytest.mark.parametrize(("of_all", "of_health"), [(30.0, 0.3), (0.3, 30.0)])
def test_health_may_take_a_time_of_its_own(make: Any, server: Server, of_all: float, of_health: float):
    """Of two limits, one is over long before the answer comes and the other long after."""

    def late(handler: Any) -> None:
        server.released.wait(1.0)
        reply(200, '{"status": "ok"}')(handler)

    server.reply = late
    client = make(timeout=of_all, health=Probe(path="/health", timeout=of_health))
    assert (client.health().status is None) is (of_health < 1)
    assert (client.request("GET", "/version").status is None) is (of_all < 1)


def test_a_delivery_has_an_id_of_its_own(make: Any, server: Server):
    server.reply = reply(202)
    client = make()
    first, second = client.deliver("github"), client.deliver("jira")
    named = client.deliver("jira", "given")
    server.reply = reply(200)
    refused = client.deliver("jira")
    assert len({first.id, second.id, named.id, refused.id}) == 4
    assert (first.acknowledged, refused.acknowledged, named.id) == (True, False, "given")
    method, path, _, body = server.seen[0]
    assert (method, path, json.loads(body)) == ("POST", "/webhooks/github", {"delivery_id": first.id, "event": "drill"})


METRICS = """# HELP http_requests_total requests
# TYPE http_requests_total counter
http_requests_total{status="200",path="/a"} 10
http_requests_total{status="500",path="/a"} 2
http_requests_total{status="503",path="/a"} 5
http_requests_created{status="503",path="/a"} 1.7e9
# TYPE gateway_webhooks_total counter
gateway_webhooks_total{outcome="disabled",integration="x"} 3
gateway_webhooks_total{outcome="disabled",integration="y"} 1
gateway_webhooks_total{outcome="stored",integration="y"} 7
"""


def test_deliberate_errors_are_no_errors(make: Any, server: Server):
    server.reply = reply(200, METRICS, "text/plain; version=0.0.4")
    traffic = make().traffic()
    assert (traffic.requests, traffic.errors) == (17, 3)
    metrics = make().traffic.__self__._target.metrics.model_copy(update={"deliberate": None})
    assert make(metrics=metrics).traffic().errors == 7


def test_traffic_between_two_moments():
    between = RequestCounters(30, 6) - RequestCounters(10, 1)
    assert (between.requests, between.errors, between.error_rate) == (20, 5, 0.25)
    assert RequestCounters(0, 0).error_rate == 0


@pytest.mark.parametrize(
    "answer", [reply(500, "x", "text/plain"), reply(200, "{}"), reply(200, "a{b 1\n", "text/plain"),
               reply(200, "http_requests_total{} x\n", "text/plain"), reply(200, "\x00 \xff", "text/plain")]
)  # fmt: skip
def test_what_is_no_metrics_is_refused(make: Any, server: Server, answer: Reply):
    server.reply = answer
    with pytest.raises(StackError, match="/metrics does not give metrics"):
        make().traffic()


def test_a_target_without_metrics_has_no_traffic(make: Any):
    with pytest.raises(StackError, match="no \\[metrics\\]"):
        make(metrics=None).traffic()


# --- comparing -----------------------------------------------------------------------------------------

KEYS = st.text("ab/~01", max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=15,
)


def resolve(document: Any, path: str) -> Any:
    """RFC 6901, written from its text: section 3 for the syntax, section 4 for the evaluation."""
    if path == "":
        return document
    if path[0] != "/":
        return None
    for token in path[1:].split("/"):
        key, rest = "", token
        while rest:
            if rest[:2] == "~0":
                key, rest = key + "~", rest[2:]
            elif rest[:2] == "~1":
                key, rest = key + "/", rest[2:]
            else:
                key, rest = key + rest[0], rest[1:]
        if isinstance(document, dict):
            if key not in document:
                return None
            document = document[key]
        elif isinstance(document, list):
            if not (key.isascii() and key.isdigit()) or (len(key) > 1 and key[0] == "0") or len(key) > 9:
                return None
            if int(key) >= len(document):
                return None
            document = document[int(key)]
        else:
            return None
    return document


@st.composite
def document_and_path(draw: st.DrawFn) -> tuple[Any, str]:
    """A path that often leads somewhere."""
    document = here = draw(JSON)
    path = ""
    for _ in range(draw(st.integers(0, 4))):
        if isinstance(here, dict) and here and draw(st.booleans()):
            key = draw(st.sampled_from(sorted(here)))
            here = here[key]
        elif isinstance(here, list) and here and draw(st.booleans()):
            key = str(draw(st.integers(0, len(here) - 1)))
            here = here[int(key)]
        else:
            key = draw(KEYS | st.sampled_from(["-", "00", "01", "-1", "²", "٣", "1e0", "9" * 5_000, " 0"]))
            here = None
        path += "/" + key.replace("~", "~0").replace("/", "~1")
    return document, path


@given(document_and_path())
def test_a_pointer_leads_where_the_rfc_says(case: tuple[Any, str]):
    document, path = case
    assert pointer(document, path) == resolve(document, path)


@given(JSON, st.text("/ab~01", max_size=6))
def test_no_pointer_breaks(document: Any, path: str):
    assert pointer(document, path) == resolve(document, path)


@given(JSON)
def test_everything_contains_itself(value: Any):
    assert contains(value, value)


@given(st.dictionaries(KEYS, JSON, max_size=4), st.data())
def test_a_document_contains_each_part_of_itself(whole: dict[str, Any], data: st.DataObject):
    part = {key: whole[key] for key in data.draw(st.sets(st.sampled_from(sorted(whole)))) if whole} if whole else {}
    assert contains(whole, part)
    assert not contains(whole, part | {"not there": 1})


@pytest.mark.parametrize(
    ("whole", "part", "does"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": None}, {"a": None}, True),
        ({}, {"a": None}, False),
        ([{"a": 1, "b": 2}], [{"a": 1}], False),
        (1, 1.0, True),
        ("text", {"a": 1}, False),
        (None, {}, False),
    ],
)
def test_containing_is_about_keys(whole: Any, part: Any, does: bool):
    assert contains(whole, part) is does


def test_a_probe_matches_status_and_body():
    probe = Probe(path="/", status=503, body={"detail": "x"})
    assert matches(probe, Answer(503, {"detail": "x", "id": 1}, 0))
    assert not matches(probe, Answer(503, {"detail": "y"}, 0))
    assert not matches(probe, Answer(200, {"detail": "x"}, 0))
    assert not matches(probe, Answer(None, None, 0, "refused"))
    assert matches(Probe(path="/"), Answer(200, "anything", math.inf))

"""The sender, as a process of its own, against servers that answer as they are told."""

from __future__ import annotations

import base64
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from rollback_drills.clients.traffic import Load, Request, Sender, begin
from rollback_drills.clients.traffic.sender import ARGV
from rollback_drills.clients.traffic.sender_program import NOT_SENT, REFUSED
from rollback_drills.core.errors import StackError
from rollback_drills.core.polling import poll_until
from rollback_drills.runtimes.host.conversation import PipedConversation
from rollback_drills.runtimes.host.ports import free_port
from rollback_drills.runtimes.host.process import WORKSPACE_VARIABLE, clean_environment
from rollback_drills.target.client_tables import Signature
from rollback_drills.target.target import Target

PATIENCE = 20.0  # seconds; nothing here takes a tenth of it on an idle machine
SECRET = "Bearer hunter2-and-more"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        self.server.answer(self)

    do_GET = do_POST = _any

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""

    def say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def good(handler: Handler) -> None:
    handler.say(*(200, b'{"status": "ok"}') if handler.command == "GET" else (202, b"{}"))


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: Callable[[Handler], None] = good
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is what some of these tests are about."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def conversations() -> list[PipedConversation]:
    return []


@pytest.fixture
def sender(tmp_path: Path, conversations: list[PipedConversation]) -> Iterator[Sender]:
    def start() -> PipedConversation:
        environment, log = clean_environment(tmp_path), tmp_path / "traffic.log"
        conversations.append(PipedConversation(ARGV, cwd=tmp_path, env=environment, log=log))
        return conversations[-1]

    sender = Sender(start)
    yield sender
    sender.close()
    assert (tmp_path / "traffic.log").read_text() == ""


def changed(target: Target, *, rate: float = 25.0, timeout: float = 5.0, **delivery: object) -> Target:
    return target.model_copy(
        update={
            "traffic": target.traffic.model_copy(update={"rate": rate}),
            "gateway": target.gateway.model_copy(update={"request_timeout": timeout}),
            "delivery": target.delivery.model_copy(update=delivery),
        }
    )


def at_least(number: int, kind: str = "") -> Callable[[object], bool]:
    return lambda requests: sum(not kind or each.kind == kind for each in requests) >= number  # type: ignore[attr-defined]


def after(load: Load, number: int) -> list[Request]:
    assert load.wait_for(at_least(number), timeout=PATIENCE)
    load.end()
    return sorted(load.requests, key=lambda request: request.number)


def test_requests_are_due_at_a_constant_rate_and_all_are_recorded(
    sender: Sender, server: Server, reference_target: Target
) -> None:
    requests = after(begin(sender, changed(reference_target, rate=100.0), server.url), 100)
    assert [each.number for each in requests] == list(range(len(requests)))
    for each in requests:
        assert each.due == pytest.approx(requests[0].due + each.number / 100, abs=1e-6)
        assert each.due <= each.sent <= each.ended
    assert {each.kind for each in requests[::2]} == {"health"}
    assert {each.kind for each in requests[1::2]} == {"delivery"}
    assert {each.outcome for each in requests} == {"good"}
    assert len(server.seen) == len(requests)


def test_deliveries_go_to_all_that_both_releases_have_in_turn_each_with_its_own_id(
    sender: Sender, server: Server, reference_target: Target
) -> None:
    target = changed(reference_target, rate=200.0, headers={"X-Id": "<{unique}>", "Authorization": SECRET})
    requests = [each for each in after(begin(sender, target, server.url), 80) if each.kind == "delivery"]
    common = target.integrations_of(target.previous)
    assert [each.integration for each in requests[: len(common)]] == list(common)
    assert {each.integration for each in requests} == set(common)
    assert len({each.id for each in requests}) == len(requests)
    received = {headers["X-Id"]: (path, body.decode(), headers) for verb, path, headers, body in server.seen
                if verb == "POST"}  # fmt: skip
    for each in requests:
        path, body, headers = received[f"<{each.id}>"]
        assert path == f"/webhooks/{each.integration}"
        assert body == f'{{"delivery_id": "{each.id}", "event": "drill"}}'
        assert (headers["Content-Type"], headers["Connection"]) == ("application/json", "close")
        assert headers["Authorization"] == SECRET


@pytest.mark.parametrize(
    "body", [{"json_body": {"id": "{unique}", "é": "ü"}}, {"form": {"id": "{unique}", "x": "a&b"}}]
)
def test_deliveries_are_signed_each_over_its_own_bytes(
    sender: Sender, server: Server, reference_target: Target, body: dict[str, object]
) -> None:
    signature = Signature.model_validate_json(
        '{"header": "X-Signature", "secret": "a key of the load", "algorithm": "sha512", "encoding": "base64", '
        '"payload": "{unique}.{timestamp}.{body}", "prefix": "v1,", "timestamp_header": "X-Timestamp"}'
    )
    target = changed(reference_target, rate=100.0, **{"json_body": None, "signature": signature} | body)
    requests = [each for each in after(begin(sender, target, server.url), 20) if each.kind == "delivery"]
    received = [(headers, content) for verb, _, headers, content in server.seen if verb == "POST"]
    assert len({headers["X-Signature"] for headers, _ in received}) == len(requests) >= 10
    for each in requests:
        headers, content = next(one for one in received if each.id.encode() in one[1])
        signed = f"{each.id}.{headers['X-Timestamp']}.".encode() + content
        program = subprocess.run(
            ["openssl", "dgst", "-sha512", "-hmac", "a key of the load", "-binary"], input=signed,
            stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        assert headers["X-Signature"] == f"v1,{base64.b64encode(program.stdout).decode()}"


def test_health_may_take_a_time_of_its_own(sender: Sender, server: Server, reference_target: Target) -> None:
    def withhold(handler: Handler) -> None:
        server.released.wait(PATIENCE)
        good(handler)

    server.answer = withhold
    target = changed(reference_target, timeout=PATIENCE)
    health = target.health.model_copy(update={"timeout": 0.1})
    load = begin(sender, target.model_copy(update={"health": health}), server.url)
    assert load.wait_for(at_least(2, "health"), timeout=PATIENCE)
    server.released.set()
    load.end()
    seen = {(each.kind, each.error) for each in load.requests}
    assert ("health", "timeout") in seen
    assert ("delivery", "timeout") not in seen


def test_a_load_keeps_to_half_of_the_gateways_limit(sender: Sender, server: Server, reference_target: Target) -> None:
    load = begin(sender, changed(reference_target, rate=200.0, rate_limit=50.0), server.url)
    assert load.rate == 50.0, "every other request is a delivery"
    requests = after(load, 6)
    assert requests[5].due - requests[0].due == pytest.approx(5 / 50, abs=1e-6)
    other = begin(sender, changed(reference_target, rate=20.0, rate_limit=50.0), server.url)
    assert other.rate == 20.0
    other.end()


def test_a_slow_answer_delays_no_later_request(sender: Sender, server: Server, reference_target: Target) -> None:
    """Open loop: while every answer is withheld, requests go out at the rate; their waiting counts from when due."""

    def withhold(handler: Handler) -> None:
        server.released.wait(PATIENCE)
        good(handler)

    server.answer = withhold
    load = begin(sender, changed(reference_target, rate=100.0, timeout=PATIENCE), server.url)
    poll_until(lambda: len(server.seen) >= 100 or None, what="100 requests at once", timeout=PATIENCE)
    assert load.requests == ()
    server.answer = good
    server.released.set()
    requests = after(load, 100)[:100]
    assert max(each.sent - each.due for each in requests) < 0.5
    assert requests[0].seconds > 0.9
    seconds = [each.seconds for each in requests]
    assert seconds[0] > seconds[50] > seconds[95]


def test_each_request_has_its_own_limit(sender: Sender, server: Server, reference_target: Target) -> None:
    server.answer = lambda handler: server.released.wait(PATIENCE)  # type: ignore[assignment,return-value]
    requests = after(begin(sender, changed(reference_target, timeout=0.3), server.url), 10)
    assert {(each.status, each.error, each.outcome) for each in requests} == {(None, "timeout", "failed")}
    assert min(each.ended - each.sent for each in requests) >= 0.29


def test_what_is_too_much_is_not_sent_and_counts_as_failed(
    sender: Sender, server: Server, reference_target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollback_drills.clients.traffic.load.MOST_IN_FLIGHT", 5)
    server.answer = lambda handler: server.released.wait(PATIENCE)  # type: ignore[assignment,return-value]
    load = begin(sender, changed(reference_target, rate=100.0, timeout=1.0), server.url)
    assert load.wait_for(at_least(20), timeout=PATIENCE)
    refused = [each for each in load.requests if each.error == NOT_SENT]
    assert len(refused) >= 15
    assert {each.outcome for each in refused} == {"failed"}
    assert {each.fate for each in refused if each.kind == "delivery"} == {"refused"}
    load.end()


def test_nobody_listens(sender: Sender, reference_target: Target) -> None:
    requests = after(begin(sender, reference_target, f"http://127.0.0.1:{free_port()}"), 4)
    assert {(each.status, each.error) for each in requests} == {(None, REFUSED)}


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", "connection closed without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "connection closed without an answer"),
        (b"no HTTP at all\r\n\r\n", "connection closed without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000, "not a valid answer"),
    ],
    ids=["nothing", "half", "not HTTP", "too long"],
)
def test_less_than_an_answer(sender: Sender, reference_target: Target, said: bytes, error: str) -> None:
    class Bad(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(said)

    class BadServer(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Clients that go away are part of it."""

    with BadServer(("127.0.0.1", 0), Bad) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        requests = after(begin(sender, reference_target, f"http://127.0.0.1:{server.server_address[1]}"), 6)
        server.shutdown()
        thread.join()
    health = [each for each in requests if each.kind == "health"]
    assert {(each.status, each.error, each.outcome) for each in health} == {(None, error, "failed")}


def test_answers_are_judged_by_status_and_body(sender: Sender, server: Server, reference_target: Target) -> None:
    server.answer = lambda handler: handler.say(
        *((200, b'{"status": "ill"}') if handler.command == "GET" else (503, b'{"detail": "integration disabled"}'))
    )
    requests = after(begin(sender, reference_target, server.url), 6)
    assert {(each.kind, each.status, each.outcome, each.fate) for each in requests} == {
        ("health", 200, "failed", None),
        ("delivery", 503, "deliberate", "refused"),
    }


def test_a_pause_sends_nothing_and_leaves_nothing_on_its_way(
    sender: Sender, server: Server, reference_target: Target
) -> None:
    load = begin(sender, changed(reference_target, rate=100.0), server.url)
    assert load.wait_for(at_least(10), timeout=PATIENCE)
    with load.paused():
        seen = len(server.seen)
        assert len(load.requests) == seen
        began = time.monotonic()
        poll_until(lambda: time.monotonic() > began + 0.3 or None, what="some time", timeout=PATIENCE)
        assert len(server.seen) == seen
    requests = after(load, seen + 10)
    gap = requests[seen].due - requests[seen - 1].due
    assert gap > 0.3
    assert [each.number for each in requests] == list(range(len(requests)))
    assert requests[seen + 5].due - requests[seen].due == pytest.approx(0.05, abs=1e-6)
    assert len(load.pauses) == 1


def test_the_steady_state_is_waited_for(sender: Sender, server: Server, reference_target: Target) -> None:
    server.answer = lambda handler: handler.say(500, b"{}")
    load = begin(sender, changed(reference_target, rate=200.0), server.url)
    assert load.wait_for(at_least(10), timeout=PATIENCE)
    assert load.hold(time.monotonic(), timeout=0.2) is None
    turned = time.monotonic()
    server.answer = good
    moment = load.hold(turned, timeout=PATIENCE)
    assert moment is not None
    assert turned + 9 * 2 / 200 <= moment <= time.monotonic()


def test_one_load_after_the_other(sender: Sender, server: Server, reference_target: Target) -> None:
    first = after(begin(sender, reference_target, server.url), 3)
    second = after(begin(sender, reference_target, server.url), 3)
    assert first[0].number == second[0].number == 0
    assert not {each.id for each in first if each.id} & {each.id for each in second}


def test_what_a_load_costs_is_known(sender: Sender, server: Server, reference_target: Target) -> None:
    load = begin(sender, reference_target, server.url)
    assert load.wait_for(at_least(25), timeout=PATIENCE)
    span = load.end()
    assert 0 < span.cpu < 0.3 * (span.ended - span.began)
    assert 0 < span.latest < 0.5
    assert load.end() is span


def test_a_sender_that_has_died_is_told_of_and_started_anew(
    sender: Sender, server: Server, reference_target: Target, conversations: list[PipedConversation]
) -> None:
    load = begin(sender, reference_target, server.url)
    assert load.wait_for(at_least(1), timeout=PATIENCE)
    os.kill(conversations[0].pid, signal.SIGKILL)
    assert load.wait_for(lambda requests: False, timeout=PATIENCE) is False
    with pytest.raises(StackError, match="client traffic has stopped"):
        load.end()
    assert after(begin(sender, reference_target, server.url), 1)
    assert len(conversations) == 2


def test_the_sender_carries_the_workspaces_mark_and_nothing_of_the_callers(
    sender: Sender, tmp_path: Path, conversations: list[PipedConversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    sender.open()
    process = psutil.Process(conversations[0].pid)
    # While the system replaces one program by the other, the process has no environment yet.
    environment = poll_until(lambda: process.environ() or None, what="the sender's environment", timeout=PATIENCE)
    assert environment[WORKSPACE_VARIABLE] == str(tmp_path)
    assert "HTTP_PROXY" not in environment


def test_no_secret_is_on_the_command_line_or_in_a_file(
    sender: Sender, server: Server, reference_target: Target, tmp_path: Path, conversations: list[PipedConversation]
) -> None:
    target = changed(reference_target, headers={"Authorization": SECRET, "X-Bad": "a\nb"})
    load = begin(sender, target, server.url)
    assert load.wait_for(at_least(4), timeout=PATIENCE)
    process = psutil.Process(conversations[0].pid)
    assert SECRET not in " ".join(process.cmdline())
    assert SECRET not in str(process.environ())
    load.end()
    assert SECRET not in repr(load.requests)
    assert {each.error for each in load.requests if each.kind == "delivery"} == {"not a valid request"}
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]


def test_it_ends_when_whoever_started_it_is_killed(tmp_path: Path) -> None:
    """Its input ends with whoever holds the other end: nothing has to be swept."""
    starter = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen({list(ARGV)!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", starter], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    poll_until(lambda: not child.is_running() or None, what="the end of the sender", timeout=PATIENCE)

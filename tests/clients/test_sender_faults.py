"""The load against servers that do not answer, answer late, or answer nonsense."""

from __future__ import annotations

import socketserver
import threading

import pytest
from support.answering_server import Server, good, late, reply, silent
from support.load import PATIENCE, after, at_least, with_load

from rollback_drills.clients.traffic import Sender, begin
from rollback_drills.clients.traffic.sender_program import NOT_SENT, REFUSED
from rollback_drills.core.polling import poll_until
from rollback_drills.runtimes.host.ports import free_port
from rollback_drills.target.target import Target


def test_health_may_take_a_time_of_its_own(sender: Sender, server: Server, reference_target: Target) -> None:
    server.reply = late
    target = with_load(reference_target, timeout=PATIENCE)
    health = target.health.model_copy(update={"timeout": 0.1})
    load = begin(sender, target.model_copy(update={"health": health}), server.url)
    assert load.wait_for(at_least(2, "health"), timeout=PATIENCE)
    server.released.set()
    load.end()
    seen = {(each.kind, each.error) for each in load.requests}
    assert ("health", "timeout") in seen
    assert ("delivery", "timeout") not in seen


def test_a_slow_answer_delays_no_later_request(sender: Sender, server: Server, reference_target: Target) -> None:
    """Open loop: while answers are withheld, requests are sent at the rate; durations count from when they were due."""

    server.reply = late
    load = begin(sender, with_load(reference_target, rate=100.0, timeout=PATIENCE), server.url)
    poll_until(lambda: len(server.seen) >= 100 or None, what="100 requests at once", timeout=PATIENCE)
    assert load.requests == ()
    server.reply = good
    server.released.set()
    requests = after(load, 100)[:100]
    assert max(each.sent - each.due for each in requests) < 0.5
    assert requests[0].seconds > 0.9
    seconds = [each.seconds for each in requests]
    assert seconds[0] > seconds[50] > seconds[95]


def test_each_request_has_its_own_limit(sender: Sender, server: Server, reference_target: Target) -> None:
    server.reply = silent
    requests = after(begin(sender, with_load(reference_target, timeout=0.3), server.url), 10)
    assert {(each.status, each.error, each.outcome) for each in requests} == {(None, "timeout", "failed")}
    assert min(each.ended - each.sent for each in requests) >= 0.29


def test_what_is_too_much_is_not_sent_and_counts_as_failed(
    sender: Sender, server: Server, reference_target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollback_drills.clients.traffic.load.MOST_IN_FLIGHT", 5)
    server.reply = silent
    load = begin(sender, with_load(reference_target, rate=100.0, timeout=1.0), server.url)
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
            """Clients that disconnect are part of this test."""

    with BadServer(("127.0.0.1", 0), Bad) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        requests = after(begin(sender, reference_target, f"http://127.0.0.1:{server.server_address[1]}"), 6)
        server.shutdown()
        thread.join()
    health = [each for each in requests if each.kind == "health"]
    assert {(each.status, each.error, each.outcome) for each in health} == {(None, error, "failed")}


def test_answers_are_judged_by_status_and_body(sender: Sender, server: Server, reference_target: Target) -> None:
    ill, refused = reply(200, '{"status": "ill"}'), reply(503, '{"detail": "integration disabled"}')
    server.reply = lambda handler: (ill if handler.command == "GET" else refused)(handler)
    requests = after(begin(sender, reference_target, server.url), 6)
    assert {(each.kind, each.status, each.outcome, each.fate) for each in requests} == {
        ("health", 200, "failed", None),
        ("delivery", 503, "deliberate", "refused"),
    }

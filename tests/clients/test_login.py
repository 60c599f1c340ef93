"""Clients log in before their first request, and again where the gateway has forgotten them."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler

import pytest
from support.answering_server import Reply, Server, reply
from support.load import after
from support.rest_target import rest_target

from rollback_drills.clients.gateway import GatewayClient
from rollback_drills.clients.http import NOT_HTTP
from rollback_drills.clients.traffic import Sender, begin
from rollback_drills.clients.traffic.records import fate
from rollback_drills.core.meter import Meter
from rollback_drills.core.redaction import Redactor
from rollback_drills.target.target import Target


class Sessions:
    """A server with a login: it knows one token at a time, and forgets it on request."""

    def __init__(self) -> None:
        self.tokens = 0
        self.valid = ""

    def forget(self) -> None:
        self.valid = ""

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/login":
            self.tokens += 1
            self.valid = f"token-{self.tokens}"
            reply(200, json.dumps({"access_token": self.valid}))(handler)
        elif not self.valid or handler.headers["Authorization"] != f"Bearer {self.valid}":
            reply(401, "{}")(handler)
        else:
            reply(201 if handler.command == "POST" else 200, "{}")(handler)


def client_of(server: Server, answering: Reply, target: Target | None = None) -> GatewayClient:
    server.reply = answering
    return GatewayClient(target or rest_target(), lambda: server.url, Meter())


def paths(server: Server) -> list[str]:
    return [path for _, path, _, _ in server.seen]


def test_one_login_serves_every_request(server: Server):
    client = client_of(server, Sessions())
    assert all(client.deliver("create item").acknowledged for _ in range(3))
    assert paths(server) == ["/login", "/items", "/items", "/items"]
    assert server.seen[0][3] == b"username=ada&password=correct+horse"


def test_a_forgotten_session_is_renewed_and_the_request_repeated_once(server: Server):
    sessions = Sessions()
    client = client_of(server, sessions)
    client.deliver("create item")
    sessions.forget()
    again = client.deliver("create item")
    assert again.acknowledged
    assert paths(server)[2:] == ["/items", "/login", "/items"]


def test_a_refusal_that_a_new_login_does_not_help_against_is_the_answer(server: Server):
    def refusing(handler: BaseHTTPRequestHandler) -> None:
        reply(*((200, '{"access_token": "t"}') if handler.path == "/login" else (403, "{}")))(handler)

    client = client_of(server, refusing)
    client.deliver("create item")
    second = client.deliver("create item")
    assert second.answer.status == 403
    assert not second.acknowledged
    assert paths(server).count("/login") == 2


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, '{"detail": "wrong"}', "login user is answered 401"),
        (500, "", "login user is answered 500"),
        (200, '{"token": "s3cret-token"}', "login user is answered 200, and has no token at /access_token"),
        (200, "<html>", "login user is answered 200, and has no token at /access_token"),
    ],
)
def test_without_a_login_nothing_is_sent_or_acknowledged(server: Server, status: int, body: str, said: str):
    client = client_of(server, reply(status, body))
    delivered = client.deliver("create item")
    assert (delivered.answer.status, delivered.answer.error) == (status, said)
    assert not delivered.acknowledged
    assert fate(rest_target(), "create item", delivered.answer) == "refused", "it was never sent"
    assert "s3cret" not in json.dumps(delivered.answer.brief())
    assert paths(server) == ["/login"]


def test_a_disabled_answer_is_none_of_the_logins(server: Server):
    flags = {"variable": "FLAG_{NAME}", "disabled": {"status": 503}}
    items = {"name": "create item", "login": "user", "path": "/items", "json": {"t": "{unique}"}, "flag": "ITEMS"}
    target = rest_target(flags=flags, requests=[items | {"stored": "SELECT %(ids)s"}])
    delivered = client_of(server, reply(503, "{}"), target).deliver("create item")
    assert fate(target, "create item", delivered.answer) == "refused"
    assert delivered.answer.error.startswith("login user")


OFF = {"variable": "FLAG_{NAME}", "disabled": {"status": 403, "contains": {"detail": "off"}}}
ITEMS = {"name": "create item", "login": "user", "path": "/items", "json": {"t": "{unique}"}, "flag": "ITEMS"}


class TurnedOff(Sessions):
    """A server whose writes are turned off, and whose logins can be made to fail."""

    login_status = 200

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/login" and self.login_status != 200:
            reply(self.login_status, "{}")(handler)
        elif handler.command == "POST" and handler.path != "/login" and self.valid:
            reply(403, '{"detail": "off"}')(handler)
        else:
            super().__call__(handler)


@pytest.mark.parametrize("body", [{"contains": {"detail": "off"}}, {}], ids=["by its body", "by its status alone"])
def test_the_agreed_refusal_of_what_is_off_costs_no_session(server: Server, body: dict[str, object]):
    target = rest_target(flags=OFF | {"disabled": {"status": 403, **body}}, requests=[ITEMS | {"stored": "%(ids)s"}])
    off = TurnedOff()
    client = client_of(server, off, target)
    client.deliver("create item")
    off.login_status = 429
    answers = [client.deliver("create item").answer for _ in range(6)]
    assert {(answer.status, answer.error) for answer in answers} == {(403, "")}
    if body:  # a status alone may be that of an expired login: only another login tells
        assert paths(server).count("/login") == 1
    off.login_status = 200
    assert client.deliver("create item").answer.status == 403


def test_a_login_that_fails_is_told_where_the_session_is_forgotten(server: Server):
    target = rest_target(flags=OFF, requests=[ITEMS | {"stored": "%(ids)s"}])
    off = TurnedOff()
    client = client_of(server, off, target)
    client.deliver("create item")
    off.forget()
    off.login_status = 500
    assert client.deliver("create item").answer.error == "login user is answered 500"


def test_a_request_in_two_halves_logs_in_anew(server: Server):
    """It cannot be repeated where a restart has forgotten the session."""
    sessions = Sessions()
    client = client_of(server, sessions)
    client.deliver("create item")
    sessions.forget()
    assert client.begin_delivery("create item").finish().status == 201


def test_the_load_does_not_log_in_for_each_refusal(server: Server, sender: Sender):
    requests = [ITEMS | {"stored": "%(ids)s"}, {"name": "who am I", "login": "user", "path": "/me"}]
    off = TurnedOff()
    server.reply = off
    load = begin(sender, rest_target(flags=OFF, requests=requests), server.url, rate=100.0)
    refused = [each for each in after(load, 60) if each.kind == "delivery"]
    assert {(each.outcome, each.status) for each in refused} == {("deliberate", 403)}
    assert off.tokens < len(refused) / 3, "another login helps against none of them"


def test_the_load_keeps_its_session_where_a_login_fails(server: Server, sender: Sender):
    requests = [ITEMS | {"stored": "%(ids)s"}, {"name": "who am I", "login": "user", "path": "/me"}]
    off = TurnedOff()
    off.tokens, off.valid = 1, "token-1"

    def limited(handler: BaseHTTPRequestHandler) -> None:
        off.login_status = 200 if off.tokens == 1 else 429
        off(handler)

    server.reply = limited
    seen = after(begin(sender, rest_target(flags=OFF, requests=requests), server.url, rate=50.0), 30)
    assert {(each.kind, each.outcome, each.status) for each in seen if each.kind != "health"} == {
        ("delivery", "deliberate", 403),
        ("read", "good", 200),
    }


def test_what_a_login_gives_is_hidden_before_it_is_sent(server: Server, sender: Sender):
    redactor = Redactor()
    target, sessions = rest_target(), Sessions()
    server.reply = sessions
    client = GatewayClient(target, lambda: server.url, Meter(), hide=redactor.add_known)
    client.deliver("create item")
    assert redactor.text("session token-1 of ada") == "session [redacted] of ada"
    after(begin(sender, target, server.url, rate=50.0, hide=redactor.add_known), 6)
    assert sessions.tokens == 2
    assert redactor.text("session token-2 of ada") == "session [redacted] of ada"


def test_a_cookie_is_hidden_too(server: Server):
    hidden = list[str]()
    server.reply = reply(200, "{}", **{"Set-Cookie": "session=abc123; Path=/; HttpOnly"})
    login = {"path": "/login", "json": {"user": "ada"}, "cookie": "session"}
    target = rest_target(logins={"user": login})
    GatewayClient(target, lambda: server.url, Meter(), hide=hidden.append).deliver("create item")
    assert hidden == ["abc123"]


def test_a_token_that_no_header_can_hold_is_not_quoted(server: Server):
    server.reply = reply(200, json.dumps({"access_token": "s3cret\n-t0ken"}))
    client = GatewayClient(rest_target(), lambda: server.url, Meter())
    sent = [client.deliver("create item").answer, client.begin_delivery("create item").finish()]
    assert {answer.error for answer in sent} == {f"LocalProtocolError: {NOT_HTTP}"}


def test_reads_and_load_keep_to_the_limit_of_all_requests(server: Server, sender: Sender):
    target = rest_target(traffic={"rate_limit": 40.0})
    server.reply = Sessions()
    client = GatewayClient(target, lambda: server.url, Meter())
    (read,) = target.reads_of("1")
    began = time.monotonic()
    for _ in range(3):
        client.read(read)
        client.deliver("create item")
    assert time.monotonic() - began >= 5 * 0.049, "half of the limit is the load's"
    load = begin(sender, target, server.url)
    load.end()
    assert load.rate == 20.0


def test_a_cookie_may_be_what_the_login_gives(server: Server):
    def with_cookie(handler: BaseHTTPRequestHandler) -> None:
        cookie = {"Set-Cookie": "session=abc123; Path=/; HttpOnly"} if handler.path == "/login" else {}
        reply(200, "{}", **cookie)(handler)

    login = {"path": "/login", "json": {"user": "ada"}, "cookie": "session"}
    client = client_of(server, with_cookie, rest_target(logins={"user": login}))
    client.read(client._target.reads_of("1")[0])
    assert {name.lower(): value for name, value in server.seen[-1][2].items()}["cookie"] == "session=abc123"


def test_the_load_logs_in_once_and_again_after_a_restart(server: Server, sender: Sender):
    sessions = Sessions()
    server.reply = sessions
    load = begin(sender, rest_target(), server.url, rate=50.0)
    assert load.wait_for(lambda requests: len(requests) >= 12, timeout=20.0)
    sessions.forget()
    requests = after(load, 30)
    assert {each.kind for each in requests} == {"health", "delivery", "read"}
    wrong = [each for each in requests if each.outcome == "failed" and each.kind != "health"]
    assert wrong == []
    assert sessions.tokens == 2


def test_a_load_whose_login_fails_is_refused_service(server: Server, sender: Sender):
    server.reply = reply(401, "{}")
    requests = after(begin(sender, rest_target(), server.url, rate=50.0), 9)
    deliveries = [each for each in requests if each.kind == "delivery"]
    assert {(each.outcome, each.fate, each.problem) for each in deliveries} == {
        ("failed", "refused", "create item login user is answered 401")
    }
    assert set(paths(server)) == {"/", "/login"}

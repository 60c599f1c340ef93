"""A delivery in two halves: what a server sees of it, and what is told where it does not answer."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from support.answering_server import Server, good, reply

from rollback_drills.clients.gateway import GatewayClient
from rollback_drills.core.meter import Meter
from rollback_drills.runtimes.host.ports import free_port
from rollback_drills.target.target import Target


def test_it_is_answered_when_its_second_half_has_come(make: Any, server: Server):
    client = make()
    under_way = client.begin_delivery("github")
    assert server.seen == []
    answer = under_way.finish()
    assert (answer.status, answer.body) == (202, {})
    ((method, path, _, body),) = server.seen
    assert (method, path) == ("POST", "/webhooks/github")
    assert [each.id for each in client.delivered] == [json.loads(body)["delivery_id"]]
    assert client.delivered[0].acknowledged


def test_a_server_that_reads_the_body_says_so(make: Any, server: Server, monkeypatch: pytest.MonkeyPatch):
    """http.server speaks of it in HTTP/1.1 only; then nothing waits for the time that others get."""
    monkeypatch.setattr(server.RequestHandlerClass, "protocol_version", "HTTP/1.1")
    assert make().begin_delivery("github").finish().status == 202


def test_a_refusal_before_the_body_is_an_answer(make: Any, server: Server, monkeypatch: pytest.MonkeyPatch):
    def refuse(handler: BaseHTTPRequestHandler) -> bool:
        reply(503, '{"detail": "going down"}')(handler)
        return False

    monkeypatch.setattr(server.RequestHandlerClass, "protocol_version", "HTTP/1.1")
    monkeypatch.setattr(server.RequestHandlerClass, "handle_expect_100", refuse)
    client = make()
    answer = client.begin_delivery("github").finish()
    assert (answer.status, answer.body) == (503, {"detail": "going down"})
    assert not client.delivered[0].acknowledged


def test_a_connection_that_is_closed_in_between_is_no_answer(make: Any, server: Server):
    def close(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True

    server.reply = close
    client = make()
    answer = client.begin_delivery("github").finish()
    assert (answer.answered, answer.error) == (False, "the connection was closed without an answer")
    server.reply = good


def test_nobody_listens(reference_target: Target):
    client = GatewayClient(reference_target, lambda: f"http://127.0.0.1:{free_port()}", Meter())
    assert not client.begin_delivery("github").finish().answered
    client.close()

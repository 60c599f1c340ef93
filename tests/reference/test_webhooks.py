"""Webhooks at the reference gateway: stored once, before they are acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.reference_gateway import (
    RunningGateway,
    sql,
)


@pytest.fixture(scope="module")
def gateway(trees: dict[str, Path], migrated: Callable[[str], str]) -> Iterator[RunningGateway]:
    """One gateway for all tests, each of which uses its own delivery ids."""
    with RunningGateway(trees["0.5.0"], migrated("0.5.0"), {"LOG_LEVEL": "debug"}) as running:
        yield running


def stored(gateway: RunningGateway, columns: str, delivery_id: str) -> list[tuple[Any, ...]]:
    assert gateway.url is not None
    return sql(gateway.url, f"SELECT {columns} FROM deliveries WHERE delivery_id = '{delivery_id}'")


def counted(gateway: RunningGateway, integration: str, outcome: str) -> float:
    return gateway.metric(f'gateway_webhooks_total{{integration="{integration}",outcome="{outcome}"}}')


def test_a_webhook_is_stored_before_it_is_acknowledged(gateway: RunningGateway) -> None:
    answer = gateway.post("github", "ü-🚀", text="Größe")
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "delivery_id": "ü-🚀"})
    assert stored(gateway, "payload->>'text', status::text", "ü-🚀") == [("Größe", "received")]


def test_a_repeated_webhook_is_acknowledged_and_not_stored_again(gateway: RunningGateway) -> None:
    assert gateway.url is not None
    before = sql(gateway.url, "SELECT count(*) FROM outbox")[0][0]
    gateway.post("github", "repeated", text="first")
    answer = gateway.post("github", "repeated", text="second")
    assert (answer.status_code, answer.json()) == (200, {"status": "duplicate", "delivery_id": "repeated"})
    assert stored(gateway, "payload->>'text'", "repeated") == [("first",)]
    assert sql(gateway.url, "SELECT count(*) FROM outbox") == [(before + 1,)]


def test_the_id_may_be_in_a_header(gateway: RunningGateway) -> None:
    answer = gateway.http.post("/webhooks/jira", headers={"X-Delivery-Id": "in a header"}, content=b"{}")
    assert answer.json() == {"status": "accepted", "delivery_id": "in a header"}


def test_numbers_are_stored_exactly(gateway: RunningGateway) -> None:
    number = "12345678901234567890.125"
    gateway.http.post("/webhooks/jira", content=f'{{"delivery_id": "exact", "n": {number}}}'.encode())
    assert stored(gateway, "payload->>'n'", "exact") == [(number,)]


NO_JSON = (400, "the body is not valid JSON")
NO_ID = (422, "delivery_id is not a string of 1 to 200 characters")


@pytest.mark.parametrize(
    ("content", "status", "detail"),
    [
        (b"{", *NO_JSON),
        (b"\xff", *NO_JSON),
        ('{"delivery_id": "x", "n": NaN}', *NO_JSON),
        ("[" * 100_000, *NO_JSON),
        ("[]", 422, "the body is not a JSON object"),
        ("{}", 422, "delivery_id is missing"),
        ('{"delivery_id": 5}', *NO_ID),
        ('{"delivery_id": ""}', *NO_ID),
        ('{"delivery_id": "\\ud800"}', 422, "delivery_id holds a character that cannot be printed"),
        ('{"delivery_id": "x", "t": "\\u0000"}', 422, "the body cannot be stored"),
        (b'{"delivery_id": "' + b"x" * 1024 * 1024, 413, "the body is larger than 1048576 bytes"),
    ],
    ids=range(11),
)
def test_a_body_that_cannot_be_stored_is_rejected(
    gateway: RunningGateway, content: bytes | str, status: int, detail: str
) -> None:
    before = counted(gateway, "jira", "rejected")
    answer = gateway.http.post("/webhooks/jira", content=content)
    assert (answer.status_code, answer.json()["detail"]) == (status, detail)
    assert stored(gateway, "count(*)", "x") == [(0,)]
    assert counted(gateway, "jira", "rejected") == before + 1


def test_webhooks_are_posted(gateway: RunningGateway) -> None:
    answer = gateway.http.get("/webhooks/github")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_an_unknown_integration_or_delivery_is_not_found(gateway: RunningGateway) -> None:
    answer = gateway.post("gitea")
    assert (answer.status_code, answer.json()) == (404, {"detail": "unknown integration"})
    answer = gateway.http.get("/deliveries/none")
    assert (answer.status_code, answer.json()) == (404, {"detail": "unknown delivery"})


def test_webhooks_are_counted_by_integration_and_outcome(gateway: RunningGateway) -> None:
    for _ in range(3):
        gateway.post("gitlab", "counted")
    assert counted(gateway, "gitlab", "accepted") == 1
    assert counted(gateway, "gitlab", "duplicate") == 2


def test_requests_are_counted_by_route_and_status(gateway: RunningGateway) -> None:
    accepted = 'http_requests_total{method="POST",route="/webhooks/{integration}",status="202"}'
    before = gateway.metric(accepted)
    for number in range(2):
        gateway.post("github", f"by route {number}")
    assert gateway.metric(accepted) == before + 2


def test_webhooks_are_logged_with_id_and_status(gateway: RunningGateway) -> None:
    for _ in range(2):
        gateway.post("github", "logged-🚀")
    logged = [line for line in gateway.lines() if line.get("delivery_id") == "logged-🚀"]
    assert [(line["message"], line["outcome"], line["status"]) for line in logged] == [
        ("request", "accepted", 202),
        ("request", "duplicate", 200),
    ]

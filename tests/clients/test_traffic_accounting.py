"""The accounting of deliveries is exact, whatever was lost, stored twice or stored unexpectedly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rollback_drills.clients.answers import Answer
from rollback_drills.clients.traffic import (
    DeliveryAttempt,
    account,
    fate,
)
from rollback_drills.clients.traffic.accounting import LISTED
from rollback_drills.clients.traffic.sender_program import NOT_SENT, REFUSED
from rollback_drills.lab import stack
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.postgres import connect, create_database, with_database
from rollback_drills.runtimes.embedded.postgres import PostgresServer
from rollback_drills.target.target import Target


@dataclass(frozen=True)
class Planted:
    """A delivery, the answers to its attempts, and the number of stored copies."""

    fates: tuple[str, ...]
    copies: int
    at: float
    given_up: bool


FATES = st.sampled_from(["acknowledged", "refused", "uncertain"])
PLANTED = st.lists(
    st.builds(
        Planted,
        fates=st.lists(FATES, min_size=1, max_size=3).map(tuple),
        copies=st.sampled_from([0, 0, 1, 1, 1, 2, 3, 4]),
        at=st.floats(0, 100, allow_nan=False),
        given_up=st.booleans(),
    ),
    max_size=150,
)
GIVEN_UP = 1000.0  # given-up deliveries were answered in a separate interval, from here on


def attempts_of(planted: list[Planted]) -> list[DeliveryAttempt]:
    return [
        DeliveryAttempt(f"id-{number}", each, moment_of(delivery))  # type: ignore[arg-type]
        for number, delivery in enumerate(planted)
        for each in delivery.fates
    ]


def moment_of(delivery: Planted) -> float:
    return delivery.at + (GIVEN_UP if delivery.given_up else 0.0)


def judge(planted: list[Planted], stored: Counter[str]) -> None:
    found = account(attempts_of(planted), stored, [(GIVEN_UP, GIVEN_UP + 100)])
    named = {f"id-{number}": delivery for number, delivery in enumerate(planted)}
    acknowledged = {name for name, each in named.items() if "acknowledged" in each.fates}
    refused = {name for name, each in named.items() if set(each.fates) == {"refused"}}
    lost = {name for name in acknowledged if named[name].copies == 0}
    assert found.acknowledged == len(acknowledged)
    assert set(found.lost) == lost
    assert len(found.lost) == len(lost)
    assert set(found.lost_unexpectedly) == {name for name in lost if not named[name].given_up}
    assert set(found.duplicated) == {name for name, each in named.items() if each.copies > len(each.fates)}
    assert set(found.unexpected) == {name for name in refused if named[name].copies}
    assert found.uncertain == len(named) - len(acknowledged) - len(refused)

    writes = found.writes(trigger=2000.0)
    assert writes.all_lost == len(lost)
    assert writes.expected_lost == sum(named[name].given_up for name in lost)
    assert len(writes.lost) == min(len(lost), LISTED)
    assert (len(writes.duplicated) + writes.duplicated_more, len(writes.unexpected) + writes.unexpected_more) == (
        len(found.duplicated),
        len(found.unexpected),
    )
    ages = [2000.0 - moment_of(named[name]) for name in lost]
    assert writes.rpo_seconds == pytest.approx(max(ages, default=0.0), abs=0.001)


@given(PLANTED)
@example([Planted(("acknowledged",), 0, number / 2, number % 2 == 0) for number in range(150)])
@example([Planted(("acknowledged",), 2, float(number), False) for number in range(150)])
@example([Planted(("refused",), 1, float(number), False) for number in range(150)])
def test_every_number_is_exact(planted: list[Planted]) -> None:
    judge(planted, Counter({f"id-{number}": each.copies for number, each in enumerate(planted) if each.copies}))


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> Iterator[LiveDatabase]:
    with connect(postgres_server.admin_url) as admin:
        create_database(admin, "accounting", marker="accounting")
    with connect(with_database(postgres_server.admin_url, "accounting")) as connection:
        connection.execute(b"CREATE TABLE deliveries (delivery_id text NOT NULL)")
    database = LiveDatabase(postgres_server.admin_url, "accounting", role="postgres", password="", run="accounting")
    yield database
    database.disconnect()


@settings(max_examples=25)
@given(planted=PLANTED, at_once=st.sampled_from([1, 7, 1000]))
def test_every_number_is_exact_when_a_database_is_asked(
    planted: list[Planted], at_once: int, database: LiveDatabase, reference_target: Target
) -> None:
    """The reference target's own query, a row per copy, in batches."""
    names = [f"id-{number}" for number, each in enumerate(planted) for _ in range(each.copies)]
    with database.connect() as connection:
        connection.execute(b"TRUNCATE deliveries")
        connection.execute(b"INSERT INTO deliveries SELECT unnest(%s::text[])", (names,))
    ids = sorted({attempt.id for attempt in attempts_of(planted)})
    judge(planted, stack.copies(database, reference_target, ids, at_once=at_once))


def test_rpo_is_judged_by_the_oldest_lost_write() -> None:
    attempts = [DeliveryAttempt("old", "acknowledged", 10.0), DeliveryAttempt("young", "acknowledged", 50.0)]
    assert account(attempts, {"old": 1, "young": 1}).writes(60.0, 5.0).rpo_met is True
    assert account(attempts, {"old": 1}).writes(60.0, 10.0).rpo_met is True
    assert account(attempts, {"young": 1}).writes(60.0, 10.0).rpo_met is False
    assert account(attempts, {"young": 1}).writes(60.0).rpo_met is None
    assert account(attempts, {"old": 1}).writes(40.0, 0.0).rpo_seconds == 0.0  # acknowledged after the trigger


@pytest.mark.parametrize(
    ("status", "body", "error", "expected"),
    [
        (202, {"status": "accepted"}, "", "acknowledged"),
        (503, {"detail": "integration disabled"}, "", "refused"),
        (503, {"detail": "database unavailable"}, "", "uncertain"),
        (503, "integration disabled", "", "uncertain"),
        (404, {"detail": "unknown integration"}, "", "refused"),
        (500, {}, "", "uncertain"),
        (200, {"status": "duplicate"}, "", "uncertain"),
        (301, "", "", "uncertain"),
        (None, None, "timeout", "uncertain"),
        (None, None, "connection reset", "uncertain"),
        (None, None, REFUSED, "refused"),
        (None, None, NOT_SENT, "refused"),
    ],
)
def test_what_an_answer_says_about_a_delivery(
    reference_target: Target, status: int | None, body: object, error: str, expected: str
) -> None:
    assert fate(reference_target, "github", Answer(status, body, 0.1, error)) == expected  # type: ignore[arg-type]

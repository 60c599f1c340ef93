"""Stored as sent: what counts as a difference, and what is only told as not proven."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from rollback_drills.clients.answers import Answer
from rollback_drills.clients.delivery import Delivered
from rollback_drills.drill.checkers.contents import Learnt, lost_texts
from rollback_drills.drill.checkers.samples import UNIQUE, Sample, contents_of
from rollback_drills.postgres import Written


def contents(row: dict[str, JsonValue]) -> dict[str, frozenset[str]]:
    """What a row says of the delivery d1."""
    delivered = Delivered("d1", "github", Answer(202, None, 0.0), True, 0.0)
    other: dict[str, JsonValue] = {"id": "d2", "body": "of another delivery"}
    return contents_of(delivered, Written({"public.events": (row, other)}, {}))


SENT = ("event of a drill", "Grüße 🚑")
FULL = contents({"id": "d1", "body": {"id": "d1", "event": SENT[0], "note": SENT[1]}, "at": "2026-01-01"})


def test_texts_are_found_in_documents_text_and_bytes() -> None:
    document = '{"id": "d1", "n": [1, "two"]}'
    expected = {"public.events.body.id": {UNIQUE}, "public.events.body.n[]": {"1", "two"}}
    for stored in ({"id": "d1", "n": [1, "two"]}, document, "\\x" + document.encode().hex()):
        assert contents({"body": stored}) == expected
    assert contents({"id": "d1", "hash": "\\xff00", "none": None}) == {
        "public.events.id": {UNIQUE},
        "public.events.hash": {"\\xff00"},
    }
    assert contents({"id": "of nobody"}) == {}


@pytest.mark.parametrize(
    ("body", "lost", "unclear"),
    [
        pytest.param({"event": SENT[0], "note": SENT[1]}, 0, 0, id="all of it"),
        pytest.param(f"event={SENT[0]}&note={SENT[1]}", 0, 0, id="in another form"),
        pytest.param({}, 1, 0, id="nothing"),
        pytest.param(None, 1, 0, id="null"),
        pytest.param({"event": SENT[0], "note": "Gr??e ?"}, 1, 0, id="letters are replaced"),
        pytest.param({"event": SENT[0], "note": "Grü"}, 1, 0, id="cut off"),
        pytest.param({"event": SENT[0]}, 0, 1, id="a field that an older release need not know"),
        pytest.param({"event": SENT[0], "note": ""}, 0, 1, id="an empty field"),
    ],
)
def test_what_another_release_has_lost(body: JsonValue, lost: int, unclear: int) -> None:
    found, doubts = lost_texts(SENT, FULL, contents({"id": "d1", "body": body}))
    assert (len(found), len(doubts)) == (lost, unclear)


def test_a_release_that_stores_ids_alone_has_lost_nothing() -> None:
    nothing = contents({"id": "d1", "body": {}})
    assert lost_texts(SENT, nothing, nothing) == ([], [])


def sample(rows: dict[str, int], contents: dict[str, frozenset[str]], given: tuple[str, ...] = ()) -> Sample:
    return Sample({"github": contents}, {"github": given}, rows, deliveries=4)


def test_only_what_two_samples_share_is_learnt() -> None:
    one = sample(
        {"events": 4, "outbox": 8, "beats": 4, "odd": 3}, {"a": frozenset("x"), "b": frozenset("1")}, ("k", "1")
    )
    two = sample(
        {"events": 4, "outbox": 8, "beats": 5, "odd": 3}, {"a": frozenset("x"), "b": frozenset("2")}, ("k", "2")
    )
    learnt = Learnt("1.0", one, two)
    assert learnt.tables == ("events", "outbox")
    assert learnt.contents("github") == {"a": frozenset("x")}
    assert learnt.given("github") == {2: "k"}
    assert learnt.contents("jira") == {}

"""JSON Pointers, and whether one document contains another."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback_drills.clients.answers import Answer, contains, matches
from rollback_drills.clients.credentials import pointer
from rollback_drills.target.probe_tables import (
    Probe,
)

KEYS = st.text("ab/~01", max_size=3)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=15,
)


def resolve(document: Any, path: str) -> Any:
    """RFC 6901, section 3 (syntax) and section 4 (evaluation): an independent implementation."""
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
    """A document, and a path that often exists in it."""
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

"""What a few deliveries have left in the database, whichever tables that is in.

A row belongs to a delivery if the delivery's id stands in it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pydantic import JsonValue

from rollback_drills.clients.delivery import Delivered, by_query
from rollback_drills.core.errors import StackError
from rollback_drills.core.polling import poll_until
from rollback_drills.lab.stack import Stack
from rollback_drills.postgres import Written

ENOUGH = 4  # deliveries of a sample, so that a row for each of them is no coincidence
PATIENCE = 5.0  # seconds for rows that are written after the answer, before they count as missing
UNIQUE = "{unique}"

Contents = Mapping[str, frozenset[str]]
"""The texts in the rows of a delivery, by their place: table, column, and keys within a document."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What deliveries have left: contents by integration, the columns of `delivery.stored`, rows by table."""

    contents: Mapping[str, Contents]
    given: Mapping[str, tuple[str, ...]]
    rows: Mapping[str, int]
    deliveries: int


def take_sample(stack: Stack, names: Sequence[str], awaited: Collection[str] = ()) -> Sample:
    """Deliver to each integration, and read what was written.

    Args:
        awaited: tables in which rows of every delivery are waited for.
    """
    rounds = -(-ENOUGH // max(1, len(names)))
    since = stack.database.moment()
    sent = [stack.client.deliver(name) for _ in range(rounds) for name in names]
    taken = [each for each in sent if each.acknowledged]
    written = Written({}, {})

    def complete() -> bool:
        nonlocal written
        written = stack.database.written_since(since)
        return all(len(written.rows.get(table, ())) >= len(taken) for table in awaited)

    with suppress(StackError):  # what is missing is for who asks
        poll_until(complete, what="rows of deliveries", timeout=PATIENCE if awaited else 0.0)
    return Sample(
        contents={each.integration: contents_of(each, written) for each in taken},
        given=_given(stack, taken),
        rows={table: len(rows) for table, rows in written.rows.items()},
        deliveries=len(taken),
    )


def contents_of(delivered: Delivered, written: Written) -> dict[str, frozenset[str]]:
    places: defaultdict[str, set[str]] = defaultdict(set)
    for table, rows in written.rows.items():
        for row in rows:
            leaves = [*_leaves(table, {**row})]
            if any(delivered.id in text for _, text in leaves):
                for place, text in leaves:
                    places[place].add(text.replace(delivered.id, UNIQUE))
    return {place: frozenset(texts) for place, texts in places.items()}


def _leaves(place: str, value: JsonValue) -> Iterator[tuple[str, str]]:
    """Every text in a value, with its place; documents and bytes that hold text are looked into."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(f"{place}.{key}", each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(f"{place}[]", each)
    elif isinstance(value, str):
        text = _decoded(value)
        document = document_in(text)
        if document is not None:
            yield from _leaves(place, document)
        else:
            yield place, text
    elif value is not None:
        yield place, json.dumps(value)


def _decoded(text: str) -> str:
    """A bytea is printed in hexadecimal digits."""
    if text.startswith("\\x"):
        try:
            return bytes.fromhex(text[2:]).decode()
        except ValueError:
            return text
    return text


def document_in(text: str) -> dict[str, JsonValue] | list[JsonValue] | None:
    """The JSON document that a text is; None for any other text, and for an empty document."""
    if not text.startswith(("{", "[")):
        return None
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict | list) and parsed else None


def _given(stack: Stack, taken: Sequence[Delivered]) -> dict[str, tuple[str, ...]]:
    """What `delivery.stored` returns beside the id, by integration."""
    integrations = {each.id: each.integration for each in taken}
    asked = by_query(stack.target, [*integrations])
    rows = [row for query, ids in asked.items() for row in stack.database.query(query, {"ids": ids})]
    return {
        integrations[str(row[0])]: tuple(str(value).replace(str(row[0]), UNIQUE) for value in row[1:])
        for row in rows
        if str(row[0]) in integrations and len(row) > 1
    }

"""JSON values laid out for a reader: text, list, table, or the differences between two states."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from pydantic import JsonValue

from rollback_drills.report.text import cut
from rollback_drills.report.views.limits import Limits

_DIFF_KEYS = frozenset({"left_over", "missing", "changed"})
_BEFORE_AFTER = (("before", "after"), ("expected", "observed"), ("old", "new"))


@dataclass(frozen=True, slots=True)
class Plain:
    """A scalar, or a value too deep to lay out, as JSON."""

    text: str
    literal: bool
    kind: Literal["plain"] = "plain"


@dataclass(frozen=True, slots=True)
class Items:
    """A list of scalars."""

    items: tuple[str, ...]
    more: int
    kind: Literal["items"] = "items"


@dataclass(frozen=True, slots=True)
class Pairs:
    """An object whose values are scalars or small."""

    pairs: tuple[tuple[str, str], ...]
    more: int
    kind: Literal["pairs"] = "pairs"


@dataclass(frozen=True, slots=True)
class Records:
    """A list of objects that have the same few keys: a table."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int
    kind: Literal["records"] = "records"


Words = tuple[tuple[str, bool], ...]
"""A text in pieces, each with whether the other text lacks it."""


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One object that differs: left over, missing, or changed."""

    sign: Literal["left over", "missing", "changed"]
    name: str
    before: str
    after: str

    @property
    def before_words(self) -> Words:
        """The former text, with the words that are gone marked."""
        return _marked(self.before, self.after)

    @property
    def after_words(self) -> Words:
        """The present text, with the new words marked."""
        return _marked(self.after, self.before)


@dataclass(frozen=True, slots=True)
class Diff:
    """The differences between the expected and the observed state."""

    lines: tuple[DiffLine, ...]
    more: int
    kind: Literal["diff"] = "diff"


_MOST_COLUMNS = 5
_COMPARED = 600  # characters up to which two definitions are compared word by word
_WORD = re.compile(r"\s+|\w+|[^\w\s]")

Value = Plain | Items | Pairs | Records | Diff


def view(value: JsonValue, limits: Limits) -> Value:
    """The layout for ``value``."""
    match value:
        case dict() if value and value.keys() <= _DIFF_KEYS and is_diff(value):
            return _diff(value, limits)
        case {"tables": list(tables), **rest} if not rest and (table := _records(tables, limits)):
            return table
        case list() if table := _records(value, limits):
            return table
        case dict() if value:
            shown = list(value.items())[: limits.items]
            pairs = tuple((cut(key, limits.line), brief(item, limits.value)) for key, item in shown)
            return Pairs(pairs, len(value) - len(shown))
        case list() if value and all(not isinstance(item, list | dict) for item in value):
            return Items(
                tuple(brief(item, limits.value) for item in value[: limits.items]), max(0, len(value) - limits.items)
            )
        case str() if value:
            return Plain(cut(value, limits.value), literal=False)
        case _:
            return Plain(brief(value, limits.value), literal=True)


def _records(value: list[JsonValue], limits: Limits) -> Records | None:
    """``value`` as a table, if it is a list of small objects with the same keys."""
    rows = [item for item in value if isinstance(item, dict)]
    if not rows or len(rows) < len(value) or not 0 < len(rows[0]) <= _MOST_COLUMNS:
        return None
    if any(row.keys() != rows[0].keys() for row in rows):
        return None
    columns = tuple(cut(name.replace("_", " "), 60) for name in rows[0])
    cells = tuple(tuple(brief(row[name], limits.value) for name in rows[0]) for row in rows[: limits.items])
    return Records(columns, cells, len(rows) - len(cells))


def brief(value: JsonValue, limit: int) -> str:
    """``value`` as one piece of text: strings bare, the rest as JSON."""
    match value:
        case "":
            return "(empty)"
        case str():
            return cut(value, limit)
        case None:
            return "none"
        case [] | {} if not value:
            return "nothing"
        case _:
            return cut(json.dumps(value, ensure_ascii=False), limit)


def is_diff(value: Mapping[str, JsonValue]) -> bool:
    """Whether every part is a collection, as in a schema difference."""
    return all(isinstance(part, list | dict) for part in value.values())


def _diff(value: Mapping[str, JsonValue], limits: Limits) -> Diff:
    lines = [
        *(line for part in ("left_over", "missing") for line in _one_sided(part, value.get(part), limits)),
        *_changed(value.get("changed"), limits),
    ]
    return Diff(tuple(lines[: limits.items]), max(0, len(lines) - limits.items))


def _one_sided(part: str, value: JsonValue, limits: Limits) -> Iterator[DiffLine]:
    sign: Literal["left over", "missing"] = "missing" if part == "missing" else "left over"
    for name, definition in _entries(value):
        text = "" if definition is None else brief(definition, limits.value)
        yield DiffLine(sign, cut(name, limits.line), *(("", text) if sign == "left over" else (text, "")))


def _changed(value: JsonValue, limits: Limits) -> Iterator[DiffLine]:
    for name, change in _entries(value):
        before, after = _before_after(change)
        yield DiffLine("changed", cut(name, limits.line), brief(before, limits.value), brief(after, limits.value))


def _marked(text: str, other: str) -> Words:
    """The pieces of ``text``; none is marked if the other text is absent or both are too long to compare."""
    if not other or max(len(text), len(other)) > _COMPARED:
        return ((text, False),)
    ours, theirs = _WORD.findall(text), _WORD.findall(other)
    pieces = []
    for tag, start, end, _, _ in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag != "insert":
            pieces.append(("".join(ours[start:end]), tag != "equal"))
    return tuple(pieces)


def _entries(value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """Name and definition of each entry: of an object, or of a list of names or of objects with a ``key``."""
    match value:
        case dict():
            yield from value.items()
        case list():
            for item in value:
                yield _entry(item)


def _entry(item: JsonValue) -> tuple[str, JsonValue]:
    if isinstance(item, dict) and isinstance(name := item.get("key"), str):
        return name, item.get("definition", {part: value for part, value in item.items() if part != "key"} or None)
    if isinstance(item, list) and item and isinstance(item[0], str):
        return item[0], item[1] if len(item) == 2 else item[1:] or None
    return brief(item, 1000), None


def _before_after(change: JsonValue) -> tuple[JsonValue, JsonValue]:
    if isinstance(change, dict):
        for before, after in _BEFORE_AFTER:
            if before in change or after in change:
                return change.get(before), change.get(after)
    if isinstance(change, list) and len(change) == 2:
        return change[0], change[1]
    return "", change

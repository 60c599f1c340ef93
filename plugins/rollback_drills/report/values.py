"""JSON values as a reader wants to see them: text, list, table, or the differences between two states."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from rollback_drills.report.limits import Limits
from rollback_drills.report.text import cut

_DIFF_KEYS = frozenset({"left_over", "missing", "changed"})
_BEFORE_AFTER = (("before", "after"), ("expected", "observed"), ("old", "new"))


@dataclass(frozen=True, slots=True)
class Plain:
    """A scalar, or what is too deep to be laid out, as JSON."""

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
class DiffLine:
    """One object that differs: left over, missing, or changed."""

    sign: Literal["left over", "missing", "changed"]
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Diff:
    """The differences between the state that was expected and the one that was found."""

    lines: tuple[DiffLine, ...]
    more: int
    kind: Literal["diff"] = "diff"


Value = Plain | Items | Pairs | Diff


def view(value: JsonValue, limits: Limits) -> Value:
    """How ``value`` is to be shown."""
    match value:
        case dict() if value and value.keys() <= _DIFF_KEYS and is_diff(value):
            return _diff(value, limits)
        case dict() if value:
            shown = list(value.items())[: limits.items]
            pairs = tuple((cut(key, limits.line), brief(item, limits.value)) for key, item in shown)
            return Pairs(pairs, len(value) - len(shown))
        case list() if value and all(not isinstance(item, list | dict) for item in value):
            return Items(tuple(brief(item, limits.value) for item in value[: limits.items]),
                         max(0, len(value) - limits.items))  # fmt: skip
        case str() if value:
            return Plain(cut(value, limits.value), literal=False)
        case _:
            return Plain(brief(value, limits.value), literal=True)


def brief(value: JsonValue, limit: int) -> str:
    """``value`` as one piece of text: strings bare, the rest as JSON."""
    match value:
        case "":
            return "(empty)"
        case str():
            return cut(value, limit)
        case None:
            return "none"
        case _:
            return cut(json.dumps(value, ensure_ascii=False), limit)


def is_diff(value: Mapping[str, JsonValue]) -> bool:
    """Whether every part is a collection, as those of a schema difference are."""
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
        yield DiffLine(
            "changed", cut(name, limits.line), brief(before, limits.value), brief(after, limits.value)
        )


def _entries(value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """Name and definition of each entry: of an object, or of a list of names or of objects with a ``key``."""
    match value:
        case dict():
            yield from value.items()
        case list():
            for item in value:
                match item:
                    case {"key": str(name), **rest}:
                        yield name, rest.get("definition", rest or None)
                    case [str(name), *rest]:
                        yield name, rest[0] if len(rest) == 1 else rest or None
                    case str():
                        yield item, None
                    case _:
                        yield json.dumps(item, ensure_ascii=False), None


def _before_after(change: JsonValue) -> tuple[JsonValue, JsonValue]:
    if isinstance(change, dict):
        for before, after in _BEFORE_AFTER:
            if before in change or after in change:
                return change.get(before), change.get(after)
    if isinstance(change, list) and len(change) == 2:
        return change[0], change[1]
    return "", change

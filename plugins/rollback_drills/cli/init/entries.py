"""Entries and tables of a target file, and how they are written in TOML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["found", "guessed", "fill in", "default", "off"]
Value = str | int | bool | list[str] | Mapping[str, "str | Mapping[str, str]"]
_MARKS: dict[Kind, str] = {"found": "found: ", "guessed": "guessed: ", "fill in": "FILL IN: "}
_WIDTH = 100  # columns; in a longer line, the note goes above the entry


@dataclass(frozen=True, slots=True)
class TargetEntry:
    """A key and its value; ``note`` says where the value comes from, or what to fill in."""

    key: str
    value: Value
    kind: Kind
    note: str = ""

    def lines(self) -> Iterator[str]:
        """One or two lines of TOML; an entry that is ``off`` is a comment."""
        off = "# " if self.kind == "off" else ""
        line = f"{off}{_key(self.key)} = {to_toml(self.value)}"
        note = f"# {_MARKS.get(self.kind, '')}{self.note}"
        if not self.note:
            yield line
        elif len(line) + len(note) > _WIDTH:
            yield from (note, line)
        else:
            yield f"{line}  {note}"


@dataclass(frozen=True, slots=True)
class TargetSection:
    """A table; ``comment`` says what it is for."""

    name: str
    comment: str
    entries: tuple[TargetEntry, ...]

    def lines(self) -> Iterator[str]:
        if self.comment:
            yield f"# {self.comment}"
        if self.name:
            yield f"[{self.name}]"
        for entry in self.entries:
            yield from entry.lines()


def to_toml(value: Value) -> str:
    """A value as TOML, on one line."""
    match value:
        case bool():
            return str(value).lower()
        case list():
            return f"[{', '.join(map(to_toml, value))}]"
        case Mapping():
            inner = ", ".join(f"{_key(name)} = {to_toml(text)}" for name, text in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case _:
            return str(value)


def _key(key: str) -> str:
    return ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part) for part in key.split("."))

"""Secrets are taken out when something is recorded, so that no file of a run ever holds them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydantic import JsonValue

MASK = "[redacted]"
_MIN_LITERAL = 4  # Shorter values ("on", "1") are no secrets and would blank half of every log.

_SECRET_NAME = r"[\w.-]*(?:passw(?:or)?d|passwd|secret|token|api[_-]?key|private[_-]?key|credential)[\w.-]*"
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # scheme://user:password@host, the password up to the last @ before the next slash or blank
    (re.compile(r"(?P<keep>\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/]*(?=@)", re.I), rf"\g<keep>{MASK}"),
    (re.compile(r"(?P<keep>\bauthorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|token|digest)\s+)?)"
                r"[^\s\"',;]+", re.I), rf"\g<keep>{MASK}"),
    (re.compile(r"(?P<keep>\bbearer\s+)[\w.~+/=-]{8,}", re.I), rf"\g<keep>{MASK}"),
    (re.compile(rf"(?P<keep>\b{_SECRET_NAME}[\"']?\s*[:=]\s*)(?:\"[^\"]*\"|'[^']*'|[^\s\"',;&}}]+)", re.I),
     rf"\g<keep>{MASK}"),
    (re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}"
                r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{4,})"), MASK),
)  # fmt: skip
_NAME = re.compile(rf"^{_SECRET_NAME}$", re.I)


class Redactor:
    """Masks known secret values and whatever has the shape of one."""

    def __init__(self, literals: Iterable[str] = ()) -> None:
        self._literals: list[str] = []
        for literal in literals:
            self.add(literal)

    def add(self, literal: str) -> None:
        """Mask this value wherever it appears from now on."""
        if len(literal) >= _MIN_LITERAL and literal not in self._literals:
            self._literals.append(literal)
            self._literals.sort(key=len, reverse=True)  # the longest first: one may contain another

    def text(self, value: str) -> str:
        for literal in self._literals:
            value = value.replace(literal, MASK)
        for pattern, replacement in _PATTERNS:
            value = pattern.sub(replacement, value)
        return value

    def json(self, value: JsonValue) -> JsonValue:
        """The same value with every string in it, keys included, masked; values under secret names go whole."""
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.json(item) for item in value]
            case dict():
                return {
                    self.text(key): MASK if _NAME.match(key) and isinstance(item, str) else self.json(item)
                    for key, item in value.items()
                }
            case _:
                return value

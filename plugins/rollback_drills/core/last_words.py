"""The decisive words in what a program wrote before it failed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest

_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning|Failed|Failure|Timeout)(?::.*)?$")
_TRACEBACK = "Traceback (most recent call last):"
_COMPLAINT = re.compile(r"\b(?:ERROR|FATAL|PANIC|CRITICAL|[Ee]rror|[Ff]atal)\b\s*:")
_ADVERT = "For further information visit"
_MOST = 12  # lines of an exception's text


def decisive(text: str) -> str:
    """The exception that ended it, whole; else the last line that complains; else the last line. Empty without any."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return _exception(lines) or _complaint(lines) or (lines[-1].strip() if lines else "")


def _exception(lines: Sequence[str]) -> str:
    """The last line of the last traceback, with the lines that belong to it: a ValidationError names each field."""
    begins = [number for number, line in enumerate(lines) if line.strip() == _TRACEBACK]
    after = begins[-1] + 1 if begins else 0
    for number in range(after, len(lines)):
        line = lines[number]
        if not line.startswith((" ", "\t")) and (_EXCEPTION.match(line) or begins):
            rest = [each for each in _indented(lines[number + 1 :]) if _ADVERT not in each]
            return " ".join([line, *(each.strip() for each in rest)])
    return ""


def _indented(lines: Sequence[str]) -> list[str]:
    """The lines of an exception's text: pydantic's names of fields are not indented, their errors are."""
    found: list[str] = []
    for line, after in zip_longest(lines[:_MOST], lines[1 : _MOST + 1], fillvalue=""):
        if not (line.startswith("  ") or after.startswith("  ")):
            break
        found.append(line)
    return found


def _complaint(lines: Sequence[str]) -> str:
    """psql's first error is the cause of those that follow it; a server's FATAL is its last word."""
    complaints = [line.strip() for line in lines if _COMPLAINT.search(line)]
    return complaints[0] if complaints else ""

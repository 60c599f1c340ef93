"""Text in columns of a terminal: as wide as it is shown, wrapped after a word, never cut in its middle."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import zip_longest


def clip(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns, on one line."""
    text = " ".join(text.splitlines()) if "\n" in text else text
    if width_of(text) <= width:
        return text
    kept, used = [], 0
    for character in text:
        used += columns(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"


def pad(text: str, width: int) -> str:
    """``text`` filled up with blanks to ``width`` columns."""
    return text + " " * max(0, width - width_of(text))


def width_of(text: str) -> int:
    """How many columns ``text`` takes."""
    return len(text) if text.isascii() else sum(map(columns, text))


def columns(character: str) -> int:
    """How many columns of a terminal a character takes: 0 (combining), 1, or 2 (East Asian wide, emoji)."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrap(text: str, width: int) -> list[str]:
    """``text`` in lines of at most ``width`` columns, broken between words; a longer word is broken where it must."""
    # Wide characters take two columns each, so the wrapping allows for the widest that there is.
    widest = 1 if text.isascii() else max(map(columns, text), default=1) or 1
    return textwrap.wrap(" ".join(text.split()), max(1, width // widest), break_on_hyphens=False)


def hanging(text: str, width: int, lead: str) -> Iterator[str]:
    """``text`` behind ``lead``, its further lines below its first."""
    for index, line in enumerate(wrap(text, width - len(lead))):
        yield (lead if index == 0 else " " * len(lead)) + line


def row(cells: Sequence[str], sizes: Sequence[int], gap: int = 2) -> Iterator[str]:
    """``cells`` beside each other, each in lines of its column's width.

    Args:
        sizes: the columns' widths.
        gap: blanks between two columns.
    """
    wrapped = [wrap(cell, size) or [""] for cell, size in zip(cells, sizes, strict=True)]
    for line in zip_longest(*wrapped, fillvalue=""):
        yield (" " * gap).join(pad(text, size) for text, size in zip(line, sizes, strict=True)).rstrip()

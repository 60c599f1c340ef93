"""Text as it may be shown to people: harmless, of bounded length, and with units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

# What moves the cursor, hides, or turns the reading direction: C0 (but tab and newline), DEL, C1, soft hyphen,
# Arabic letter mark, zero-width and bidirectional marks, line and paragraph separators, lone surrogates,
# interlinear marks, noncharacters, invisible tags.
_TREACHEROUS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)


NOT_MEASURED = "not measured"
"""What stands for a figure that no drill measured; it is never a zero."""


def visible(text: str) -> str:
    """``text`` with every character that could deceive a reader or a terminal replaced by a visible stand-in.

    Control characters become their Unicode picture (ESC: ␛), all others their code point, ``<U+202E>``.
    """
    return _TREACHEROUS.sub(_stand_in, text)


def _stand_in(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"<U+{code:04X}>"


def cut(text: str, limit: int) -> str:
    """``text`` in at most some ``limit`` characters: its middle gives way to a note on how many were left out."""
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    tail = limit - head
    note = f"[… {len(text) - limit:,} characters left out …]"
    around = "\n" if "\n" in text else " "
    return f"{text[:head]}{around}{note}{around}{text[-tail:] if tail else ''}"


def one_line(text: str, limit: int = 300) -> str:
    """``text`` on one line, blanks folded; what exceeds ``limit`` is cut off after a word, with ``…`` in its place."""
    folded = " ".join(text[: 8 * limit].split())
    if len(folded) <= limit and len(text) <= 8 * limit:
        return folded
    head = folded[: max(1, limit - 2)]
    word = head.rpartition(" ")[0]
    return f"{(word if len(word) > limit // 2 else head).rstrip(' ,;:.')} …"


def paragraphs(text: str, limit: int) -> tuple[str, ...]:
    """The paragraphs of ``text`` without the line breaks that its source needed, ``limit`` characters in all."""
    return tuple(" ".join(part.split()) for part in re.split(r"\n\s*\n", cut(text, limit)) if part.strip())


@lru_cache(maxsize=4096)
def seconds(value: float | None) -> str:
    """A duration for people: ``0.34 s``, ``45.2 s``, ``2 min 5 s``, ``1 h 4 min``."""
    if value is None:
        return NOT_MEASURED
    if 0 < value < 0.01:
        return "< 0.01 s"
    if value < 9.995:
        return f"{value:.2f}".rstrip("0").rstrip(".") + " s"
    if value < 59.95:
        return f"{value:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (0 if hours else rest, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def size(count: int) -> str:
    """Bytes for people: ``512 B``, ``34.1 kB``, ``2.0 MB``, ``25.3 GB``."""
    if count < 1000:
        return f"{count} B"
    for unit, name in ((1_000_000_000, "GB"), (1_000_000, "MB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count / 1000:.1f} kB"


def moment(iso: str) -> str:
    """``2026-11-22 03:04:05 UTC`` of an ISO 8601 moment; what cannot be read is given back as it is, cut."""
    try:
        parsed = datetime.fromisoformat(iso)
    except ValueError:
        return one_line(iso, 60)
    parsed = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    return f"{parsed:%Y-%m-%d %H:%M:%S} UTC"


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 drill``, ``2 drills``, ``no drills``."""
    many = plural or noun + "s"
    return f"{number:,} {noun}" if number == 1 else f"{number or 'no'} {many}" if not number else f"{number:,} {many}"


def enumerate_words(words: Sequence[str], limit: int = 6) -> str:
    """``a, b and c``; beyond ``limit`` words ``a, b and 4 more``."""
    shown = list(words) if len(words) <= limit else [*words[: limit - 1], f"{len(words) - limit + 1} more"]
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def humanise(identifier: str) -> str:
    """``scenario-b`` as ``Scenario B``: what an anchor or an id says, in words."""
    words = [word.upper() if len(word) == 1 else word for word in re.split(r"[-_\s]+", identifier) if word]
    if not words:
        return identifier
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])

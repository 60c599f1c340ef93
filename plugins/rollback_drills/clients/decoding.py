"""The body of an answer as text and as JSON: one decoder for probes and for the load, so that both judge alike.

Uses the standard library only, since the load's own process imports this, too.
"""

from __future__ import annotations

import codecs
import json
import re
import zlib
from typing import Any

MOST_BYTES = 16_000_000  # of one answer, as received and as decompressed
BODY_LIMIT = 2_000  # characters of an error's body that is not JSON that are recorded
TEXT_LIMIT = 1 << 16  # characters of a body that patterns are matched against
ACCEPT_ENCODING = "gzip, deflate"
"""What a request says that it can decompress: what `decompressed` can."""

_CHARSET = re.compile(r"""charset\s*=\s*["']?([^\s;"']+)""", re.IGNORECASE)
_MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def text_of(content: bytes, content_type: str = "", content_encoding: str = "") -> str:
    """The text of an answer's body.

    Args:
        content: as it came over the wire, without transfer encoding.

    Raises:
        ValueError: it is not compressed as the answer says, or it is too long.
    """
    content = decompressed(content, content_encoding)
    return content.decode(encoding_of(content, content_type), errors="replace")


def value_of(text: str, status: int, content_type: str) -> Any:
    """What a body says: parsed if its type is JSON, otherwise the text; that of an error is cut."""
    if is_json(content_type):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text[:BODY_LIMIT]
    return text if 200 <= status < 300 else text[:BODY_LIMIT]


def is_json(content_type: str) -> bool:
    """Whether a content type is JSON: ``application/json``, ``application/problem+json`` and their like."""
    return "json" in content_type.lower()


def encoding_of(content: bytes, content_type: str = "") -> str:
    """The name of the codec: a byte order mark, then the charset, then what the zeros of JSON show, then UTF-8."""
    for mark, name in _MARKS:
        if content.startswith(mark):
            return name
    said = _CHARSET.search(content_type)
    if said is not None:
        try:
            return codecs.lookup(said[1]).name
        except LookupError:
            return "utf-8"
    return json.detect_encoding(content) if is_json(content_type) and content else "utf-8"


def decompressed(content: bytes, content_encoding: str) -> bytes:
    """Undo the encodings of a body (RFC 9110, section 8.4), the last one first. One that is unknown is left as it is.

    Raises:
        ValueError: it is not compressed as the answer says, or it is too long.
    """
    for name in reversed([each.strip().lower() for each in content_encoding.split(",")]):
        if name in ("gzip", "x-gzip"):
            content = _inflated(content, zlib.MAX_WBITS | 16, name)
        elif name == "deflate":  # in zlib's format by the standard, raw from some servers
            raw = (content[:1] or b"x")[0] & 0x0F != zlib.DEFLATED
            content = _inflated(content, -zlib.MAX_WBITS if raw else zlib.MAX_WBITS, name)
        elif name not in ("", "identity"):
            break
    return content


def _inflated(content: bytes, window_bits: int, name: str) -> bytes:
    """A file of gzip may have several members."""
    found = bytearray()
    while content:
        member = zlib.decompressobj(window_bits)
        try:
            found += member.decompress(content, MOST_BYTES + 1 - len(found))
        except zlib.error:
            raise ValueError(f"the body is not compressed with {name}, as the answer says") from None
        if len(found) > MOST_BYTES:
            raise ValueError(f"the body is longer than {MOST_BYTES} bytes")
        if not member.eof:
            raise ValueError(f"the body compressed with {name} ends in its middle")
        content = member.unused_data
    return bytes(found)

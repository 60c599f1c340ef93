"""Removes secrets when something is recorded, so that no file of a run ever contains them.

Every pattern takes time linear in the text, which comes from the system under drill and may be anything.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from pydantic import JsonValue

from rollback_drills.core.secret_names import is_ordinary, says_secret

MASK = "[redacted]"
_MIN_LITERAL = 4  # characters; shorter values ("on", "1") are no secrets, and masking them would blank every log
_PASSES = 4  # a mask may let another pattern match; two passes settle all but contrived texts

_KEYWORD = r"(?:passw(?:or)?d|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key|credential)"
_VALUE = r"(?:\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+'|\\+\"[^\"]*+\"|[^\s\"',;&}]+)"
_PLACEHOLDER = r"(?!VALUE\b)"  # NAME=VALUE, as a remedy writes it
# scheme://user:password@host, the password up to the last @ before the next slash or blank
_URL_PASSWORD = re.compile(r"(?P<keep>(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,40}+://[^\s:/@]*+:)[^\s/]*(?=@)", re.I)
_AUTHORIZATION = re.compile(
    r"(?P<keep>authorization\\*[\"']?\s*+[:=]\s*+\\*[\"']?(?:(?:bearer|basic|token|digest)\s++)?)[^\s\"',;\\]+", re.I
)
_BEARER = re.compile(r"(?P<keep>\bbearer\s++)[\w.~+/=-]{8,}", re.I)
# name=value and "name": "value", quoted or not, also inside a JSON string (with \" for the quotation marks)
_NAMED_VALUE = re.compile(
    rf"(?P<keep>{_KEYWORD}[\w.-]{{0,80}}+\\*[\"']?\s*+[:=]\s*+){_PLACEHOLDER}{_VALUE}", re.I | re.S
)
# STRIPE_KEY=…: the weaker words only in the names of variables, since "key: value" is everywhere
_VARIABLE = re.compile(
    r"(?P<keep>(?<![A-Za-z0-9_])(?![A-Z_]{0,40}(?:PRIMARY|FOREIGN|UNIQUE|PUBLIC|EVENT|IDEMPOTENCY|ROUTING)_KEY)"
    rf"(?:[A-Z][A-Z0-9]{{0,40}}+_){{1,8}}+(?:KEY|DSN|PWD|AUTH|COOKIE)\\*[\"']?\s*+[:=]\s*+){_PLACEHOLDER}{_VALUE}",
    re.S,
)
_COOKIE = re.compile(r"(?P<keep>(?<![\w])(?:set-)?cookie\\*[\"']?\s*+[:=]\s*+\\*[\"']?)[^\s\"'\\][^\r\n\"'\\]*+", re.I)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)", re.S
)
_VENDOR_TOKEN = re.compile(
    r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|eyJ[\w-]{8,}+\.[\w-]{8,}+\.[\w-]{4,})"
)
_AFTER_KEPT = rf"\g<keep>{MASK}"
_PATTERNS = (
    (_URL_PASSWORD, _AFTER_KEPT),
    (_AUTHORIZATION, _AFTER_KEPT),
    (_BEARER, _AFTER_KEPT),
    (_NAMED_VALUE, _AFTER_KEPT),
    (_VARIABLE, _AFTER_KEPT),
    (_COOKIE, _AFTER_KEPT),
    (_PRIVATE_KEY, MASK),
    (_VENDOR_TOKEN, MASK),
)
_HAS_KEYWORD = re.compile(_KEYWORD, re.I)
_NAME = re.compile(r"[\w.-]+")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Redactor:
    """Masks known secret values, and everything that looks like one."""

    def __init__(self, literals: Iterable[str] = ()) -> None:
        self._adding = threading.Lock()  # the load's logins are told from another thread
        self._literals: set[str] = set()
        self._known: re.Pattern[str] | None = None
        self._paths: dict[str, str] = {}
        for literal in literals:
            self.add(literal)

    def add(self, literal: str) -> None:
        """Mask this value from now on, also in the forms in which a URL or a JSON string writes it."""
        written = {_encodable(literal), quote(_encodable(literal), safe=""), json.dumps(literal)[1:-1]}
        found = {form for form in written if len(form) >= _MIN_LITERAL and form not in MASK}
        with self._adding:
            if found <= self._literals:
                return
            self._literals |= found
            # The longest first, since one may contain another; the mask before all, since it must not be masked.
            ordered = [MASK, *sorted(self._literals, key=lambda each: (-len(each), each))]
            self._known = re.compile("|".join(map(re.escape, ordered)))

    def add_known(self, value: str) -> None:
        """Mask a password from now on, unless it is an ordinary word, as ``postgres``, that texts contain anyway.

        Such a one is masked where it stands as a password only: in a URL, in ``POSTGRES_PASSWORD=…``.
        """
        if not is_ordinary(value):
            self.add(value)

    def shorten(self, path: str, name: str) -> None:
        """Write ``name`` for a directory of this machine: its path is private, and explains nothing."""
        if len(path) > len(name):
            self._paths[path] = name
            self._paths = dict(sorted(self._paths.items(), key=lambda each: -len(each[0])))

    def text(self, value: str) -> str:
        """The text without secrets; a lone surrogate, which no file can contain, becomes an escape sequence."""
        value = _encodable(value)
        for path, name in self._paths.items():
            value = value.replace(path, name)
        for _ in range(_PASSES):
            before = value
            if self._known is not None:
                value = self._known.sub(MASK, value)
            for pattern, replacement in _PATTERNS:
                value = pattern.sub(replacement, value)
            if value == before:
                break
        return value

    def arguments(self, argv: Sequence[str]) -> tuple[str, ...]:
        """A command line, masked like text; the argument after an option such as ``--password`` is masked whole."""
        masked = []
        after_secret_option = False
        for argument in argv:
            masked.append(MASK if after_secret_option else self.text(argument))
            after_secret_option = argument.startswith("-") and _is_secret_name(argument)
        return tuple(masked)

    def json(self, value: JsonValue) -> JsonValue:
        """The same value with every string in it masked, keys included; values under secret names are masked whole.

        Numbers that JSON lacks (NaN, infinities) become text.
        """
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.json(item) for item in value]
            case dict():
                return {
                    self._key(key, taken): _blank(item) if _is_secret_name(key) else self.json(item)
                    for taken, (key, item) in enumerate(value.items())
                }
            case float() if not math.isfinite(value):
                return str(value)
            case _:
                return value

    def _key(self, key: str, position: int) -> str:
        """Masked keys get their position, so that none replaces another."""
        masked = self.text(key)
        return masked if masked == key or MASK not in masked else f"{masked} ({position + 1})"


def _is_secret_name(name: str) -> bool:
    """A key such as ``primary_key`` is data; only the names of variables and headers may have a weaker word."""
    if not _NAME.fullmatch(name):
        return False
    return bool(_HAS_KEYWORD.search(name)) or ((name.isupper() or "-" in name) and says_secret(name))


def _blank(value: JsonValue) -> JsonValue:
    """A value under a secret name with every text in it masked; numbers and booleans stay."""
    match value:
        case str():
            return MASK
        case list():
            return [_blank(item) for item in value]
        case dict():
            return {key: _blank(item) for key, item in value.items()}
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return value


def _encodable(text: str) -> str:
    return _LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)

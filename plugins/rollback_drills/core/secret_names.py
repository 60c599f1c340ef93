"""Which names say that their value is a secret, and which values are too ordinary to be cut out of prose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import JsonValue

from rollback_drills.core.placeholders import names_in


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")  # of API_KEY, X-Api-Key, apiKey
_STRONG = _words("password passwd passphrase secret token credential credentials apikey")
_WEAK = _words("key keys dsn pwd cookie cookies auth authorization")  # as the last word of a name
_SETTINGS = _words(  # the last word of a name that only sets something: TOKEN_TTL, PASSWORD_POLICY
    "ttl policy mode enabled disabled required length expiry expires lifetime algorithm type issuer name header "
    "timeout seconds minutes hours days url uri variable rounds prefix bucket"
)
_OTHER_KEYS = _words(  # the word before KEY that makes it a key of data
    "primary foreign unique public event idempotency dedup deduplication partition routing cache sort object message "
    "order issue project group request correlation"
)
_ORDINARY = _words(
    "postgres postgresql password secret gateway database example default development production staging testing "
    "changeme localhost webhook webhooks service public private enabled disabled required optional"
)
_SHORTEST_WORD = 6  # letters; a shorter word, as "admin", may stand anywhere
_SCHEMES = re.compile(r"(?:bearer|basic|token|digest|apikey)\s+", re.I)
_RANDOM = re.compile(r"(?=[^\d]*\d)(?=[^A-Za-z]*[A-Za-z])[\w+/=.~-]{8,}")
_ELEMENT = re.compile(r"<([\w:.-]{1,80})(?:\s[^<>]{0,400})?>([^<>]+)<")  # of XML
_LONG_LINE = 16  # characters; shorter lines of a key may be anything


def says_secret(name: str) -> bool:
    """Whether the name of a variable or header says that its value is a secret."""
    words = [word.lower() for word in _WORD.findall(name)]
    while words and words[-1].isdigit():
        words.pop()
    if not words or words[-1] in _SETTINGS:
        return False
    if words[-1] in _WEAK:
        return len(words) < 2 or words[-2] not in _OTHER_KEYS
    return bool(_STRONG & {*words, "".join(words[-2:])}) or any("password" in word for word in words)


def is_ordinary(value: str) -> bool:
    """Whether a value is a word or number that texts contain anyway: it is masked only where it is a password."""
    plain = value.isalpha() or value.isdigit()
    return value.lower() in _ORDINARY or (plain and len(value) < _SHORTEST_WORD)


def secrets_in(table: Mapping[str, JsonValue]) -> Iterator[str]:
    """The secrets in the values of a table of variables, headers or fields, down to the texts in nested ones."""
    for name, value in table.items():
        match value:
            case str():
                yield from secrets_of(name, value)
            case dict():
                yield from secrets_in(value)
            case list():
                yield from secrets_in({f"{name}{index}": each for index, each in enumerate(value)})


def secrets_in_text(body: str) -> Iterator[str]:
    """A body that is secret as a whole, and the secrets in its fields: of JSON, of a form, of XML."""
    text = body.replace("{{", "{").replace("}}", "}")
    if not text.strip():
        return
    yield text
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        yield from secrets_in(document)
    for name, value in (*parse_qsl(text), *_ELEMENT.findall(text)):
        if says_secret(name) and not is_ordinary(value):
            yield value


def secrets_of(name: str, value: str) -> Iterator[str]:
    """The secrets in a value: all of it, without the scheme of a header, each of a cookie, the password of a URL."""
    try:
        template = bool(names_in(value))
    except ValueError:
        template = False
    found = list(_named(value, template=template)) if says_secret(name) else []
    if not template:
        found += _password_of(value)
    yield from (each for each in found if not is_ordinary(each))


def _named(value: str, *, template: bool) -> Iterator[str]:
    """With placeholders in it, only what looks random is secret; the rest of the text is layout."""
    if template:
        yield from _RANDOM.findall(re.sub(r"\{\w+\}", " ", value))
        return
    value = value.replace("{{", "{").replace("}}", "}")
    yield value
    if scheme := _SCHEMES.match(value):
        yield value[scheme.end() :].strip()
    yield from (part.partition("=")[2].strip() for part in value.split(";") if "=" in part)
    yield from (line.strip() for line in value.splitlines() if len(line.strip()) >= _LONG_LINE)


def _password_of(value: str) -> Iterator[str]:
    if "://" in value and "@" in value:
        try:
            password = urlsplit(value).password
        except ValueError:
            return
        if password:
            yield from {password, unquote(password)}

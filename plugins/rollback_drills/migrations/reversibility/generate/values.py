"""Values for a column, as PostgreSQL prints them: the edge cases of its type, then examples from Hypothesis.

Derandomised: a type has the same values in every run, but for moments of the last minutes, which work that is under way
has in production. No other module of the room imports Hypothesis.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from rollback_drills.core.clock import Clock
from rollback_drills.migrations.reversibility.generate.catalogue import Type

DRAWN: Final = 6  # values from Hypothesis per type, besides the edge cases
LONG: Final = 1200  # characters of a "very long" text where the type has no limit
RECENT: Final = (timedelta(seconds=10), timedelta(minutes=3))  # before now
DECOMPOSED: Final = "Cafe\u0301 A\u030a"  # Unicode form NFD; normalize() composes it
_SAFE = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_INTEGERS: Final = {"int2": 15, "int4": 31, "int8": 63}
_LONG_TEXT: Final = "long 🚑 Größe ' \" \\ " * (LONG // 17)
_EDGES: Final[dict[str, tuple[str, ...]]] = {
    "bool": ("t", "f"),
    "float4": ("NaN", "-Infinity", "0", "3.4e38", "1e-37"),
    "float8": ("NaN", "-Infinity", "0", "1.7976931348623157e308", "0.1"),
    "bytea": ("\\x", "\\x00ff", "\\x" + "ab" * 300),
    "uuid": ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    "date": ("infinity", "-infinity", "2000-02-29", "0001-01-01 BC", "9999-12-31"),
    "timestamp": ("infinity", "2000-02-29 23:59:59.999999", "-infinity", "1969-12-31 23:59:59"),
    "timestamptz": ("infinity", "2026-03-29 01:30:00.000001+00", "-infinity", "1969-12-31 23:59:59+14"),
    "time": ("24:00:00", "00:00:00", "23:59:59.999999"),
    "timetz": ("24:00:00+00", "00:00:00-12", "23:59:59.999999+14"),
    "interval": ("0", "-178000000 years", "1 mon -1 day 00:00:00.000001"),
    "json": ('{"b": 1, "a": [null, "é", 1e2]}', "{}", "null", "[]", '"text"', "0"),
    "jsonb": ('{"a": [null, "é", 100.00], "b": {}}', "{}", "null", "[]", '"text"', "0"),
    "inet": ("0.0.0.0", "::1/128", "192.168.1.5/24"),
    "cidr": ("0.0.0.0/0", "::/0", "10.1.0.0/16"),
    "macaddr": ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"),
    "macaddr8": ("00:00:00:00:00:00:00:00",),
    "money": ("0", "-92233720368547758.08", "92233720368547758.07"),
    "xml": ("<a/>", "<a>é</a>"),
    "tsvector": ("", "'a':1 'b':2"),
    "tsquery": ("'a' & 'b'",),
    "point": ("(0,0)", "(1.5,-2)"),
    "line": ("{1,-1,0}",),
    "lseg": ("[(0,0),(1,1)]",),
    "box": ("(1,1),(0,0)",),
    "path": ("[(0,0),(1,1)]",),
    "polygon": ("((0,0),(1,1),(1,0))",),
    "circle": ("<(0,0),1>",),
    "oid": ("0", "4294967295"),
    "pg_lsn": ("0/0", "FFFFFFFF/FFFFFFFF"),
    "hstore": ("", '"a"=>"b", "c"=>NULL'),
    "ltree": ("", "a.b"),
    "regclass": ("pg_class",),
}
_TEXTS: Final = ("text", "varchar", "bpchar", "citext", "name")
_UNKNOWN: Final = ("", "0", "1", "a", "{}", "[]", "(0,0)", "[0]", "[1,2,3]")
_STRATEGIES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "float4": st.floats(width=32, allow_nan=False),
    "float8": st.floats(allow_nan=False),
    "bytea": st.binary(max_size=20).map(lambda value: "\\x" + value.hex()),
    "uuid": st.uuids(),
    "date": st.dates(),
    "timestamp": st.datetimes(),
    "timestamptz": st.datetimes().map(lambda value: f"{value}+00"),
    "time": st.times(),
    "interval": st.timedeltas().map(lambda value: f"{value.days} days {value.seconds} s {value.microseconds} us"),
    "json": st.dictionaries(st.text(_SAFE, max_size=5), st.integers() | st.text(_SAFE, max_size=5), max_size=3),
    "macaddr": st.binary(min_size=6, max_size=6).map(lambda value: value.hex(":")),
}


def pool(kind: Type, modifier: int = -1) -> tuple[str, ...]:
    """Distinct values that the type (of a domain: its base type) accepts, the most revealing ones first."""
    return _pool(kind, kind.modifier if kind.kind == "d" and modifier < 0 else modifier)


@cache
def _pool(kind: Type, modifier: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_values(kind, modifier)))


def _values(kind: Type, modifier: int) -> Iterable[str]:
    name = kind.name.removeprefix("pg_catalog.").rpartition(".")[2].strip('"')
    if kind.kind == "e":
        return [*kind.labels[::-1]]
    if kind.kind == "d" and kind.inner is not None:
        return pool(kind.inner, modifier)
    if kind.is_array and kind.inner is not None:
        return _arrays(pool(kind.inner, modifier))
    if kind.kind == "r" and kind.inner is not None:
        return ["empty", "(,)", *(f"[{_quoted(each)},{_quoted(each)}]" for each in pool(kind.inner)[:6])]
    if kind.kind == "m" and kind.inner is not None:
        return ["{}", *(f"{{{each}}}" for each in pool(kind.inner) if each != "empty")]
    if kind.kind == "c":
        pools = [pool(each, mod) for each, mod in kind.attributes]
        return ["(" + ",".join(_quoted(values[n % len(values)]) for values in pools) + ")" for n in range(4)]
    return _simple(name, modifier)


def _simple(name: str, modifier: int) -> Iterable[str]:
    if name in _INTEGERS:
        limit = 2 ** _INTEGERS[name]
        drawn = _drawn(st.integers(-limit, limit - 1), f"integer {name}")
        return [str(limit - 1), "0", str(-limit), "1", "-1", "7", *drawn, *map(str, range(2, 40))]
    if name == "numeric":
        return _numerics(modifier)
    if name in _TEXTS:
        return _texts(name, modifier)
    if name in ("bit", "varbit"):
        length = max(1, modifier) if name == "bit" else 1
        return ["0" * length, "1" * length, ("10" * length)[:length]]
    if name == "char":
        return ["a", "Z", ""]
    strategy = _STRATEGIES.get("json" if name == "jsonb" else name)
    write = json.dumps if name in ("json", "jsonb") else str
    drawn = _drawn(strategy.map(write), name) if strategy is not None else []
    return [*_recent(name), *_EDGES.get(name, _UNKNOWN), *drawn]


def _recent(name: str) -> list[str]:
    """Moments of the last minutes."""
    now = Clock().now()
    match name:
        case "timestamptz":
            return [(now - ago).isoformat(sep=" ") for ago in RECENT]
        case "timestamp":
            return [(now - ago).replace(tzinfo=None).isoformat(sep=" ") for ago in RECENT]
        case "date":
            return [now.date().isoformat()]
        case _:
            return []


def _texts(name: str, modifier: int) -> list[str]:
    longest = modifier - 4 if modifier >= 4 else 63 if name == "name" else LONG
    values = [
        _LONG_TEXT[:longest],
        "",
        "é🚑'\"\\ ",
        DECOMPOSED,
        "a",
        " b ",
        "NULL",
        "0",
        "é",
        "\n\t",
        "x" * min(longest, 100),
    ]
    values += _drawn(st.text(_SAFE, max_size=min(longest, 30)), f"text {longest}")
    values += ["abc", "Zz", "k1", "{}"]
    if name in ("bpchar", "name"):
        values = [value.rstrip() for value in values]
    return (
        [value[:longest].encode(errors="replace").decode()[:longest] for value in values]
        if name != "name"
        else [value for value in values if len(value.encode()) <= 63]
    )


def _numerics(modifier: int) -> list[str]:
    if modifier < 4:
        large = "9" * 40 + "." + "9" * 20
        return [
            "NaN",
            large,
            "0",
            f"-{large}",
            "0.1",
            "1",
            "-1",
            *_drawn(st.decimals(-1000, 1000, places=3), "numeric"),
        ]
    precision, scale = (modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0x7FF
    scale = scale - 2048 if scale >= 1024 else scale
    if scale < 0 or scale > precision:
        return ["0", "NaN"]
    digits = "9" * (precision - scale) or "0"
    most = f"{digits}.{'9' * scale}" if scale else digits
    least = f"0.{'0' * (scale - 1)}1" if scale else "1"
    return [most, "0", f"-{most}", least, "NaN", "1" if precision > scale else least]


def _arrays(values: tuple[str, ...]) -> list[str]:
    some = [_quoted(value) for value in values[:6]]
    return ["{}", "{" + ",".join(some) + "}", "{NULL}", *("{" + value + "}" for value in some[:3])]


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def unused(kind: Type, number: int) -> str | None:
    """The ``number``-th value outside of the type's pool, for columns whose values must differ; None: not known."""
    name = kind.name.removeprefix("pg_catalog.").rpartition(".")[2].strip('"')
    if kind.kind == "d" and kind.inner is not None:
        return unused(kind.inner, number)
    if name in ("int4", "int8", "numeric", "float8", "oid"):
        return str(100_000 + number)
    if name == "int2":
        return str(1_000 + number)
    if name in _TEXTS:
        return f"u{number}"
    if name == "uuid":
        return f"00000000-0000-4000-8000-{number:012x}"
    if name in ("date", "timestamp", "timestamptz"):
        return f"{2001 + number // 336}-{number // 28 % 12 + 1:02}-{number % 28 + 1:02}"
    return None


_LITERAL: Final = re.compile(r"'((?:[^']|'')*)'(?:::(?:\"[^\"]*\"|[\w. ]+))?")
_NUMBER: Final = re.compile(r"(?<![\w.'])\(?(-?\d+(?:\.\d+)?)\)?(?![\w'])")
_REGEX: Final = re.compile(r"~\*? '((?:[^']|'')*)'")


def hinted(expressions: Iterable[str]) -> tuple[str, ...]:
    """Values that the text of a CHECK suggests: its literals, numbers (and their neighbours), pattern matches."""
    found: list[str] = []
    for expression in expressions:
        found += _hints(expression)
    return tuple(dict.fromkeys(found))


@cache
def _hints(expression: str) -> tuple[str, ...]:
    found: list[str] = []
    for pattern in _REGEX.findall(expression):
        found += _matching(pattern.replace("''", "'"))
    literals = [literal.replace("''", "'") for literal in _LITERAL.findall(expression)]
    found += [literal for literal in literals if len(literal) < 200]
    found += [literal.replace("%", "a").replace("_", "b") for literal in literals if "%" in literal]
    for text in _NUMBER.findall(_LITERAL.sub("", expression)):
        if "." in text:
            found += [text, str(float(text) + 1), str(float(text) - 1)]
        elif len(text) < 19:
            number = int(text)
            found += [str(number), str(number + 1), str(number - 1)]
            found += ["x" * length for length in (number, number + 1, number - 1) if 0 < length <= 2000]
    return tuple(dict.fromkeys(found))


def _matching(pattern: str) -> list[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _drawn(st.from_regex(pattern, fullmatch=True).filter(lambda text: "\0" not in text), pattern)
    except (re.error, HypothesisException):
        return []


def _drawn(strategy: st.SearchStrategy[Any], what: str) -> list[str]:
    """Examples of a strategy. Hypothesis derives its seed from the test function's name, so each call gets its own."""
    values: list[str] = []

    def collect(value: Any) -> None:
        values.append(str(value))

    collect.__qualname__ = f"collect {what}"
    test = settings(
        max_examples=DRAWN,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )(given(strategy)(collect))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        test()
    return values

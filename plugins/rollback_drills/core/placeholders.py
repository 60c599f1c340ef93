"""``{placeholder}`` and ``${VARIABLE:-default}`` in target files: checked when the file is read, filled in later."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from string import Formatter

from pydantic import JsonValue

_SHORTEST_SECRET = 4  # characters; hiding a value such as "1" would make a message unreadable
# Answers are JSON or regular expressions, which have braces of their own: only `{word}` is a placeholder there.
_WORD = re.compile(r"(?<!\\N)\{(?:\{(?P<literal>[A-Za-z_]\w*)\}|(?P<name>[A-Za-z_]\w*))\}")
_ENVIRONMENT = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


def names_in(template: str) -> frozenset[str]:
    """The placeholders of a template; ``{{`` and ``}}`` are literal braces.

    Raises:
        ValueError: unbalanced braces, or something other than a plain name between them.
    """
    names: set[str] = set()
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{error} in {template!r}; a literal brace is written twice") from None
    for _, name, spec, conversion in parsed:
        if name is None:
            continue
        if not name.isidentifier() or spec or conversion:
            raise ValueError(f"{{{name}}} is not a placeholder; a literal brace is written twice")
        names.add(name)
    return frozenset(names)


def check(template: str, *, allowed: Collection[str], required: Collection[str] = ()) -> None:
    """Check the placeholders of a template.

    Raises:
        ValueError: one is unknown, or a required one is missing.
    """
    names = names_in(template)
    for name in sorted(names - set(allowed)):
        close = get_close_matches(name, allowed, n=1)
        hint = f", did you mean {{{close[0]}}}?" if close else ""
        known = ", ".join(f"{{{each}}}" for each in sorted(allowed))
        raise ValueError(f"unknown placeholder {{{name}}}{hint} (allowed here: {known})")
    missing = set(required) - names
    if missing:
        raise ValueError(f"must contain {' and '.join(f'{{{name}}}' for name in sorted(missing))}")


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with every placeholder replaced.

    Raises:
        KeyError: a placeholder is not in ``values``.
    """
    return template.format_map(values)


def fill_json(value: JsonValue, values: Mapping[str, str]) -> JsonValue:
    """The same JSON with every string in it filled in."""
    match value:
        case str():
            return fill(value, values)
        case list():
            return [fill_json(item, values) for item in value]
        case dict():
            return {key: fill_json(item, values) for key, item in value.items()}
        case _:
            return value


def check_answer(value: JsonValue, *, allowed: Collection[str]) -> None:
    """Check the placeholders of every text in an expected answer, keys included.

    Raises:
        ValueError: a placeholder is unknown there.
    """
    match value:
        case str():
            for match in _WORD.finditer(value):
                name = match["name"]
                if name is not None and name not in allowed:
                    known = ", ".join(f"{{{each}}}" for each in sorted(allowed))
                    raise ValueError(
                        f"{{{name}}} is not known in an answer (allowed here: {known}): leave open what differs from "
                        f"one answer to the next, by contains or pattern; {{{{{name}}}}} is the text {{{name}}} itself"
                    )
        case list():
            for item in value:
                check_answer(item, allowed=allowed)
        case dict():
            check_answer([*value, *value.values()], allowed=allowed)


def fill_answer(value: JsonValue, values: Mapping[str, str]) -> JsonValue:
    """The answer with every ``{word}`` filled in, and ``{{word}}`` as ``{word}``; other braces stay."""
    match value:
        case str():
            return _WORD.sub(lambda match: values[match["name"]] if match["name"] else f"{{{match['literal']}}}", value)
        case list():
            return [fill_answer(item, values) for item in value]
        case dict():
            return {str(fill_answer(key, values)): fill_answer(item, values) for key, item in value.items()}
        case _:
            return value


def strings_in(value: JsonValue) -> list[str]:
    """Every string in a JSON value, without keys."""
    match value:
        case str():
            return [value]
        case list():
            return [text for item in value for text in strings_in(item)]
        case dict():
            return [text for item in value.values() for text in strings_in(item)]
        case _:
            return []


class Expansion:
    """Replaces ``${NAME}`` throughout a document, and knows afterwards which values must be hidden.

    Args:
        environment: the variables.
        templates: the keys whose placeholders are filled in later (``gateway.env``); braces of a value from the
            environment are escaped there. Each is the beginning of a dotted key; ``*`` stands for any name.
    """

    def __init__(self, environment: Mapping[str, str], templates: tuple[str, ...] = ()) -> None:
        self._environment = environment
        self._templates = re.compile("|".join(re.escape(each).replace(r"\*", ".+") for each in templates) or r"(?!)")
        self._used: dict[str, str] = {}
        self.problems: list[str] = []

    def expand(self, value: object, where: str = "") -> JsonValue:
        """The document as JSON; dates of TOML become text, so that no key accepts them by accident."""
        match value:
            case str():
                return _ENVIRONMENT.sub(lambda match: self._value_of(match["name"], where, match["default"]), value)
            case dict():
                return {key: self.expand(item, f"{where}.{key}" if where else key) for key, item in value.items()}
            case list():
                return [self.expand(item, f"{where}[{index}]") for index, item in enumerate(value)]
            case float() if not math.isfinite(value):
                self.problems.append(f"{where}: must be a finite number (it is {value})")
                return None
            case bool() | int() | float():
                return value
            case _:
                return str(value)

    @property
    def used(self) -> dict[str, str]:
        """The variables that were used, with their values."""
        return dict(self._used)

    def hide(self, text: str) -> str:
        """``text`` with every value from the environment replaced by its ``${NAME}``."""
        forms = {
            form: f"${{{name}}}"
            for name, value in self._used.items()
            for form in (value, value.replace("{", "{{").replace("}", "}}"), repr(value)[1:-1], *value.splitlines())
            if len(form) >= _SHORTEST_SECRET
        }
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, forms[form])
        return text

    def _value_of(self, name: str, where: str, default: str | None) -> str:
        value = self._environment.get(name)
        if not value and default is not None:
            return default
        if value is None:
            self.problems.append(f"{where}: the environment variable {name} is not set")
            return ""
        try:
            value.encode()
        except UnicodeEncodeError:
            self.problems.append(f"{where}: the environment variable {name} is not UTF-8")
            return ""
        self._used[name] = value
        if self._templates.match(where):
            value = value.replace("{", "{{").replace("}", "}}")
        return value

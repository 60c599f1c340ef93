"""``{placeholder}`` and ``${ENVIRONMENT}`` in target files: checked when the file is read, filled in later."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from string import Formatter

from pydantic import JsonValue

_ENVIRONMENT = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def names_in(template: str) -> frozenset[str]:
    """The placeholders of a template; ``{{`` and ``}}`` stand for the braces themselves.

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
    """Raise ValueError when a placeholder is unknown or a required one is missing."""
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
    """The template with every placeholder replaced; those not in ``values`` raise KeyError."""
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


def strings_in(value: JsonValue) -> list[str]:
    """Every string in a JSON value, keys left out."""
    match value:
        case str():
            return [value]
        case list():
            return [text for item in value for text in strings_in(item)]
        case dict():
            return [text for item in value.values() for text in strings_in(item)]
        case _:
            return []


def expand_environment(text: str, environment: Mapping[str, str]) -> str:
    """Replace ``${NAME}`` by the environment's value.

    Raises:
        ValueError: the variable is not set.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in environment:
            raise ValueError(f"the environment variable {name} is not set")
        return environment[name]

    return _ENVIRONMENT.sub(value, text)

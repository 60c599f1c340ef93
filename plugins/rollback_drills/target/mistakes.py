"""Validation errors as lines that a person can act on: table, key, allowed values, "did you mean"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import ErrorDetails

_LONGEST_SHOWN = 100  # characters of a value that is quoted
_KINDS = {
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": 'must be a list: ["…", "…"]',
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
}


_MOST = 100  # mistakes that are explained


def explain(
    error: ValidationError, model: type[BaseModel], document: JsonValue, hide: Callable[[str], str]
) -> list[str]:
    """One line per mistake, in the order of the file's tables; the branches of a union are reported once.

    Args:
        hide: removes secrets from a line.
    """
    found = error.errors(include_url=False)
    lines = dict.fromkeys(hide(_line(details, model, document, hide)) for details in found[:_MOST])
    if len(found) > _MOST:
        lines[f"and {len(found) - _MOST:,} more: is it a target file?"] = None
    return list(lines)


def _line(details: ErrorDetails, model: type[BaseModel], document: JsonValue, hide: Callable[[str], str]) -> str:
    location = _real_location(details["loc"], document)
    where = _dotted(location) or "the file"
    kind = details["type"]
    if kind == "extra_forbidden":
        return f"{_dotted(location[:-1]) or 'top level'}: unknown key {location[-1]!r}{_suggest(location, model)}"
    if kind == "missing":
        parent = _dotted(location[:-1])
        table = f"[{parent}]" if parent else "the top level"
        return f"{where}: missing; {table} needs the key {location[-1]!r}"
    if kind == "json_invalid":
        return f"{where}: nested too deeply"  # TOML has no limit, the JSON parser has
    message = _KINDS.get(kind, details["msg"].removeprefix("Value error, "))
    given = details["input"]
    hidden = isinstance(given, dict | list | tuple) or location[-1:] == ("secret",)
    shown = "" if hidden else f" (it is {_short(given, hide)})"
    return f"{where}: {message}{shown}"


def _real_location(location: tuple[int | str, ...], document: JsonValue) -> tuple[int | str, ...]:
    """Only the keys of the file: pydantic also names branches of unions and validators."""
    real: list[int | str] = []
    here: JsonValue = document
    for index, part in enumerate(location):
        if isinstance(here, dict) and part in here:
            here = here[str(part)]
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        elif part == "[key]" or index < len(location) - 1 or not isinstance(here, dict):
            continue
        real.append(part)
    return tuple(real)


def _short(value: object, hide: Callable[[str], str]) -> str:
    text = repr(
        hide(value) if isinstance(value, str) else value
    )  # redacted before it is cut: half a secret would not be recognised
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _dotted(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _suggest(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    table = _model_at(location[:-1], model)
    if table is None:
        return ""
    allowed = [field.alias or name for name, field in table.model_fields.items()]
    close = get_close_matches(str(location[-1]), allowed, n=1)
    hint = f", did you mean {close[0]!r}?" if close else ""
    return f"{hint} (allowed: {', '.join(sorted(allowed))})"


def _model_at(location: tuple[int | str, ...], model: type[BaseModel]) -> type[BaseModel] | None:
    here: Any = model
    for part in location:
        table = _table_in(here)
        if table is not None:
            fields = {field.alias or name: field.annotation for name, field in table.model_fields.items()}
            if part not in fields:
                return None
            here = fields[str(part)]
        else:
            here = _element_of(here)
    return _table_in(here)


def _table_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType):
        return next((found for arg in get_args(annotation) if (found := _table_in(arg))), None)
    return None


def _element_of(annotation: Any) -> Any:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is tuple and arguments:
        return arguments[0]
    if isinstance(origin, type) and issubclass(origin, Mapping) and len(arguments) == 2:
        return arguments[1]
    return None

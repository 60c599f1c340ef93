"""A target file's text as tables, with what is checked before pydantic sees it."""

from __future__ import annotations

import codecs
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from rollback_drills.core.errors import TargetError
from rollback_drills.target.discovery import PROJECT_FILE, table_of_project

_LARGEST = 1 << 20  # bytes; the longest target of an example has 8,000
_DEEPEST = 50  # tables or arrays in each other; every reader of the document is recursive
DOCUMENTED = "docs/reference/target-file.md describes every table and key"
_NAMED_BY_USER = ("env", "migrate_on_start", "headers", "json", "form")


def named_values(document: JsonValue) -> Iterator[Mapping[str, JsonValue]]:
    """The tables of the file whose keys are names of the user's: of variables, headers and fields."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key in _NAMED_BY_USER and isinstance(value, dict):
                yield value
            else:
                yield from named_values(value)
    elif isinstance(document, list):
        for value in document:
            yield from named_values(value)


def read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            raw = stream.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        raise TargetError(
            f"the target file {file} cannot be read: {getattr(error, 'strerror', None) or error}",
            fix="name an existing file with --drill-target or the ini option drill_target",
        ) from None
    if len(raw) > _LARGEST:
        raise TargetError(f"{file} is larger than {_LARGEST >> 20} MB: it is no target file", fix=DOCUMENTED)
    if raw.startswith(codecs.BOM_UTF8):
        raise TargetError(f"{file} begins with a byte order mark, which TOML does not allow", fix="save it without BOM")
    return raw


def parse(file: Path, raw: bytes) -> dict[str, Any]:
    """The file's tables; of a ``pyproject.toml``, those below ``[tool.rollback-drills]``."""
    try:
        parsed = tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise TargetError(f"{file} is not UTF-8: {error.reason} at byte {error.start}") from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, or a number with thousands of digits
        raise TargetError(f"{file} is not TOML: {error}") from None
    if _is_deeper(parsed, _DEEPEST):
        raise TargetError(f"{file} has more than {_DEEPEST} tables or arrays in each other", fix=DOCUMENTED)
    return (table_of_project(parsed) or parsed) if file.name == PROJECT_FILE else parsed


def _is_deeper(document: object, limit: int) -> bool:
    """Without recursion, which would be the first to fail."""
    level = [document]
    for _ in range(limit):
        level = [
            value
            for each in level
            if isinstance(each, dict | list)
            for value in (each.values() if isinstance(each, dict) else each)
        ]
    return any(isinstance(each, dict | list) for each in level)

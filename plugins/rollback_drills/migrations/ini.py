"""What an ``alembic.ini`` (or pyproject.toml) says about itself, read without alembic: where the scripts are."""

from __future__ import annotations

import configparser
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from rollback_drills.errors import TargetError

_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}


def script_directories(file: Path) -> tuple[Path, ...]:
    """The directories of the scripts.

    Raises:
        TargetError: the file cannot be read, or names no place for scripts that could be found without running code.
    """
    options = _options(file)
    here = str(file.parent)
    location = str(options.get("script_location", "")).replace("%(here)s", here)
    if not location:
        raise TargetError(f"{file} has no script_location", fix="name alembic's own configuration with --drill-alembic")
    if ":" in location and not Path(location).is_absolute():
        package, _, inner = location.partition(":")
        location = str(Path(package.replace(".", "/")) / inner)
    start = working_directory(file)
    base = start / location
    listed = options.get("version_locations")
    if listed:
        separator = options.get("path_separator") or options.get("version_path_separator")
        directories = listed if isinstance(listed, list) else _split(str(listed), str(separator or ""))
        found = [start / each.strip().replace("%(here)s", here) for each in directories if each.strip()]
    else:
        found = [base / "versions"]
    if str(options.get("recursive_version_locations", "")).lower() in ("true", "1", "yes", "on"):
        found = [each for top in found for each in (top, *sorted(path for path in top.rglob("*") if path.is_dir()))]
    missing = [str(each) for each in found if not each.is_dir()]
    if missing and len(missing) == len(found):
        raise TargetError(
            f"{file}: there is no directory of migration scripts", cause=", ".join(missing),
            fix="correct script_location or version_locations",
        )  # fmt: skip
    return tuple(each for each in found if each.is_dir() and each.name != "__pycache__")


def working_directory(file: Path) -> Path:
    """Where alembic is called: its relative paths begin there, which is not always beside the file."""
    location = str(_options(file).get("script_location", "")).replace("%(here)s", str(file.parent))
    for directory in (file.parent, *file.parent.parents):
        if location and (directory / location).is_dir():
            return directory
    return file.parent


def driver_of(file: Path) -> str:
    """The dialect and driver of ``sqlalchemy.url`` where it is one of PostgreSQL's, such as ``postgresql+asyncpg``."""
    match = re.match(r"(postgresql(?:\+\w+)?|postgres)://", str(_options(file).get("sqlalchemy.url", "")))
    return match[1].replace("postgres+", "postgresql+") if match else ""


def _options(file: Path) -> Mapping[str, object]:
    try:
        text = file.read_text()
        if file.suffix == ".toml":
            table = tomllib.loads(text).get("tool", {}).get("alembic", {})
            return table if isinstance(table, dict) else {}
        parser = configparser.RawConfigParser()
        parser.read_string(text)
        return dict(parser["alembic"]) if parser.has_section("alembic") else {}
    except OSError as error:
        raise TargetError(
            f"{file} cannot be read: {error.strerror}", fix="name alembic's configuration with --drill-alembic"
        ) from None
    except (configparser.Error, ValueError) as error:
        raise TargetError(f"{file} cannot be read: {error}") from None


def _split(text: str, separator: str) -> list[str]:
    if separator in _SEPARATORS:
        return text.split(_SEPARATORS[separator])
    return re.split(r", *|(?: +)|\n", text)

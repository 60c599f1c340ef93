"""Reads an ``alembic.ini`` (or pyproject.toml) without alembic: where the scripts are, and which driver it uses."""

from __future__ import annotations

import configparser
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from rollback_drills.core.errors import TargetError

SECTION = "alembic"
_NAME_THE_FILE = "name alembic's configuration with --drill-alembic"
_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}


def script_directories(file: Path, section: str = SECTION) -> tuple[Path, ...]:
    """The directories of the scripts.

    Args:
        section: of an alembic.ini, as in ``alembic -n``; a pyproject.toml has only [tool.alembic].

    Raises:
        TargetError: the file cannot be read, or names no directory that can be found without running code.
    """
    options = _options(file, section)
    default = _script_location(file, section, options) / "versions"  # alembic requires script_location in any case
    directories = _version_locations(file, section, options) or [default]
    if str(options.get("recursive_version_locations", "")).lower() in ("true", "1", "yes", "on"):
        directories = [each for top in directories for each in (top, *sorted(filter(Path.is_dir, top.rglob("*"))))]
    existing = [each for each in directories if each.is_dir()]
    if not existing:
        raise TargetError(
            f"{file}: there is no directory of migration scripts",
            cause=", ".join(map(str, directories)),
            fix="correct script_location or version_locations",
        )
    return tuple(each for each in existing if each.name != "__pycache__")


def _script_location(file: Path, section: str, options: Mapping[str, object]) -> Path:
    """Where env.py is; ``package:directory`` is looked up below the working directory, without importing."""
    location = _location(file, options)
    if not location and (beside := _beside(file, options)) is not None:
        return beside
    if not location:
        where = "[tool.alembic]" if file.suffix == ".toml" else f"[{section}]"
        raise TargetError(f"{file} has no script_location in {where}", fix=_NAME_THE_FILE)
    if ":" in location and not Path(location).is_absolute():
        package, _, inner = location.partition(":")
        location = str(Path(package.replace(".", "/")) / inner)
    return working_directory(file, section) / location


def unnamed_location(file: Path, section: str = SECTION) -> Path | None:
    """Where env.py is if the file does not say it and lies beside it, as Flask-Migrate has it; else None."""
    return _beside(file, _options(file, section))


def _beside(file: Path, options: Mapping[str, object]) -> Path | None:
    here = file.resolve().parent
    return here if not options.get("script_location") and (here / "env.py").is_file() else None


def _version_locations(file: Path, section: str, options: Mapping[str, object]) -> list[Path]:
    """The directories that version_locations lists; none where it is not set."""
    listed = options.get("version_locations")
    if not listed:
        return []
    separator = str(options.get("path_separator") or options.get("version_path_separator") or "")
    locations = listed if isinstance(listed, list) else _split(str(listed), separator)
    start = working_directory(file, section)
    return [start / _filled(file, each).strip() for each in locations if each.strip()]


def working_directory(file: Path, section: str = SECTION) -> Path:
    """Where alembic is called: the nearest directory, from the file's upwards, that contains script_location.

    Where the directory of the scripts holds the file, as Flask-Migrate has it: the one above.
    """
    options = _options(file, section)
    if (beside := _beside(file, options)) is not None:
        return beside.parent
    location = _location(file, options)
    for directory in (file.parent, *file.parent.parents):
        if location and (directory / location).is_dir():
            return directory
    return file.parent


def driver_of(file: Path, section: str = SECTION) -> str:
    """Dialect and driver of a ``sqlalchemy.url`` of PostgreSQL, such as ``postgresql+asyncpg``; else empty."""
    match = re.match(r"postgres(?:ql)?(\+\w+)?://", str(_options(file, section).get("sqlalchemy.url", "")))
    return f"postgresql{match[1] or ''}" if match else ""


def _options(file: Path, section: str) -> Mapping[str, object]:
    try:
        text = file.read_text()
        if file.suffix == ".toml":
            return _toml_options(file, text, section)
        parser = configparser.RawConfigParser()
        parser.read_string(text)
    except OSError as error:
        raise TargetError(f"{file} cannot be read: {error.strerror}", fix=_NAME_THE_FILE) from None
    except (configparser.Error, ValueError) as error:
        raise TargetError(f"{file} cannot be read: {error}") from None
    if not parser.has_section(section):
        raise TargetError(
            f"{file} has no section [{section}]",
            cause=f"it has {', '.join(parser.sections()) or 'none'}",
            fix="name alembic's section with --drill-alembic-name",
        )
    return dict(parser[section])


def _toml_options(file: Path, text: str, section: str) -> Mapping[str, object]:
    if section != SECTION:
        raise TargetError(
            f"{file} has no section {section!r}: in a pyproject.toml, alembic reads [tool.alembic]",
            fix="omit --drill-alembic-name, or name an alembic.ini with --drill-alembic",
        )
    table = tomllib.loads(text).get("tool", {}).get("alembic")
    if not isinstance(table, dict):
        raise TargetError(f"{file} has no table [tool.alembic]", fix=_NAME_THE_FILE)
    return table


def _location(file: Path, options: Mapping[str, object]) -> str:
    return _filled(file, str(options.get("script_location", "")))


def _filled(file: Path, text: str) -> str:
    return text.replace("%(here)s", str(file.parent))


def _split(text: str, separator: str) -> list[str]:
    if separator in _SEPARATORS:
        return text.split(_SEPARATORS[separator])
    return re.split(r", *|(?: +)|\n", text)

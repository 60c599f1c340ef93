"""What an ``alembic.ini`` (or pyproject.toml) says about itself, read without alembic: where the scripts are."""

from __future__ import annotations

import configparser
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from rollback_drills.core.errors import TargetError

SECTION = "alembic"
_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}


def script_directories(file: Path, section: str = SECTION) -> tuple[Path, ...]:
    """The directories of the scripts.

    Args:
        section: of an alembic.ini, as ``alembic -n`` chooses it; a pyproject.toml has [tool.alembic] only.

    Raises:
        TargetError: the file cannot be read, or names no place for scripts that could be found without running code.
    """
    options = _options(file, section)
    here = str(file.parent)
    location = str(options.get("script_location", "")).replace("%(here)s", here)
    if not location:
        where = "[tool.alembic]" if file.suffix == ".toml" else f"[{section}]"
        raise TargetError(
            f"{file} has no script_location in {where}", fix="name alembic's own configuration with --drill-alembic"
        )
    if ":" in location and not Path(location).is_absolute():
        package, _, inner = location.partition(":")
        location = str(Path(package.replace(".", "/")) / inner)
    start = working_directory(file, section)
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


def working_directory(file: Path, section: str = SECTION) -> Path:
    """Where alembic is called: its relative paths begin there, which is not always beside the file."""
    location = str(_options(file, section).get("script_location", "")).replace("%(here)s", str(file.parent))
    for directory in (file.parent, *file.parent.parents):
        if location and (directory / location).is_dir():
            return directory
    return file.parent


def driver_of(file: Path, section: str = SECTION) -> str:
    """The dialect and driver of ``sqlalchemy.url`` where it is one of PostgreSQL's, such as ``postgresql+asyncpg``."""
    match = re.match(r"postgres(?:ql)?(\+\w+)?://", str(_options(file, section).get("sqlalchemy.url", "")))
    return f"postgresql{match[1] or ''}" if match else ""


def _options(file: Path, section: str) -> Mapping[str, object]:
    try:
        text = file.read_text()
        if file.suffix == ".toml":
            return _of_toml(file, text, section)
        parser = configparser.RawConfigParser()
        parser.read_string(text)
    except OSError as error:
        raise TargetError(
            f"{file} cannot be read: {error.strerror}", fix="name alembic's configuration with --drill-alembic"
        ) from None
    except (configparser.Error, ValueError) as error:
        raise TargetError(f"{file} cannot be read: {error}") from None
    if not parser.has_section(section):
        raise TargetError(
            f"{file} has no section [{section}]",
            cause=f"it has {', '.join(parser.sections()) or 'none'}",
            fix="name alembic's section with --drill-alembic-name",
        )
    return dict(parser[section])


def _of_toml(file: Path, text: str, section: str) -> Mapping[str, object]:
    if section != SECTION:
        raise TargetError(
            f"{file} has no section {section!r}: of a pyproject.toml alembic reads [tool.alembic]",
            fix="leave --drill-alembic-name out, or name an alembic.ini with --drill-alembic",
        )
    table = tomllib.loads(text).get("tool", {}).get("alembic")
    if not isinstance(table, dict):
        raise TargetError(
            f"{file} has no table [tool.alembic]", fix="name alembic's own configuration with --drill-alembic"
        )
    return table


def _split(text: str, separator: str) -> list[str]:
    if separator in _SEPARATORS:
        return text.split(_SEPARATORS[separator])
    return re.split(r", *|(?: +)|\n", text)

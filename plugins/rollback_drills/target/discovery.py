"""Finds the target file of a project."""

from __future__ import annotations

import tomllib
from pathlib import Path

from rollback_drills.core.errors import TargetError

FILE = "target.toml"
PROJECT_FILE = "pyproject.toml"
_TABLE = "rollback-drills"


def find_target(start: Path) -> Path:
    """The target file of the project that a directory belongs to.

    Looks for ``target.toml``, then for ``[tool.rollback-drills]`` in ``pyproject.toml``: in the directory, then in
    each one above it up to the top of the Git repository.

    Returns:
        An absolute path; a ``pyproject.toml`` whose table says ``target = "FILE"`` gives that file.

    Raises:
        TargetError: there is none, or a ``pyproject.toml`` cannot be read.
    """
    start = start.resolve()
    for directory in (start, *start.parents):
        for found in (directory / FILE, _in_project(directory / PROJECT_FILE)):
            if found is not None and found.is_file():
                return found
        if (directory / ".git").exists():
            break
    raise TargetError(
        f"there is no {FILE} in {start}, and no [tool.{_TABLE}] in a {PROJECT_FILE}",
        fix="write one with `rollback-drills init`, or name it with --target FILE",
    )


def table_of_project(document: dict[str, object]) -> dict[str, object] | None:
    """The table ``[tool.rollback-drills]`` of a parsed ``pyproject.toml``; None if there is none."""
    tool = document.get("tool")
    table = tool.get(_TABLE) if isinstance(tool, dict) else None
    return table if isinstance(table, dict) else None


def _in_project(file: Path) -> Path | None:
    if not file.is_file():
        return None
    try:
        table = table_of_project(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise TargetError(f"{file} cannot be read: {error}", fix="correct it, or name a file with --target") from None
    if table is None:
        return None
    named = table.get("target")
    return file.parent / named if isinstance(named, str) and len(table) == 1 else file

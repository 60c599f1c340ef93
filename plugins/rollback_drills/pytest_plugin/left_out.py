"""The drills that a selection leaves out, so that the report does not call a section proven by some of its drills."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from rollback_drills.evidence.run import NotSelected
from rollback_drills.pytest_plugin.marks import Mark, drill_id, mark_of


def left_out(
    config: pytest.Config, selected: Iterable[tuple[pytest.Item, Mark]], deselected: Iterable[pytest.Item]
) -> tuple[NotSelected, ...]:
    """The drills, of the sections that are drilled, that ``-k`` or ``-m`` deselects, or that no argument names."""
    marked = list(selected)
    sections = {mark.runbook for _, mark in marked}
    found: list[NotSelected] = []
    for item in deselected:
        mark = mark_of(item)
        if mark is not None:
            found.append(NotSelected(id=drill_id(item, mark), title=mark.title, runbook=mark.runbook))
    if names_parts(config):
        known = {_base(drill_id(item, mark)) for item, mark in marked} | {_base(each.id) for each in found}
        found += [each for each in _beside(item for item, _ in marked) if each.id not in known]
    return tuple(each for each in found if each.runbook in sections)


def names_parts(config: pytest.Config) -> bool:
    """Whether the command line names single files or tests, so that pytest does not collect those beside them."""
    return any("::" in argument or argument.endswith(".py") for argument in config.args)


def _beside(items: Iterable[pytest.Item]) -> Iterator[NotSelected]:
    """The drills in the directories of these tests, read from the source: pytest has not collected them."""
    directories = {item.path.parent: item.nodeid.partition("::")[0].rpartition("/")[0] for item in items}
    for directory, name in sorted(directories.items()):
        for file in sorted(directory.glob("test_*.py")):
            prefix = f"{name}/{file.name}" if name else file.name
            yield from (
                NotSelected(id=f"{prefix}::{test}", title=title, runbook=section)
                for test, title, section in _drills_in(file)
            )


def _drills_in(file: Path) -> Iterator[tuple[str, str, str]]:
    """Name, title and section of each function that is marked with constants."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for function in tree.body:
        for call in getattr(function, "decorator_list", ()):
            if isinstance(function, ast.FunctionDef) and isinstance(call, ast.Call):
                title = call.args[0] if call.args else None
                section = next((each.value for each in call.keywords if each.arg == "runbook"), None)
                if (
                    ast.unparse(call.func) == "pytest.mark.drill"
                    and isinstance(title, ast.Constant)
                    and isinstance(section, ast.Constant)
                ):
                    yield function.name, str(title.value), str(section.value)


def _base(identifier: str) -> str:
    return identifier.partition("[")[0]

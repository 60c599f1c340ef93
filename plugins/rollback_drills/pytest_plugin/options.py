"""All options of the plugin. Each module that owns a concern adds its own.

Every pytest run calls this, whatever it tests: the modules that are imported here import only pytest, the standard
library and light modules of `core`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from rollback_drills.core.command_line import shorter_names
from rollback_drills.pytest_plugin import (
    alembic_walk,
    baseline,
    code_annotations,
    fixtures,
    gamedays,
    report_directory,
    revisions,
    runtime_choice,
    target_choice,
    time_limit,
    walk_markdown,
)

_OWNERS: tuple[Callable[[pytest.Parser, pytest.OptionGroup], None], ...] = (
    target_choice.add_options,
    runtime_choice.add_options,
    report_directory.add_options,
    time_limit.add_options,
    fixtures.add_options,
    gamedays.add_options,
    revisions.add_options,
    alembic_walk.add_options,
    code_annotations.add_options,
    walk_markdown.add_options,
    baseline.add_options,
)
_ANNOUNCING = ("drill_target", "drill_runtime", "drill_report_dir", "drill_timeout", "drill_alembic")


def add_options(parser: pytest.Parser) -> None:
    """Add every option, and every key of pytest's configuration."""
    group = cast(pytest.OptionGroup, _WithShorterNames(parser.getgroup("drill", "rollback drills")))
    for add in _OWNERS:
        add(parser, group)


class _WithShorterNames:
    """Adds options to a group, under `rollback-drills run` also without ``drill-``."""

    def __init__(self, group: pytest.OptionGroup) -> None:
        self._group = group

    def addoption(self, name: str, **settings: Any) -> None:
        self._group.addoption(name, *shorter_names(name), **settings)


def announce_drills(config: pytest.Config) -> bool:
    """Whether an option on the command line says that this run performs drills."""
    return any(config.getoption(name) is not None for name in _ANNOUNCING)


@dataclass(frozen=True, slots=True)
class OptionHelp:
    """One option as ``pytest --help`` shows it.

    ``metavar`` is empty for a switch; ``ini`` is the key in pytest's configuration, empty if there is none.
    """

    name: str
    metavar: str
    help: str
    ini: str = ""


class _OptionList:
    """Stands in for pytest's parser and its group, and lists what is added."""

    def __init__(self) -> None:
        self.options: dict[str, OptionHelp] = {}

    def addoption(self, name: str, *, help: str, metavar: str = "", **_: object) -> None:
        self.options[name.removeprefix("--").replace("-", "_")] = OptionHelp(name, metavar, help)

    def addini(self, name: str, help: str, **_: object) -> None:
        self.options[name] = replace(self.options[name], ini=name)


def every_option() -> tuple[OptionHelp, ...]:
    """All options in the order of ``pytest --help``, for the documentation."""
    listed = _OptionList()
    for add in _OWNERS:
        add(cast(pytest.Parser, listed), cast(pytest.OptionGroup, listed))
    return tuple(listed.options.values())

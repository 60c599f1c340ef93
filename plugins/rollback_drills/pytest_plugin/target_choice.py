"""Which target is drilled, and which runtimes there are: options, hooks, and somebody's own `drill_target` fixture."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rollback_drills.core.errors import (
    RuntimeUnavailableError,
    TargetError,
)
from rollback_drills.lab.bare_alembic import alembic_target
from rollback_drills.runtimes import AddedRuntime, built_in
from rollback_drills.target.target import Target

NO_TARGET = TargetError(
    "no target file is given: nothing says which system to drill",
    fix="name one with --drill-target FILE, or with drill_target in pytest's configuration",
)
_NAME = re.compile(r"[a-z][a-z0-9-]*")


def chosen_target(config: pytest.Config) -> Target | None:
    """What a hook gives, or the file that was named; None where neither is.

    Raises:
        TargetError: the file cannot be read, or a hook gave something else.
    """
    given = config.getoption("drill_alembic")
    if given:
        return alembic_target(Path(config.invocation_params.dir, given))
    found = config.hook.pytest_rollback_drills_target(config=config, load=lambda: _load(config))
    if found is not None:
        return require_target(found, "the hook pytest_rollback_drills_target")
    return _load(config) if _named(config) else None


def _named(config: pytest.Config) -> bool:
    return bool(config.getoption("drill_target") or config.getini("drill_target"))


def _load(config: pytest.Config) -> Target:
    given = config.getoption("drill_target")
    if given:
        return Target.load(Path(config.invocation_params.dir, given).resolve())
    default = config.getini("drill_target")
    if not default:
        raise NO_TARGET
    root: Path = config.inipath.parent if config.inipath else config.rootpath
    return Target.load(root / str(default))


def require_target(value: object, source: str) -> Target:
    if not isinstance(value, Target):
        raise TargetError(
            f"{source} gives {type(value).__name__!r} and no target",
            fix="let it give Target.load(path), or target.model_copy(update={…})",
        )
    return value


def added_runtimes(config: pytest.Config) -> dict[str, AddedRuntime]:
    """The runtimes that conftest files and plugins add, by name.

    Raises:
        RuntimeUnavailable: a name cannot be used, or is used twice.
    """
    found: dict[str, AddedRuntime] = {}
    for runtime in (each for result in config.hook.pytest_rollback_drills_runtimes(config=config) for each in result):
        if not isinstance(runtime, AddedRuntime) or not _NAME.fullmatch(runtime.name):
            raise RuntimeUnavailableError(
                f"the hook pytest_rollback_drills_runtimes gives {runtime!r}",
                fix="let it give AddedRuntime(name, make) with a name of lower-case letters, digits and hyphens",
            )
        if runtime.name in found or runtime.name in (*built_in(), "auto"):
            raise RuntimeUnavailableError(
                f"there are two runtimes {runtime.name!r}", fix="give the added one another name"
            )
        found[runtime.name] = runtime
    return found


def overridden(config: pytest.Config, info: Any, named: Target | None) -> Target | None:
    """What somebody's own fixture `drill_target` gives, as far as that can be known before any fixture is set up.

    A fixture that takes no other than `pytestconfig` and the `drill_target` that it overrides can be asked at once. The
    value of any other is known when its first drill begins, too late for parametrisation.

    Args:
        info: pytest's knowledge of a test's fixtures (it has no public way to ask).
    """
    definitions: Sequence[Any] = info.name2fixturedefs.get("drill_target", ())
    return _ask(config, definitions, named) if len(definitions) > 1 else None


def is_overridden(item: pytest.Item) -> bool:
    info = getattr(item, "_fixtureinfo", None)
    return info is not None and len(info.name2fixturedefs.get("drill_target", ())) > 1


def _ask(config: pytest.Config, definitions: Sequence[Any], named: Target | None) -> Target | None:
    *others, last = definitions
    if not others:
        return named
    if set(last.argnames) - {"drill_target", "pytestconfig"} or inspect.isgeneratorfunction(last.func):
        return None
    arguments: dict[str, object] = {}
    if "drill_target" in last.argnames:
        arguments["drill_target"] = _ask(config, others, named)
        if arguments["drill_target"] is None:
            return None
    if "pytestconfig" in last.argnames:
        arguments["pytestconfig"] = config
    try:
        return require_target(last.func(**arguments), "the fixture drill_target")
    except TypeError:  # a method: it wants an instance of its class
        return None

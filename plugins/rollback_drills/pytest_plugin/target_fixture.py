"""Targets that a project gives by its own fixture ``drill_target``, as far as they are known before fixtures run."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from rollback_drills.core.errors import TargetError

if TYPE_CHECKING:
    from rollback_drills.target.target import Target


def require_target(value: object, source: str) -> Target:
    """The value, if it is a target.

    Raises:
        TargetError: it is something else; ``source`` is named as its origin.
    """
    from rollback_drills.target.target import Target

    if not isinstance(value, Target):
        raise TargetError(
            f"{source} gives {type(value).__name__!r} and no target",
            fix="let it give Target.load(path), or target.model_copy(update={…})",
        )
    return value


def overridden(config: pytest.Config, info: Any, named: Target | None) -> Target | None:
    """What a project's own fixture `drill_target` gives, if that is known before any fixture is set up.

    A fixture that takes only `pytestconfig` and the `drill_target` that it overrides is called at once. The value of
    any other is known when its first drill begins, too late for parametrisation.

    Args:
        info: pytest's knowledge of a test's fixtures (it has no public way to ask).
    """
    definitions: Sequence[Any] = info.name2fixturedefs.get("drill_target", ())
    return _call(config, definitions, named) if len(definitions) > 1 else None


def is_overridden(item: pytest.Item) -> bool:
    """Whether a test takes its target from a project's own fixture."""
    info = getattr(item, "_fixtureinfo", None)
    return info is not None and len(info.name2fixturedefs.get("drill_target", ())) > 1


def _call(config: pytest.Config, definitions: Sequence[Any], named: Target | None) -> Target | None:
    *others, last = definitions
    if not others:
        return named
    if set(last.argnames) - {"drill_target", "pytestconfig"} or inspect.isgeneratorfunction(last.func):
        return None
    arguments: dict[str, object] = {}
    if "drill_target" in last.argnames:
        arguments["drill_target"] = _call(config, others, named)
        if arguments["drill_target"] is None:
            return None
    if "pytestconfig" in last.argnames:
        arguments["pytestconfig"] = config
    try:
        return require_target(last.func(**arguments), "the fixture drill_target")
    except TypeError:  # a method, which needs an instance of its class
        return None

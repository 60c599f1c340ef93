"""The drill marker, and what is known of a marked test before it runs."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

_RUNNING = frozenset({"stack", "previous_stack", "shared_drills", "random_days"})
"""Fixtures that start a gateway."""

_SHOWING = ("help", "version", "markers", "showfixtures", "show_fixtures_per_test", "cacheshow")


@dataclass(frozen=True, slots=True)
class Mark:
    """The arguments of ``@pytest.mark.drill``."""

    title: str
    runbook: str
    objective: str | None = None
    requires: tuple[str, ...] = ()
    group: str | None = None


def mark_of(item: pytest.Item) -> Mark | None:
    """The drill marker of a test, or None.

    Raises:
        pytest.UsageError: its arguments are wrong.
    """
    marker = item.get_closest_marker("drill")
    if marker is None:
        return None
    try:
        mark = Mark(*marker.args, **marker.kwargs)
    except TypeError as error:
        raise pytest.UsageError(f"{item.nodeid}: @pytest.mark.drill: {error}") from None
    requires: Sequence[str] = (mark.requires,) if isinstance(mark.requires, str) else mark.requires
    if not _RUNNING.isdisjoint(getattr(item, "fixturenames", ())):
        from rollback_drills.target.capabilities import GATEWAY

        requires = (*requires, GATEWAY)
    return Mark(mark.title, mark.runbook, mark.objective, tuple(requires), mark.group)


def drill_id(item: pytest.Item, mark: Mark) -> str:
    """The node id, without the suffix that pytest-xdist adds for the group of a test."""
    return item.nodeid.removesuffix(f"@{mark.group}") if mark.group else item.nodeid


def summary_of(item: pytest.Item) -> str:
    """The drill's docstring: what it proves, in its author's words."""
    function = getattr(item, "function", None)
    return inspect.getdoc(function) or "" if function is not None else ""


def only_shows_something(config: pytest.Config) -> bool:
    """Whether pytest was called for a list or a help text instead of tests."""
    return any(getattr(config.option, name, None) for name in _SHOWING)

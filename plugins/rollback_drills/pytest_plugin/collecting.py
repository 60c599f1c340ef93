"""Which tests are drills, what they need, and in which order and company they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest


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
    return Mark(mark.title, mark.runbook, mark.objective, tuple(requires), mark.group)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``integration`` in a drill's signature makes one item of each integration of the target."""
    if "integration" in metafunc.fixturenames and metafunc.definition.get_closest_marker("drill"):
        from rollback_drills.pytest_plugin.session import session_of

        target = session_of(metafunc.config).target
        metafunc.parametrize("integration", target.integrations_of(target.current))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check the markers before anything is started; drills of one group share what they have measured."""
    session = None
    for item in items:
        mark = mark_of(item)
        if mark is None:
            continue
        if mark.group is not None and config.pluginmanager.hasplugin("xdist"):
            item.add_marker(pytest.mark.xdist_group(mark.group))
        if session is None:
            from rollback_drills.pytest_plugin.session import session_of

            session = session_of(config)
        session.check_mark(item.nodeid, mark)

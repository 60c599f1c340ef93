"""Which tests are drills, what they require, and in which order and company they run."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import cast

import pytest

from rollback_drills.pytest_plugin.keys import STARTED, USAGE_ERROR
from rollback_drills.pytest_plugin.marks import Mark, mark_of

_CHECKED = pytest.StashKey[bool]()
_DESELECTED = pytest.StashKey[list[pytest.Item]]()


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[STARTED] = True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``integration`` in a drill's signature makes one item of each integration of the target."""
    if "integration" in metafunc.fixturenames and metafunc.definition.get_closest_marker("drill"):
        from rollback_drills.pytest_plugin.activation import session_of

        try:
            session = session_of(metafunc.config)
            session.targets.see_fixture(getattr(metafunc.definition, "_fixtureinfo", None))
            target = session.target
        except pytest.UsageError:  # here it would become a traceback; it is raised again after collection
            metafunc.parametrize("integration", ["?"])
        else:
            metafunc.parametrize("integration", target.integrations_of(target.current))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check the markers before anything is started; drills of one group share their measurements."""
    try:
        _check_and_group(config, items)
        _order_as_the_runbook(config, items)
        config.stash[_CHECKED] = True
    except pytest.UsageError as error:
        report_mistake(config, items, str(error))


def report_mistake(config: pytest.Config, items: list[pytest.Item], message: str) -> None:
    """End the run with a mistake in how it was called; in a worker, the controller ends it (`xdist`).

    xdist replaces a worker that fails, again and again.

    Raises:
        pytest.UsageError: this process is no worker.
    """
    if not hasattr(config, "workerinput"):
        raise pytest.UsageError(message)
    items.clear()
    report = pytest.CollectReport("", "failed", message, [], (), **{USAGE_ERROR: message})
    config.hook.pytest_collectreport(report=report)


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    for item in items:
        item.config.stash.setdefault(_DESELECTED, []).append(item)


def _check_and_group(config: pytest.Config, items: list[pytest.Item]) -> None:
    session = None
    for item, mark in _marked(items):
        if mark.group is not None and config.pluginmanager.hasplugin("xdist"):
            item.add_marker(pytest.mark.xdist_group(mark.group))
        if session is None:
            from rollback_drills.pytest_plugin.activation import session_of

            session = session_of(config)
        session.targets.see_fixture(getattr(item, "_fixtureinfo", None))
        session.plans.check(item.nodeid, mark)


def _order_as_the_runbook(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drills run in the order of the runbook's sections; other tests keep their places.

    A reader of the runbook expects that order. It also leaves the short drills of the last sections for the end: under
    pytest-xdist, a long last drill would keep a single worker busy.
    """
    places = [(index, mark) for index, item in enumerate(items) if (mark := mark_of(item)) is not None]
    if not places:
        return
    from rollback_drills.pytest_plugin.activation import session_of

    order = {name: number for number, name in enumerate(session_of(config).plans.sections)}
    drills = sorted((order[mark.runbook], index) for index, mark in places)
    for (index, _), item in zip(places, [items[origin] for _, origin in drills], strict=True):
        items[index] = item


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> Generator[None, object, object]:
    """Record which drills were selected, so that the report can name those that an early end has left out."""
    if not session.config.stash.get(_CHECKED, False):
        return (yield)  # pytest calls this after a mistake as well
    items = session.items
    marked = list(_marked(items))
    if marked:
        from rollback_drills.pytest_plugin.activation import session_of
        from rollback_drills.pytest_plugin.left_out import left_out

        session_of(session.config).plans.select(marked)
        deselected: list[pytest.Item] = session.config.stash.get(_DESELECTED, [])
        session_of(session.config).plans.leave_out(left_out(session.config, marked, deselected))
    if getattr(session.config.option, "loadgroup", False):
        session.items = [cast(pytest.Item, _WithGroup(item)) for item in items]
    try:
        return (yield)
    finally:
        session.items = items


def _marked(items: Iterable[pytest.Item]) -> Iterator[tuple[pytest.Item, Mark]]:
    for item in items:
        mark = mark_of(item)
        if mark is not None:
            yield item, mark


class _WithGroup:
    """An item whose id gives its group to the scheduler: ``--dist loadgroup`` looks for it after the last ``@``.

    pytest-xdist 3.8 tries to write the id into the item itself, which pytest 9.2 no longer allows.
    """

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        groups = sorted({str(mark.args[0]) for mark in item.iter_markers("xdist_group") if mark.args})
        suffix = f"@{'_'.join(groups)}" if groups else ""
        self.nodeid = item.nodeid.removesuffix(suffix) + suffix

    def __getattr__(self, name: str) -> object:
        return getattr(self._item, name)

"""Which tests are drills, what they need, and in which order and company they run."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import cast

import pytest

USAGE_ERROR = "rollback_drills_usage_error"
STARTED = pytest.StashKey[bool]()
_CHECKED = pytest.StashKey[bool]()
_SHOWING = ("help", "version", "markers", "showfixtures", "show_fixtures_per_test", "cacheshow")


def only_shows_something(config: pytest.Config) -> bool:
    """Whether pytest was called for a list or a help text, and not for tests."""
    return any(getattr(config.option, name, None) for name in _SHOWING)


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[STARTED] = True


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


def drill_id(item: pytest.Item, mark: Mark) -> str:
    """The node id, without the suffix by which pytest-xdist marks the group of a test."""
    return item.nodeid.removesuffix(f"@{mark.group}") if mark.group else item.nodeid


def summary_of(item: pytest.Item) -> str:
    """The drill's docstring: what it proves, in the words of whoever wrote it."""
    function = getattr(item, "function", None)
    return inspect.getdoc(function) or "" if function is not None else ""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``integration`` in a drill's signature makes one item of each integration of the target."""
    if "integration" in metafunc.fixturenames and metafunc.definition.get_closest_marker("drill"):
        from rollback_drills.pytest_plugin.session import session_of

        try:
            session = session_of(metafunc.config)
            session.see_fixture(getattr(metafunc.definition, "_fixtureinfo", None))
            target = session.target
        except pytest.UsageError:  # here it would become a traceback; it is raised again once all is collected
            metafunc.parametrize("integration", ["?"])
        else:
            metafunc.parametrize("integration", target.integrations_of(target.current))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check the markers before anything is started; drills of one group share what they have measured."""
    try:
        _check_and_group(config, items)
        _order_as_the_runbook(items)
        config.stash[_CHECKED] = True
    except pytest.UsageError as error:
        if not hasattr(config, "workerinput"):
            raise
        # A worker that fails is replaced, again and again; the controller has to end the run (`distributing`).
        items.clear()
        config.hook.pytest_collectreport(report=_mistake(str(error)))


def _mistake(message: str) -> pytest.CollectReport:
    return pytest.CollectReport("", "failed", message, [], (), rollback_drills_usage_error=message)


def _check_and_group(config: pytest.Config, items: list[pytest.Item]) -> None:
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
        session.see_fixture(getattr(item, "_fixtureinfo", None))
        session.check_mark(item.nodeid, mark)


def _order_as_the_runbook(items: list[pytest.Item]) -> None:
    """Drills run in the order of the runbook's sections; other tests keep their places.

    That is how the runbook is read, and it leaves the short drills of the last sections for the end, where under
    pytest-xdist a long one would keep a single worker busy.
    """
    from rollback_drills.runbook.sections import SECTIONS

    places = [(index, mark) for index, item in enumerate(items) if (mark := mark_of(item)) is not None]
    order = {name: number for number, name in enumerate(SECTIONS)}
    drills = sorted(((order[mark.runbook], index) for index, mark in places))
    for (index, _), item in zip(places, [items[origin] for _, origin in drills], strict=True):
        items[index] = item


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> Generator[None, object, object]:
    """Note which drills were selected, so that the report can name those that an early end has left out."""
    if not session.config.stash.get(_CHECKED, False):
        return (yield)  # pytest calls this after a mistake as well
    items = session.items
    marked = [(item, mark) for item in items if (mark := mark_of(item)) is not None]
    if marked:
        from rollback_drills.pytest_plugin.session import session_of

        session_of(session.config).select(marked)
    if getattr(session.config.option, "loadgroup", False):
        session.items = [cast(pytest.Item, _WithGroup(item)) for item in items]
    try:
        return (yield)
    finally:
        session.items = items


class _WithGroup:
    """An item whose id tells the scheduler its group: ``--dist loadgroup`` looks for it behind the last ``@``.

    pytest-xdist 3.8 tries to write it into the item itself, which pytest 9.2 does not let it do any more.
    """

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        groups = sorted({str(mark.args[0]) for mark in item.iter_markers("xdist_group") if mark.args})
        suffix = f"@{'_'.join(groups)}" if groups else ""
        self.nodeid = item.nodeid.removesuffix(suffix) + suffix

    def __getattr__(self, name: str) -> object:
        return getattr(self._item, name)

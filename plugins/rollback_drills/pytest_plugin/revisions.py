"""Each revision is an item of its own: found by reading the scripts, proven by one walk that all items share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

from rollback_drills.pytest_plugin.selection import SelectedRevisions

if TYPE_CHECKING:
    from rollback_drills.migrations.reversibility.walk import Walk
    from rollback_drills.migrations.scripts import Scripts
    from rollback_drills.pytest_plugin.session import DrillSession

UNKNOWN = "unknown"
EVERY = "every revision of the image"
EVERY_BUILT = "every revision of the release"
NOTHING_NEW = "nothing new"
_WALK = pytest.StashKey["Walk"]()


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    group.addoption(
        "--drill-since",
        metavar="REV",
        help="prove only the revisions above REV; with git:REF, only those whose scripts are new or changed since the"
        " branch left REF",
    )
    group.addoption(
        "--drill-strict-loss",
        action="store_true",
        default=False,
        help="fail where a downgrade drops a column or table that its upgrade added, unless the loss is declared",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``revision`` in a drill's signature makes one item of each revision of the current release."""
    if "revision" in metafunc.fixturenames and metafunc.definition.get_closest_marker("drill"):
        from rollback_drills.pytest_plugin.activation import session_of

        try:
            session = session_of(metafunc.config)
            session.targets.see_fixture(getattr(metafunc.definition, "_fixtureinfo", None))
            found = session.revisions
        except pytest.UsageError:  # here it would become a traceback; it is raised again after collection
            found = SelectedRevisions(None, ())
        metafunc.parametrize("revision", found.chosen or [_stands_in(found)])


def _stands_in(found: SelectedRevisions) -> str:
    """What the one item is called that stands for revisions that are not known."""
    if found.unlisted:
        return EVERY_BUILT
    return EVERY if found.in_image else NOTHING_NEW if found.nothing_new else UNKNOWN


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """With ``--drill-alembic`` there are only migrations to drill."""
    if item.config.getoption("drill_alembic") and item.get_closest_marker("drill"):
        names = set(getattr(item, "fixturenames", ()))
        if not names & {"walk", "revision", "scripts"} or names & {"stack", "idle_stack", "previous_stack", "lab"}:
            pytest.skip("there is no gateway to drill: --drill-alembic names migrations only")


@pytest.fixture(scope="session")
def scripts(request: pytest.FixtureRequest) -> Scripts:
    """The migration scripts of the current release, read without running them or starting anything."""
    from rollback_drills.pytest_plugin.activation import session_of

    found = session_of(request.config).revisions
    if found.scripts is None:
        pytest.fail(f"the revisions are not known: {found.reason}", pytrace=False)
    return found.scripts


@pytest.fixture(scope="session")
def walk(request: pytest.FixtureRequest) -> Iterator[Walk]:
    """One walk through the current release's revisions, which all items of this worker share."""
    from rollback_drills.pytest_plugin.activation import session_of

    session = session_of(request.config)
    reason = session.revisions.reason
    if reason and not session.revisions.scripts:
        pytest.fail(f"the revisions are not known: {reason}", pytrace=False)
    if request.config.getoption("drill_alembic"):
        opened = request.config.stash.get(_WALK, None) or _start(session, request.session.items)
    else:
        opened = _walk_of_release(session, request)
    found = session.revisions
    opened.waiting = session.baseline.waiting(found.scripts)
    opened.strict_loss = request.config.getoption("drill_strict_loss")
    opened.chosen = found.chosen if found.chosen or found.nothing_new else None  # None: they are in an image
    try:
        yield opened
    finally:
        opened.close()


def _walk_of_release(session: DrillSession, request: pytest.FixtureRequest) -> Walk:
    from rollback_drills.lab.lab import Lab
    from rollback_drills.migrations.reversibility.release_environment import ReleaseEnvironment
    from rollback_drills.migrations.reversibility.walk import Walk
    from rollback_drills.runtimes.protocols import CommandLog

    lab: Lab = request.getfixturevalue("lab")
    server = lab.runtime.server
    role, password = lab.role
    environment = ReleaseEnvironment(
        lab.runtime.commands(CommandLog(), lambda: server.admin_url),
        session.target,
        session.target.current,
        admin_url=server.admin_url,
        role=role,
        password=password,
        run=session.run,
        directory=session.resources.workspace.path,
    )
    return Walk(environment, session.target.migrations, wanted=_selected(request.session.items), seeded=lab.seeded)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start the walk of an alembic.ini before any item runs: what prevents it is one message, not one per revision."""
    names = {name for each in items for name in getattr(each, "fixturenames", ())}
    if not config.getoption("drill_alembic") or not names & {"walk", "scripts"}:
        return
    from rollback_drills.core.errors import DrillError
    from rollback_drills.pytest_plugin.activation import session_of
    from rollback_drills.pytest_plugin.collection import report_mistake

    session = session_of(config)
    found = session.revisions
    if not session.performs or session.worker not in ("main", "gw0"):  # of several workers, one is enough to see it
        return
    try:
        if found.mistake:
            raise pytest.UsageError(found.reason)
        if found.chosen or found.in_image:
            config.stash[_WALK] = walk = _start(session, items)
            if found.in_image and not (walk.history.revisions or walk.history.problems):
                places = ", ".join(walk.history.places)
                raise pytest.UsageError(f"no migration script was found: alembic looks in {places}")
    except (DrillError, pytest.UsageError) as error:
        session.close_quietly()
        report_mistake(config, items, session.redactor.text(str(error)))


def _start(session: DrillSession, items: Iterable[pytest.Item]) -> Walk:
    from rollback_drills.pytest_plugin.alembic_walk import open_walk

    scripts = session.revisions.scripts
    texts = [each.content.decode(errors="replace") for each in scripts.scripts] if scripts is not None else []
    return open_walk(session, _selected(items), texts)


def _selected(items: Iterable[pytest.Item]) -> set[str]:
    """The revisions that this process has items for; with branches, their order is not alembic's."""
    calls = (getattr(item, "callspec", None) for item in items)
    return {str(call.params["revision"]) for call in calls if call is not None and "revision" in call.params}

"""Each revision is an item of its own: found by reading the scripts, proven by one walk that all items share."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rollback_drills.pytest_plugin.keys import MAY_EXECUTE

if TYPE_CHECKING:
    from rollback_drills.migrations.reversibility.environment import MigrationEnvironment
    from rollback_drills.migrations.reversibility.walk import Walk
    from rollback_drills.migrations.scripts import Scripts
    from rollback_drills.pytest_plugin.session import DrillSession

UNKNOWN = "unknown"
EVERY = "every revision of the image"
EVERY_BUILT = "every revision of the release"
_KEY = pytest.StashKey["SelectedRevisions"]()


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    group.addoption(
        "--drill-since",
        metavar="REV",
        help="prove only the revisions above REV; with git:REF, only those whose scripts that commit does not have",
    )
    group.addoption(
        "--drill-alembic",
        metavar="FILE",
        help="drill only the migrations of this alembic.ini: no target file, no gateway (use with -k reversibility)",
    )
    group.addoption(
        "--drill-alembic-name",
        metavar="SECTION",
        default="alembic",
        help="section of alembic.ini, as in alembic's own option -n (default: alembic)",
    )
    group.addoption(
        "--drill-alembic-python",
        metavar="PYTHON",
        help="interpreter that has alembic and the models (default: the one that runs pytest)",
    )
    group.addoption(
        "--drill-alembic-env",
        metavar="NAME=VALUE",
        action="append",
        help="a variable for env.py; {url} stands for the database's URL (may be repeated)",
    )
    group.addoption(
        "--drill-alembic-baseline",
        metavar="FILE",
        help="SQL that creates the schema before the first revision, if the history does not begin with an empty one",
    )


@dataclass(frozen=True, slots=True)
class SelectedRevisions:
    """The scripts of the release and the revisions to prove, or why these are not known.

    ``unlisted``: what the one item for all of them is called. The scripts are only in an image, and nothing is started
    to collect tests; or a command of the target's makes the tree, and ``--collect-only`` executes none.
    """

    scripts: Scripts | None
    chosen: tuple[str, ...]
    reason: str = ""
    unlisted: str = UNKNOWN


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``revision`` in a drill's signature makes one item of each revision of the current release."""
    if "revision" in metafunc.fixturenames and metafunc.definition.get_closest_marker("drill"):
        from rollback_drills.pytest_plugin.activation import session_of

        try:
            session = session_of(metafunc.config)
            session.targets.see_fixture(getattr(metafunc.definition, "_fixtureinfo", None))
            found = revisions_of(session)
        except pytest.UsageError:  # here it would become a traceback; it is raised again after collection
            found = SelectedRevisions(None, ())
        metafunc.parametrize("revision", found.chosen or [found.unlisted])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """With ``--drill-alembic`` there are only migrations to drill."""
    if item.config.getoption("drill_alembic") and item.get_closest_marker("drill"):
        names = set(getattr(item, "fixturenames", ()))
        if not names & {"walk", "revision", "scripts"} or names & {"stack", "idle_stack", "previous_stack", "lab"}:
            pytest.skip("there is no gateway to drill: --drill-alembic names migrations only")


def revisions_of(session: DrillSession) -> SelectedRevisions:
    """The revisions to prove; read once per process."""
    if _KEY not in session.config.stash:
        session.config.stash[_KEY] = _find(session)
    return session.config.stash[_KEY]


def _find(session: DrillSession) -> SelectedRevisions:
    from rollback_drills.core.errors import DrillError
    from rollback_drills.migrations.scripts import Scripts

    source = session.target.releases
    if not source.has_trees:
        return SelectedRevisions(Scripts((), ()), (), unlisted=EVERY)
    if source.command is not None and not (session.performs or session.config.stash.get(MAY_EXECUTE, False)):
        return SelectedRevisions(Scripts((), ()), (), unlisted=EVERY_BUILT)
    try:
        scripts = _scripts(session)
        if not scripts.ids:
            problems = "\n".join(scripts.problems)
            return SelectedRevisions(scripts, (), f"no migration script was found{f': {problems}' if problems else ''}")
        chosen = _since(session, scripts)
    except (DrillError, LookupError) as error:
        return SelectedRevisions(None, (), str(error))
    return SelectedRevisions(scripts, chosen, "" if chosen else "no revision is newer than what --drill-since names")


def _scripts(session: DrillSession) -> Scripts:
    from rollback_drills.core.placeholders import fill
    from rollback_drills.migrations.ini import script_directories
    from rollback_drills.migrations.scripts import read_scripts
    from rollback_drills.runtimes.releases.trees import Trees
    from rollback_drills.runtimes.workspace import removal
    from rollback_drills.runtimes.workspace.directory import Workspace

    target = session.target
    if session.config.getoption("drill_alembic"):
        return read_scripts(script_directories(target.file, session.config.getoption("drill_alembic_name")))
    if target.releases.path is not None:
        values = {"here": str(target.here), "release": target.current}
        return read_scripts([target.path(fill(target.releases.path, values)) / target.migrations.versions])
    # If this process is killed in between, the next run removes the workspace.
    workspace = Workspace(f"scripts-{secrets.token_hex(4)}", session.worker)
    try:
        tree = Trees(target, workspace.path).tree(target.current)
        return read_scripts([tree / target.migrations.versions])
    finally:
        removal.close(workspace)


def _since(session: DrillSession, scripts: Scripts) -> tuple[str, ...]:
    """The revisions that ``--drill-since`` selects: those above one, or those whose scripts a git commit lacks.

    Raises:
        LookupError: there is no such revision or commit.
    """
    since = session.config.getoption("drill_since")
    if not since:
        return scripts.ids
    if not since.startswith("git:"):
        return scripts.after(since)
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", "--full-tree", since.removeprefix("git:")],
        cwd=session.target.here,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        raise LookupError(f"--drill-since {since}: {listed.stderr.strip()}")
    names = {Path(line).name for line in listed.stdout.splitlines()}
    return tuple(script.id for script in scripts.scripts if script.file not in names)


@pytest.fixture(scope="session")
def scripts(request: pytest.FixtureRequest) -> Scripts:
    """The migration scripts of the current release, read without running them or starting anything."""
    from rollback_drills.pytest_plugin.activation import session_of

    found = revisions_of(session_of(request.config))
    if found.scripts is None:
        pytest.fail(f"the revisions are not known: {found.reason}", pytrace=False)
    return found.scripts


@pytest.fixture(scope="session")
def walk(request: pytest.FixtureRequest) -> Iterator[Walk]:
    """One walk through the current release's revisions, which all items of this worker share."""
    from rollback_drills.lab.lab import Lab
    from rollback_drills.migrations.reversibility.release_environment import ReleaseEnvironment
    from rollback_drills.migrations.reversibility.walk import Walk
    from rollback_drills.pytest_plugin.activation import session_of
    from rollback_drills.runtimes.protocols import CommandLog

    session = session_of(request.config)
    reason = revisions_of(session).reason
    if reason and not revisions_of(session).scripts:
        pytest.fail(f"the revisions are not known: {reason}", pytrace=False)
    environment: MigrationEnvironment
    seeded = None
    if request.config.getoption("drill_alembic"):
        environment = _bare_environment(session)
    else:
        lab: Lab = request.getfixturevalue("lab")
        server = lab.runtime.server
        commands = lab.runtime.commands(CommandLog(), lambda: server.admin_url)
        role, password = lab.role
        environment = ReleaseEnvironment(
            commands,
            session.target,
            session.target.current,
            admin_url=server.admin_url,
            role=role,
            password=password,
            run=session.run,
            directory=session.resources.workspace.path,
        )
        seeded = lab.seeded
    opened = Walk(environment, session.target.migrations, wanted=_selected(request.session.items), seeded=seeded)
    try:
        yield opened
    finally:
        opened.close()


def _selected(items: Iterable[pytest.Item]) -> set[str]:
    """The revisions that this process has items for; with branches, their order is not alembic's."""
    calls = (getattr(item, "callspec", None) for item in items)
    return {str(call.params["revision"]) for call in calls if call is not None and "revision" in call.params}


def _bare_environment(session: DrillSession) -> MigrationEnvironment:
    """A server for the migrations alone; it ends with the workspace of the session."""
    from rollback_drills.lab.bare_alembic import BareAlembicEnvironment
    from rollback_drills.migrations.ini import driver_of

    server, workspace = session.resources.open_server(session.runtime)
    config = session.config
    section = config.getoption("drill_alembic_name")
    given = config.getoption("drill_alembic_env") or []
    baseline = config.getoption("drill_alembic_baseline")
    return BareAlembicEnvironment(
        session.target.file,
        interpreter=[config.getoption("drill_alembic_python") or sys.executable],
        admin_url=server.admin_url,
        run=session.run,
        workspace=workspace.path,
        bin_dir=server.bin_dir,
        driver=driver_of(session.target.file, section) or "postgresql+psycopg",
        section=section,
        variables=dict(each.split("=", 1) for each in given if "=" in each),
        baseline=Path(config.invocation_params.dir, baseline).read_text() if baseline else "",
    )

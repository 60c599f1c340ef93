"""Which revisions are to be proven: the scripts of the release, and what ``--drill-since`` leaves of them."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rollback_drills.migrations.scripts import Scripts
    from rollback_drills.target.target import Target

_KEY = pytest.StashKey["SelectedRevisions"]()


@dataclass(frozen=True, slots=True)
class SelectedRevisions:
    """The scripts of the release and the revisions to prove, or why these are not known.

    ``in_image``: the scripts are only in an image, or only env.py knows where they are. As nothing is started to
    collect tests, one item proves them all.
    ``nothing_new``: all are read, and ``--drill-since`` leaves none.
    """

    scripts: Scripts | None
    chosen: tuple[str, ...]
    reason: str = ""
    in_image: bool = False
    nothing_new: bool = False
    mistake: bool = False


def selected_revisions(config: pytest.Config, target: Target, worker: str) -> SelectedRevisions:
    """The revisions to prove; read once per process.

    Args:
        worker: the name of the process.
    """
    if _KEY not in config.stash:
        config.stash[_KEY] = _find(config, target, worker)
    return config.stash[_KEY]


def _find(config: pytest.Config, target: Target, worker: str) -> SelectedRevisions:
    from rollback_drills.core.errors import DrillError
    from rollback_drills.migrations.scripts import Scripts

    source = target.releases
    if not source.has_trees:
        return SelectedRevisions(Scripts((), ()), (), in_image=True)
    try:
        scripts = _scripts(config, target, worker)
        if not scripts.ids:
            if config.getoption("drill_alembic") and not scripts.problems:
                return SelectedRevisions(scripts, (), in_image=True)
            problems = "\n".join(scripts.problems)
            reason = f"no migration script was found{f': {problems}' if problems else ''}"
            return SelectedRevisions(scripts, (), reason, mistake=not problems)
        chosen = _since(config, target, scripts)
    except DrillError as error:
        return SelectedRevisions(None, (), str(error), mistake=True)
    except LookupError as error:
        return SelectedRevisions(None, (), str(error))
    reason = "" if chosen else f"no revision is newer than {config.getoption('drill_since')}"
    return SelectedRevisions(scripts, chosen, reason, nothing_new=not chosen)


def _scripts(config: pytest.Config, target: Target, worker: str) -> Scripts:
    from rollback_drills.core.placeholders import fill
    from rollback_drills.migrations.scripts import read_scripts
    from rollback_drills.runtimes.releases.trees import Trees
    from rollback_drills.runtimes.workspace import removal
    from rollback_drills.runtimes.workspace.directory import Workspace

    if config.getoption("drill_alembic"):
        return _scripts_of_alembic(config, target.file)
    if target.releases.path is not None:
        values = {"here": str(target.here), "release": target.current}
        return read_scripts([target.path(fill(target.releases.path, values)) / target.migrations.versions])
    # If this process is killed in between, the next run removes the workspace.
    workspace = Workspace(f"scripts-{secrets.token_hex(4)}", worker)
    try:
        tree = Trees(target, workspace.path).tree(target.current)
        return read_scripts([tree / target.migrations.versions])
    finally:
        removal.close(workspace)


def _since(config: pytest.Config, target: Target, scripts: Scripts) -> tuple[str, ...]:
    """The revisions that ``--drill-since`` selects: those above one, or those that a branch adds or changes.

    Raises:
        LookupError: there is no such revision or commit.
    """
    since = config.getoption("drill_since")
    if not since:
        return scripts.ids
    if not since.startswith("git:"):
        return scripts.after(since)
    try:
        from rollback_drills.pytest_plugin.since import changed_since

        return changed_since(since.removeprefix("git:"), scripts.scripts, target.here)
    except LookupError as error:
        raise LookupError(f"--drill-since {since}: {error}") from None


def _scripts_of_alembic(config: pytest.Config, file: Path) -> Scripts:
    """The scripts of the alembic.ini, read without running them; alembic is asked for what that does not show.

    Raises:
        DrillError: there are none, or the configuration cannot be read.
    """
    from rollback_drills.core.errors import DrillError
    from rollback_drills.lab.alembic_start import list_scripts, open_configuration
    from rollback_drills.migrations.ini import script_directories
    from rollback_drills.migrations.scripts import COMPUTED, read_scripts, scripts_of

    section, interpreter = config.getoption("drill_alembic_name"), interpreter_of(config)
    with tempfile.TemporaryDirectory() as directory:
        try:
            places = script_directories(file, section)
        except DrillError as unread:  # they may be in a package
            try:
                opened = open_configuration(file, section, interpreter, Path(directory))
            except DrillError:
                raise unread from None
            places = tuple(Path(each) for each in opened.places)
        found = read_scripts(places)
        if any(COMPUTED in problem for problem in found.problems):
            listed = list_scripts(file, section, interpreter, Path(directory))
            found = scripts_of(listed) if listed.revisions else found
    return found


def interpreter_of(config: pytest.Config) -> list[str]:
    """The command line of the project's Python; a path is relative to where pytest is called.

    A link stays a link: a virtual environment's Python finds its packages by the place at which it is called.
    """
    given = config.getoption("drill_alembic_python")
    if not given:
        return [sys.executable]
    return [os.path.abspath(Path(config.invocation_params.dir, given)) if os.sep in given else given]

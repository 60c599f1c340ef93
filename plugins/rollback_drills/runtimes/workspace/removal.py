"""Removes workspaces: at the end of a run, orphaned ones at the start of the next, and kept ones on demand.

Processes are found by the mark in their environment (PostgreSQL by its pid file and data directory), containers by the
label of their workspace.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from rollback_drills.core.errors import StackError
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.workspace import directory, strays
from rollback_drills.runtimes.workspace.directory import (
    ENGINE,
    KEPT,
    OWNED_BY,
    Workspace,
    is_orphaned,
    registry_lock,
    root,
    root_name,
)
from rollback_drills.runtimes.workspace.shared_memory import remove_shared_memory


class Removal(NamedTuple):
    """An orphaned workspace: the run that it belonged to, and a sentence that says what was removed."""

    run: str
    message: str


def close(workspace: Workspace) -> None:
    """Remove a workspace of this process and everything that runs from it, unless it is kept.

    Raises:
        StackError: a process or container cannot be ended.
    """
    try:
        if not workspace.kept:
            # Not while another process looks for orphans: half removed, this one would look like one.
            with registry_lock():
                _remove(workspace.path)
    finally:
        workspace.release_lock()


def sweep() -> list[Removal]:
    """Remove every orphaned workspace of this user, and what is left of those that were deleted."""
    removals = []
    with registry_lock():
        for path in sorted(root().iterdir()):
            if path.is_dir() and not path.is_symlink():
                removals += _sweep_one(path)
    own, marked = root(), strays.workspaces_of_processes()
    for path in sorted({*marked, *strays.data_in_memory().values()}):
        if path.is_dir():
            if path.parent != own:
                with registry_lock(path.parent):
                    removals += _sweep_one(path)
        else:
            removals += _sweep_remains(path, [each for each in marked.get(path, ()) if each.is_running()])
    return removals


def _sweep_remains(path: Path, processes: Sequence[psutil.Process]) -> list[Removal]:
    """What still runs from a workspace that is gone, and its data in memory."""
    data = [each for each, workspace in strays.data_in_memory().items() if workspace == path]
    if any(map(strays.is_owned, processes)) or not (processes or data):
        return []
    return [_removal(path, lambda: _remove_remains(processes, data))]


def _sweep_one(path: Path) -> list[Removal]:
    if (path / KEPT).exists() or not is_orphaned(path):
        return []
    return [_removal(path, lambda: _remove(path))]


def _removal(path: Path, remove: Callable[[], int]) -> Removal:
    try:
        ended = remove()
    except (OSError, StackError) as error:
        message = f"what the killed run {path.name} left behind cannot be removed: {error}; see {path}"
    else:
        message = f"removed what the killed run {path.name} left behind: {ended} processes or containers, and {path}"
    return Removal(path.name.rpartition("-")[0], message)


def _remove_remains(processes: Sequence[psutil.Process], data: Sequence[Path]) -> int:
    process.end_all(processes)
    for each in data:
        _remove_data(each)
    return len(processes)


def _remove_data(data: Path) -> None:
    remove_shared_memory(data)
    shutil.rmtree(data, ignore_errors=not data.exists())
    data.with_name(data.name + OWNED_BY).unlink(missing_ok=True)


def remove_kept(path: Path) -> int:
    """End everything that runs from a kept workspace and delete it; return the number of processes and containers.

    Raises:
        StackError: it is not a kept workspace, or the run that created it has not ended.
    """
    path = path.resolve()
    if path.parent.name != root_name() or not (path / KEPT).is_file():
        raise StackError(f"{path} is not a kept stack", fix="copy the command that pytest printed at its end")
    with registry_lock(path.parent):
        if not is_orphaned(path):
            raise StackError(f"the run that created {path} is still running", fix="wait until it ends")
        return _remove(path)


def _remove(path: Path) -> int:
    """End the processes and containers of a workspace and delete it; return how many were ended."""
    processes = _processes(path)
    process.end_all(processes)
    # Containers after the processes, one of which may be a command line that is creating some.
    containers = _remove_containers(path) if (path / ENGINE).is_file() else 0
    for version in path.glob("*/PG_VERSION"):
        remove_shared_memory(version.parent)
    memory = directory.MEMORY / root_name()
    for link in path.iterdir():
        target = link.resolve()
        if link.is_symlink() and target.parent == memory and target.name == f"{path.name}-{link.name}":
            _remove_data(target)
    shutil.rmtree(path, ignore_errors=False)
    return len(processes) + containers


def _processes(path: Path) -> list[psutil.Process]:
    found = process.of_workspace(path)
    for pid_file in path.glob("*/postmaster.pid"):
        with contextlib.suppress(OSError, ValueError, IndexError, psutil.NoSuchProcess):
            leader = psutil.Process(int(pid_file.read_text().splitlines()[0]))
            # The number may have been reused: only a process with this very data directory is meant.
            if leader not in found and str(pid_file.parent) in leader.cmdline():
                found.append(leader)
    # Backends that are stopped or busy outlive a postmaster that was killed.
    return found + [each for file in path.glob("*/PG_VERSION") for each in process.in_directory(file.parent)]


def _remove_containers(path: Path) -> int:
    from rollback_drills.runtimes.docker.cleanup import remove_of  # importing Docker's packages takes 0.25 s

    return remove_of(path)

"""What killed runs have left where the next one does not look: under another TMPDIR, or after /tmp was emptied.

Their processes tell: each carries the path of its workspace in its environment, and PostgreSQL works in its data
directory. Only processes that see the same files and process ids as this one are asked.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.workspace import directory
from rollback_drills.runtimes.workspace.directory import OWNED_BY, root_name


def workspaces_of_processes() -> dict[Path, list[psutil.Process]]:
    """The workspaces that processes of this user were started from, wherever those are or were."""
    found: dict[Path, list[psutil.Process]] = {}
    for each in _near_processes():
        path = _workspace_of(each)
        if path is not None:
            found.setdefault(path, []).append(each)
    return found


def data_in_memory() -> dict[Path, Path]:
    """The data directories in memory, with the workspace that each belongs to."""
    memory = directory.MEMORY / root_name()
    found = {}
    for path in sorted(memory.glob("*")):
        if path.is_dir() and not path.is_symlink():
            link = path.with_name(path.name + OWNED_BY)
            # A version that left no link had all its workspaces in the usual directory.
            found[path] = link.readlink() if link.is_symlink() else _usual_root() / path.name.rpartition("-")[0]
    return found


def is_owned(member: psutil.Process) -> bool:
    """Whether the process that has started it is still there: then the run lives, although its files are gone.

    A process that does not name its owner, as of an earlier version, is orphaned if init has adopted it.
    """
    with contextlib.suppress(psutil.Error, OSError):
        named = _environment(member).get(process.OWNER_VARIABLE, "")
        if not named.isdigit():
            parent = member.parent()
            return parent is not None and parent.pid != 1 and (_workspace_of(parent) is None or is_owned(parent))
        owner = psutil.Process(int(named))
        return owner.create_time() <= member.create_time() and owner.status() != psutil.STATUS_ZOMBIE
    return False


def _environment(member: psutil.Process) -> dict[str, str]:
    with contextlib.suppress(psutil.Error, OSError):
        return member.environ()
    return {}


def _usual_root() -> Path:
    return Path("/tmp").resolve() / root_name()


def _near_processes() -> Iterator[psutil.Process]:
    own = _namespaces(os.getpid())
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if _namespaces(each.pid) == own and each.status() != psutil.STATUS_ZOMBIE:
                yield each


def _namespaces(pid: int) -> tuple[str, ...]:
    return tuple(os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("mnt", "pid"))


def _workspace_of(member: psutil.Process) -> Path | None:
    """By its environment; a server process of PostgreSQL has overwritten that, and stays in its data directory."""
    with contextlib.suppress(psutil.Error, OSError, KeyError):
        marked = Path(member.environ()[process.WORKSPACE_VARIABLE])
        return marked if marked.parent.name == root_name() else None
    with contextlib.suppress(psutil.Error, OSError):
        inside = Path(member.cwd().removesuffix(" (deleted)"))
        in_memory = inside.parent == directory.MEMORY / root_name()
        if in_memory:
            return data_in_memory().get(inside)
        return next((each for each in inside.parents if each.parent.name == root_name()), None)
    return None

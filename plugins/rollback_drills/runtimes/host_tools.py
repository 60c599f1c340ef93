"""The target's own commands on this machine, beside PostgreSQL's client tools."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rollback_drills.meter import Meter
from rollback_drills.placeholders import fill, names_in
from rollback_drills.runtimes import process
from rollback_drills.runtimes.embedded_postgres import find_bin_dir
from rollback_drills.stack import CommandResult
from rollback_drills.target import Target

_OF_THIS_MACHINE = {"here", "python"}


def is_for_the_host(argv: Sequence[str]) -> bool:
    """A command that names something of this machine runs here; any other, where PostgreSQL's own tools are."""
    return any(names_in(argument) & _OF_THIS_MACHINE for argument in argv)


def run_on_host(
    argv: Sequence[str],
    values: Mapping[str, str],
    target: Target,
    private: Path,
    *,
    timeout: float,
    meter: Meter,
    bin_dir: Path | None = None,
    kill_when: Callable[[], bool] | None = None,
) -> CommandResult:
    """Run a command of the target's in a clean environment, with PostgreSQL's client tools in its PATH.

    Args:
        kill_when: asked again and again while the command runs; once true, the command is killed.
        bin_dir: where those are; by default the target's ``database.bin_dir``, else the wheel's.

    Raises:
        StackError: it cannot be started.
    """
    configured = target.path(target.database.bin_dir) if target.database.bin_dir else None
    tools = bin_dir or find_bin_dir(configured)
    known = {"here": str(target.here), "python": sys.executable, "pg_bin": str(tools), **values}
    path = f"{tools}:{process.clean_environment(private)['PATH']}"
    with meter.target():
        return process.run(
            [fill(argument, known) for argument in argv],
            cwd=private,
            env=process.clean_environment(private, {"PATH": path}),
            timeout=timeout,
            where="client tools",
            kill_when=kill_when,
        )

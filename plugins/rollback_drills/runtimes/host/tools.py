"""Commands on this machine, beside PostgreSQL's client tools: the target's own, and what an operator types."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rollback_drills.core.meter import Meter
from rollback_drills.core.placeholders import fill, names_in
from rollback_drills.runtimes.embedded.postgres import find_bin_dir
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.protocols import CommandResult
from rollback_drills.target.target import Target

_OF_THIS_MACHINE = {"here", "python"}
TYPED_TIMEOUT = 60.0  # seconds for lines that an operator types


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
    tools = bin_dir or _configured(target)
    known = {"here": str(target.here), "python": sys.executable, "pg_bin": str(tools), **values}
    with meter.target():
        return process.run(
            [fill(argument, known) for argument in argv],
            cwd=private,
            env=_environment(private, tools),
            timeout=timeout,
            where="client tools",
            kill_when=kill_when,
        )


def type_on_host(
    command: str, directory: Path, target: Target, private: Path, *, meter: Meter, bin_dir: Path | None = None
) -> CommandResult:
    """Run lines as an operator types them into a shell of this machine.

    Args:
        bin_dir: as for `run_on_host`.

    Raises:
        StackError: there is no such shell.
    """
    with meter.target():
        result = process.run(
            ["bash", "-c", command], cwd=directory, env=_environment(private, bin_dir or _configured(target)),
            timeout=TYPED_TIMEOUT, where="this machine",
        )  # fmt: skip
    return replace(result, argv=(command,))


def _configured(target: Target) -> Path:
    return find_bin_dir(target.path(target.database.bin_dir) if target.database.bin_dir else None)


def _environment(private: Path, tools: Path) -> dict[str, str]:
    clean = process.clean_environment(private)
    return clean | {"PATH": f"{tools}:{clean['PATH']}"}

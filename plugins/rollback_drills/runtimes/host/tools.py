"""Commands on this machine, with PostgreSQL's client tools: the target's own, and those that an operator types."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rollback_drills.core.meter import Meter
from rollback_drills.core.placeholders import fill, names_in
from rollback_drills.postgres.addresses import client_variables, without_password
from rollback_drills.runtimes.embedded.postgres import find_bin_dir
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.protocols import CommandResult, ToolCommand
from rollback_drills.target.target import Target

_OF_THIS_MACHINE = {"here", "python"}
TYPED_TIMEOUT = 60.0  # seconds for lines that an operator types


def is_for_the_host(argv: Sequence[str]) -> bool:
    """Whether a command names something of this machine, and so runs on it."""
    return any(names_in(argument) & _OF_THIS_MACHINE for argument in argv)


@dataclass(frozen=True, slots=True)
class HostTools:
    """Runs commands in a clean environment, with PostgreSQL's client tools in its PATH.

    Args:
        private: the directory that is their HOME.
        bin_dir: the directory of the client tools; None: the target's ``database.bin_dir``, else the wheel's.
    """

    target: Target
    private: Path
    meter: Meter
    bin_dir: Path | None = None

    def run(
        self, command: ToolCommand, *, timeout: float, kill_when: Callable[[], bool] | None = None
    ) -> CommandResult:
        """As `Commands.run_tool`."""
        tools = self._tools()
        values: Mapping[str, str] = {
            "here": str(self.target.here),
            "python": sys.executable,
            "pg_bin": str(tools),
            "database": command.database,
            "database_url": without_password(command.database_url)[0],
            "file": str(command.file),
        }
        with self.meter.target():
            return process.run(
                [fill(argument, values) for argument in command.argv],
                cwd=self.private,
                env=self._environment(tools) | client_variables(command.database_url),
                timeout=timeout,
                where="client tools",
                kill_when=kill_when,
            )

    def type(self, lines: str, directory: Path) -> CommandResult:
        """As `Commands.typed`.

        Raises:
            StackError: there is no bash.
        """
        with self.meter.target():
            result = process.run(
                ["bash", "-c", lines],
                cwd=directory,
                env=self._environment(self._tools()),
                timeout=TYPED_TIMEOUT,
                where="this machine",
            )
        return replace(result, argv=(lines,))

    def _tools(self) -> Path:
        configured = self.target.database.bin_dir
        return self.bin_dir or find_bin_dir(self.target.path(configured) if configured else None)

    def _environment(self, tools: Path) -> dict[str, str]:
        clean = process.clean_environment(self.private)
        return clean | {"PATH": f"{tools}:{clean['PATH']}"}

"""What a drill can do to a system, whatever runtime it stands on.

A runtime provides the two protocols, `Gateway` and `Commands`; everything above them (`Alembic`, `LiveDatabase`,
`Client`) is the same code for all runtimes. One meaning is shared by all of them, as in production:
*restart keeps the environment that the gateway was created with; only re-creating it reads the configuration anew.*
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

UrlSource = Callable[[], str]
"""Gives the database's libpq URL at the moment of asking: after a restore it may be another database."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command that was run to its end, or killed at its time limit (``exit_code`` None)."""

    argv: tuple[str, ...]
    exit_code: int | None
    stdout: str
    stderr: str
    seconds: float
    where: str = ""

    @property
    def output(self) -> str:
        return "\n".join(part.rstrip() for part in (self.stdout, self.stderr) if part.strip())

    @property
    def ok(self) -> bool:
        return self.exit_code == 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a start of the gateway went. ``started`` means: it answers HTTP, with whatever status."""

    started: bool
    seconds: float
    exit_code: int | None = None
    log: str = ""

    @property
    def why(self) -> str:
        """Why it did not start, and its last words; empty when it did."""
        if self.started:
            return ""
        if self.exit_code is None:
            reason = "it did not answer in time"
        elif self.exit_code == 0:
            reason = "it exited with code 0 at once: a gateway has to stay in the foreground"
        else:
            reason = f"it exited with code {self.exit_code}"
        return f"{reason}\n{self.log}".rstrip()


@dataclass(frozen=True, slots=True)
class Stop:
    """How the gateway ended when it was told to stop.

    ``exit_code`` is negative where a signal ended it, -9 also where it had to be killed after ``gateway.stop_timeout``.
    """

    release: str
    exit_code: int | None
    log: str


class Gateway(Protocol):
    """The gateway under drill: one process or container at a time, always under the same address."""

    @property
    def base_url(self) -> str: ...

    @property
    def release(self) -> str | None:
        """The release that was created last."""

    @property
    def running(self) -> bool: ...

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that the gateway was *created* with, whatever has been configured since."""

    @property
    def stops(self) -> Sequence[Stop]:
        """Every stop of a running gateway that could be watched, in their order; kills are none."""

    def configure(self, variables: Mapping[str, str | None]) -> None:
        """Edit the configuration (None removes a variable); the running gateway does not notice."""

    def deploy(self, release: str, *, migrate: bool = False) -> Outcome:
        """Stop what runs, and create the gateway from ``release`` with the configuration as it is now.

        Args:
            migrate: let the start apply migrations, where the target can.
        """

    def recreate(self) -> Outcome:
        """Deploy the same release in the same way again, reading the configuration anew."""

    def restart(self) -> Outcome:
        """Stop and start, with the environment that it was created with."""

    def stop(self) -> None: ...

    def kill(self) -> None: ...

    def remove(self) -> None:
        """End it if it runs, and remove what it ran in; it may be deployed again."""

    def logs(self) -> str:
        """The end of what the gateway has written since it was created."""


class Conversation(Protocol):
    """A program that answers lines with lines; whatever it writes to standard error is kept for its last words."""

    def send(self, data: bytes) -> None:
        """Write to its standard input.

        Raises:
            StackError: it has ended.
        """

    def receive(self, timeout: float) -> bytes:
        """The next line of its standard output.

        Raises:
            StackError: it has ended, or said nothing for ``timeout`` seconds.
        """

    def close(self) -> None:
        """End it, with all that it has started."""


class Commands(Protocol):
    """One-off commands beside the gateway, also while it is down."""

    def in_release(
        self,
        release: str,
        argv: Sequence[str],
        *,
        timeout: float,
        directory: str = "",
        database_url: str | None = None,
        kill_when: Callable[[], bool] | None = None,
    ) -> CommandResult:
        """Run ``argv`` (placeholders filled in) in the tree or image of ``release``.

        Args:
            timeout: seconds; what still runs then is killed with all its children.
            directory: where in the tree, or below the image's working directory.
            database_url: another database than the gateway's own.
            kill_when: asked again and again while the command runs; once true, the command is killed (SIGKILL).
        """

    def converse(
        self,
        release: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        database_url: str,
        directory: str = "",
    ) -> Conversation:
        """Start a program in the tree or image of ``release`` that is talked to over its standard streams.

        Args:
            environment: variables beside those of the gateway; placeholders are filled in.
            directory: as for `in_release`.
        """

    def tool(
        self,
        argv: Sequence[str],
        *,
        database: str,
        database_url: str,
        file: Path,
        timeout: float,
        kill_when: Callable[[], bool] | None = None,
    ) -> CommandResult:
        """Run a client tool of PostgreSQL (``pg_dump``, ``psql``), or a command of the target's, on a database.

        Placeholders are filled in as things are named where the tool runs; what names something of this machine
        (``{here}``, ``{python}``) runs on it.

        Args:
            database: the database's name.
            database_url: libpq URL as it is addressed from this machine.
            file: a file of this machine that the tool reads or writes.
            kill_when: as for `in_release`.
        """

    def typed(self, command: str, directory: Path) -> CommandResult:
        """Run lines as an operator types them into bash on this machine, in ``directory``, with nothing exported."""

    def derive_release(self, base: str, name: str, files: Mapping[str, str]) -> str:
        """A release made from ``base`` with some files (relative path → text) added or replaced."""


@dataclass(frozen=True, slots=True, repr=False)
class DatabaseAccount:
    """The database, role and password that a target's own configuration (a compose file) gives to its gateway."""

    database: str
    role: str
    password: str


class DatabaseServer(Protocol):
    """The disposable PostgreSQL server that the databases of all drills live in."""

    @property
    def admin_url(self) -> str:
        """libpq URL of a superuser, database ``postgres``."""

    def freeze(self) -> None:
        """Stop every process of the server without ending it (SIGSTOP): it accepts and never answers."""

    def thaw(self) -> None: ...

    def revive(self) -> None:
        """Start it again if it has died: the drills that come have no part in what befell it.

        Raises:
            StackError: it does not start.
        """


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A service's container as the engine sees it.

    ``status`` and ``health`` are Docker's words; ``health`` is empty where there is no health check.
    ``volumes`` holds the named volumes, by the path that they are mounted at.
    """

    container: str
    status: str
    health: str
    image: str
    environment: Mapping[str, str]
    volumes: Mapping[str, str]


class Project(Protocol):
    """A compose project in which a runbook's commands are run to the letter; only the compose runtime has one."""

    @property
    def services(self) -> tuple[str, str]:
        """How the gateway's and the database's service are called."""

    def shell(self, command: str, *, variables: Mapping[str, str] | None = None) -> CommandResult:
        """Run a line as an operator types it, in the project's directory.

        Args:
            variables: what the operator has exported in that shell.
        """

    def service(self, name: str) -> ServiceState | None:
        """None where there is no container."""

    def image(self, release: str) -> str:
        """The id of the image under a release's name, empty where there is none."""


@dataclass(slots=True)
class CommandLog:
    """Who wants to know of the commands that are run; the drill that is being performed."""

    command: list[Callable[[CommandResult], None]] = field(default_factory=list)

    def tell(self, result: CommandResult) -> CommandResult:
        for listener in self.command:
            listener(result)
        return result


class Runtime(Protocol):
    """Where stacks run. `start` is called once per worker, `close` always."""

    name: str

    @property
    def account(self) -> DatabaseAccount | None:
        """What the target's own configuration connects with; None: the lab makes a role, and names the databases."""

    @property
    def server(self) -> DatabaseServer: ...

    def start(self) -> None: ...

    def close(self) -> None: ...

    def gateway(self, name: str, database_url: UrlSource) -> Gateway: ...

    def commands(self, listeners: CommandLog, database_url: UrlSource) -> Commands: ...

    def project(self, listeners: CommandLog) -> Project | None:
        """Where the runbook's commands can be run to the letter; None where there is no such place."""

    def secrets(self) -> tuple[str, ...]:
        """Passwords that were made up for this run."""

    def facts(self) -> dict[str, JsonValue]: ...

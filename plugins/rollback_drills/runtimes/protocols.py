"""What a drill can do to a system, whichever runtime it runs on.

A runtime implements `Gateway`, `Commands` and `DatabaseServer`; everything above them (`Alembic`, `LiveDatabase`,
`GatewayClient`) is the same code for all runtimes. They share one meaning, that of production:
*a restart keeps the environment that the gateway was created with; only re-creating it reads the configuration anew.*
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from rollback_drills.core.last_words import decisive

UrlSource = Callable[[], str]
"""Returns the database's current libpq URL; after a restore it may be another database."""


@dataclass(frozen=True, slots=True)
class ReleaseCommand:
    """A command to run in the tree or image of a release.

    Args:
        argv: with placeholders, which the runtime fills in.
        directory: below the tree or the image's working directory.
        database_url: libpq URL as addressed from this machine; None for the gateway's own database.
        environment: variables in addition to the gateway's, with placeholders.
    """

    release: str
    argv: Sequence[str]
    directory: str = ""
    database_url: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolCommand:
    """A client tool of PostgreSQL (``pg_dump``, ``psql``), or a command of the target's, to run on a database.

    A command that names something of this machine (``{here}``, ``{python}``) runs on it, any other where PostgreSQL's
    tools are.

    Args:
        argv: with placeholders, which the runtime fills in as things are named where the command runs.
        database: the database's name.
        database_url: libpq URL as addressed from this machine.
        file: a file of this machine that the command reads or writes.
    """

    argv: Sequence[str]
    database: str
    database_url: str
    file: Path


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command that ran to its end, or was killed at its time limit (``exit_code`` None)."""

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
    """The result of a start of the gateway. ``started`` means: it answers HTTP, with any status.

    ``elsewhere`` says where it listens, if that is known and not where it was asked.
    """

    started: bool
    seconds: float
    exit_code: int | None = None
    log: str = ""
    elsewhere: str = ""

    @property
    def timed_out(self) -> bool:
        """Whether it did not start because it did not answer in time; on an overloaded machine that proves nothing."""
        return not self.started and self.exit_code is None

    @property
    def reason(self) -> str:
        """Why it did not start, with the decisive words of its log; empty if it did."""
        if self.started:
            return ""
        if self.exit_code is None:
            reason = f"it did not answer in time{f': {self.elsewhere}' if self.elsewhere else ''}"
        elif self.exit_code == 0:
            reason = "it exited with code 0 at once: a gateway has to stay in the foreground"
        else:
            reason = f"it exited with code {self.exit_code}"
        words = decisive(self.log)
        return f"{reason}: {words}" if words else reason

    @property
    def why(self) -> str:
        """Why it did not start, and the end of its log; empty if it did."""
        return self.reason if self.log.strip() in self.reason else f"{self.reason}\n{self.log}".rstrip()


@dataclass(frozen=True, slots=True)
class Stop:
    """How the gateway ended when it was asked to stop.

    ``exit_code`` is negative if a signal ended it, -9 also if it had to be killed after ``gateway.stop_timeout``.
    ``left`` describes the processes that outlived it; ``answering``: one of them still listened on the gateway's port.
    """

    release: str
    exit_code: int | None
    log: str
    left: tuple[str, ...] = ()
    answering: bool = False


class Gateway(Protocol):
    """The gateway under drill: one process or container at a time, always at the same address."""

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
        """Every observed stop of a running gateway, oldest first; kills do not count."""

    def configure(self, variables: Mapping[str, str | None]) -> None:
        """Edit the configuration (None removes a variable); the running gateway does not notice."""

    def deploy(self, release: str, *, migrate: bool = False) -> Outcome:
        """Stop the running gateway, and create one from ``release`` with the current configuration.

        Args:
            migrate: let the start apply migrations, if the target can.

        Raises:
            StackError: the release cannot be obtained, or another program listens on the gateway's port.
        """

    def recreate(self) -> Outcome:
        """Deploy the same release in the same way again, reading the configuration anew."""

    def restart(self) -> Outcome:
        """Stop and start, with the environment that it was created with."""

    def stop(self) -> None: ...

    def kill(self) -> None: ...

    def remove(self) -> None:
        """End it if it runs, and remove its process or container; it may be deployed again."""

    def logs(self) -> str:
        """The end of what the gateway has written since it was created."""


class Conversation(Protocol):
    """A program that answers lines with lines; the end of its standard error is kept for error messages."""

    def send(self, data: bytes) -> None:
        """Write to its standard input.

        Raises:
            StackError: it has ended.
        """

    def receive(self, timeout: float) -> bytes:
        """Return the next line of its standard output.

        Raises:
            StackError: it has ended, or wrote nothing for ``timeout`` seconds.
        """

    def close(self) -> None:
        """End it, with everything that it started."""


class Commands(Protocol):
    """One-off commands beside the gateway, which need not be running."""

    def run(
        self, command: ReleaseCommand, *, timeout: float, kill_when: Callable[[], bool] | None = None
    ) -> CommandResult:
        """Run a command in the tree or image of a release, to its end.

        Args:
            timeout: seconds, after which it is killed with all its children.
            kill_when: polled while the command runs; once true, the command is killed (SIGKILL).

        Raises:
            StackError: it cannot be started.
        """

    def converse(self, command: ReleaseCommand) -> Conversation:
        """Start a program in the tree or image of a release, and talk to it over its standard streams.

        Raises:
            StackError: it cannot be started.
        """

    def run_tool(
        self, command: ToolCommand, *, timeout: float, kill_when: Callable[[], bool] | None = None
    ) -> CommandResult:
        """Run a client tool on a database, to its end; the arguments and the error are those of `run`."""

    def typed(self, command: str, directory: Path) -> CommandResult:
        """Run lines as an operator types them into bash on this machine, in ``directory``, with nothing exported."""

    def derive_release(self, base: str, name: str, files: Mapping[str, str]) -> str:
        """Make a release from ``base`` with some files (relative path → text) added or replaced; return its name."""


@dataclass(frozen=True, slots=True, repr=False)
class DatabaseAccount:
    """The database, role and password that a target's own configuration (a compose file) gives to its gateway."""

    database: str
    role: str
    password: str


class DatabaseServer(Protocol):
    """The disposable PostgreSQL server that holds the databases of all drills."""

    @property
    def admin_url(self) -> str:
        """libpq URL of a superuser, database ``postgres``."""

    def freeze(self) -> None:
        """Stop every process of the server without ending it (SIGSTOP): it accepts connections and never answers."""

    def thaw(self) -> None: ...

    def revive(self) -> None:
        """Start it again if it has died, so that one drill's damage does not fail the next.

        Raises:
            StackError: it does not start.
        """


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A service's container as the engine sees it.

    ``status`` and ``health`` are Docker's words; ``health`` is empty if there is no health check.
    ``volumes`` holds the named volumes, and ``binds`` the directories of the host, by their mount path.
    """

    container: str
    status: str
    health: str
    image: str
    environment: Mapping[str, str]
    volumes: Mapping[str, str]
    binds: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReleaseSelection:
    """What a compose file makes of the variable that is to select the release.

    Args:
        variable: its name.
        differences: what `docker compose config` says differently of the gateway for the two releases, as dotted paths.
        image: the image that the gateway's service names; empty if it names none.
        build_differs: whether that build differs between the releases.
    """

    variable: str
    differences: tuple[str, ...]
    image: str
    build_differs: bool

    @property
    def effective(self) -> bool:
        """Whether the variable selects what runs. What is built counts only where nothing but a build is deployed."""
        return self.needs_build or any(each.partition(".")[0] != "build" for each in self.differences)

    @property
    def needs_build(self) -> bool:
        """Whether only a build brings the other release: the service names no image, and its build differs."""
        return self.build_differs and not self.image


class Project(Protocol):
    """A compose project in which a runbook's commands are run to the letter; only the compose runtime has one."""

    @property
    def services(self) -> tuple[str, str]:
        """The names of the gateway's and the database's service."""

    @property
    def selection(self) -> ReleaseSelection:
        """What the compose file makes of the variable that is to select the release."""

    def shell(self, command: str, *, variables: Mapping[str, str] | None = None) -> CommandResult:
        """Run a line as an operator types it, in the project's directory.

        Args:
            variables: what the operator has exported in that shell.
        """

    def service(self, name: str) -> ServiceState | None:
        """None if the service has no container."""

    def image(self, release: str) -> str:
        """The id of the image under a release's name, empty if there is none."""


@dataclass(slots=True)
class CommandLog:
    """Passes every command that was run to its listeners: the drill that is being performed."""

    listeners: list[Callable[[CommandResult], None]] = field(default_factory=list)

    def add(self, result: CommandResult) -> CommandResult:
        for listener in self.listeners:
            listener(result)
        return result


class Runtime(Protocol):
    """Where stacks run. `start` is called once per worker, `close` always."""

    name: str

    @property
    def account(self) -> DatabaseAccount | None:
        """What the target's own configuration connects with; None: the lab creates a role and names the databases."""

    @property
    def server(self) -> DatabaseServer: ...

    def start(self) -> None: ...

    def close(self) -> None: ...

    def gateway(self, name: str, database_url: UrlSource) -> Gateway: ...

    def commands(self, command_log: CommandLog, database_url: UrlSource) -> Commands: ...

    def project(self, command_log: CommandLog) -> Project | None:
        """Where the runbook's commands are run to the letter; None if the runtime has no such project."""

    def secrets(self) -> tuple[str, ...]:
        """Passwords that were generated for this run, and must not be recorded."""

    def facts(self) -> dict[str, JsonValue]:
        """What the report says about the runtime, for example versions."""

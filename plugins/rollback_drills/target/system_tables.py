"""The tables of a target file about releases, processes, PostgreSQL, backups and what the runbook promises."""

from __future__ import annotations

from signal import SIGTERM, Signals
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from rollback_drills.target.fields import (
    BACKUP_PLACEHOLDERS,
    CONTEXT_PLACEHOLDERS,
    IMAGE_PLACEHOLDERS,
    PROCESS_PLACEHOLDERS,
    RELEASE_PLACEHOLDERS,
    Environment,
    Port,
    Reason,
    Seconds,
    Table,
    TableOrColumn,
    Within,
    template,
    templates,
)


class Build(Table):
    """A build context, as ``docker build`` takes it."""

    context: Annotated[str, template(CONTEXT_PLACEHOLDERS)] = Field(
        description="the directory that is sent to the engine; {tree} is that of the release"
    )
    dockerfile: str = Field(default="Dockerfile", description="the Dockerfile, within the context")
    args: dict[str, Annotated[str, template(IMAGE_PLACEHOLDERS)]] = Field(default={}, description="build arguments")
    target: str | None = Field(default=None, description="the stage to build; absent: the last")


class Git(Table):
    """A repository, which is only read: files come straight from its objects, whatever is checked out there."""

    repository: str = Field(default=".", description="the repository's directory, or one within it")
    ref: Annotated[str, template(frozenset({"release"}), ("release",))] = Field(
        default="{release}", description="the tag, branch or commit of a release"
    )
    directory: Within = Field(default="", description="the part of the repository that is the tree; empty: all of it")


class Python(Table):
    """The Python of a release's processes, `{python}`, for the embedded runtime. An image brings its own."""

    interpreter: Annotated[str, template(RELEASE_PLACEHOLDERS - {"python"})] | None = Field(
        default=None, description="a Python that is there, for example {tree}/.venv/bin/python"
    )
    requirements: tuple[Within, ...] = Field(
        default=(), description="pip's requirement files in the tree, installed once into an environment that is kept"
    )
    base: str | None = Field(
        default=None, description="the Python that such environments are made with; absent: the one of the suite"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.interpreter is not None and (self.requirements or self.base):
            raise ValueError("needs either interpreter, or requirements and base")
        return self


class Releases(Table):
    """Where a release comes from: as a tree (embedded runtime), as an image (docker and compose), or both ways."""

    command: Annotated[tuple[str, ...], templates(RELEASE_PLACEHOLDERS, ("release", "tree"))] | None = Field(
        default=None, description="makes the tree of a release in the directory {tree}"
    )
    path: Annotated[str, template(frozenset({"here", "release"}), ("release",))] | None = Field(
        default=None, description="the directory of a release; it is copied, never run in place"
    )
    git: Git | None = Field(default=None, description="a git repository that has the releases as tags or branches")
    image: Annotated[str, template(frozenset({"release"}), ("release",))] | None = Field(
        default=None, description="the image of a release; pulled unless the engine has it"
    )
    build: Build | None = Field(default=None, description="how the image of a release is built, where there is none")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        trees = [name for name in ("command", "path", "git") if getattr(self, name) is not None]
        if len(trees) > 1:
            raise ValueError(f"needs one of command, path and git, and not both {' and '.join(trees)}")
        if not trees and self.image is None and self.build is None:
            raise ValueError("needs command, path or git (a tree), or image or build (an image)")
        if not trees and self.build is not None and "{tree}" in self.build.context:
            raise ValueError("build.context is {tree}: needs command, path or git, which say what the tree is")
        return self

    @property
    def has_trees(self) -> bool:
        return self.command is not None or self.path is not None or self.git is not None


class GatewaySettings(Table):
    """How the gateway is started. The environment is complete: nothing of the caller's leaks in."""

    start: Annotated[tuple[str, ...], templates(PROCESS_PLACEHOLDERS, ("port",))] | None = Field(
        default=None, description="the command that serves, run in the tree; the embedded runtime needs it"
    )
    env: Environment = Field(default={}, description="its environment, complete but for PATH, HOME, TMPDIR and LANG")
    directory: Within = Field(default="", description="where in the tree the process is started; an image has its own")
    stop_signal: Literal["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH"] | None = Field(
        default=None, description="by which signal it stops; absent: SIGTERM, or what its image says"
    )
    normal_exit_codes: tuple[Annotated[int, Field(ge=-64, le=255)], ...] = Field(
        default=(0, -15, 143, -2, 130),
        description="exit codes of a stop that is in order (negative: ended by that signal); stop_signal's own are too",
    )
    migrate_on_start: Environment | None = Field(
        default=None, description="variables that make a start apply migrations; absent: it cannot"
    )
    always_migrates: bool = Field(
        default=False,
        description="every start applies migrations, and nothing turns that off (an entry point that runs `alembic "
        "upgrade head`)",
    )
    ready_timeout: Seconds = Field(default=30.0, description="seconds from the start to the first answer")
    stop_timeout: Seconds = Field(default=10.0, description="seconds from SIGTERM until it is killed")
    request_timeout: Seconds = Field(default=5.0, description="seconds that a client waits for an answer")
    container_port: Port = Field(default=8000, description="where it listens in a container")
    container_command: Annotated[tuple[str, ...], templates(PROCESS_PLACEHOLDERS)] | None = Field(
        default=None, description="the command in a container; absent: the image's"
    )

    @model_validator(mode="after")
    def _one_way_to_migrate(self) -> Self:
        if self.migrate_on_start == {}:
            raise ValueError(
                "migrate_on_start names no variable: say which make a start apply migrations, or leave it out where "
                "none does, or write always_migrates = true where every start does"
            )
        if self.always_migrates and self.migrate_on_start is not None:
            raise ValueError(
                "needs either always_migrates or migrate_on_start, whose variables turn migrations on and off"
            )
        return self

    @property
    def can_migrate(self) -> bool:
        """Whether a start can apply migrations."""
        return self.always_migrates or self.migrate_on_start is not None

    @property
    def normal_exits(self) -> frozenset[int]:
        """Exit codes of a stop that is in order, those of the signal that it is stopped with among them."""
        number = Signals[self.stop_signal] if self.stop_signal is not None else SIGTERM
        return frozenset((*self.normal_exit_codes, -number, 128 + number))


class Database(Table):
    """The disposable PostgreSQL and the rows that a drill begins with."""

    bin_dir: str | None = Field(default=None, description="a PostgreSQL that is on the machine already")
    image: str = Field(default="postgres:16", description="PostgreSQL's image, for the docker runtime")
    version: Annotated[int, Field(ge=13, le=99)] | None = Field(
        default=None, description="production's major version; a runtime that has another one refuses to run"
    )
    extensions: tuple[str, ...] = Field(
        default=(), description="extensions that a superuser creates before the first migration"
    )
    roles: tuple[str, ...] = Field(
        default=(), description="roles that migrations grant to, created without a right to log in"
    )
    seed: tuple[str, ...] = Field(default=(), description="SQL files, valid at the previous release's head")
    seed_command: Annotated[tuple[str, ...], templates(PROCESS_PLACEHOLDERS)] | None = Field(
        default=None, description="a command of the previous release that adds rows, after the SQL files"
    )
    volatile: tuple[TableOrColumn, ...] = Field(
        default=(),
        description="what deliveries change in rows that are there: `schema.table.column`, or `schema.table` for all "
        "of it; not compared when rows are looked for after a rollback, and compared in full after a restore",
    )


class Downgrade(Table):
    """Which downgrade to drill where no release change asks for one: releases without a migration between them."""

    from_: Annotated[str, StringConstraints(min_length=1)] = Field(
        alias="from", description="the revision to begin with, the head or one below it"
    )
    to: Annotated[str, StringConstraints(min_length=1)] = Field(description="the revision to go back to, or `base`")

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.from_ == self.to:
            raise ValueError(f"from and to are both {self.to!r}: there is nothing to go back")
        return self


class Migrations(Table):
    """How alembic is called, in the tree of the release whose scripts are wanted."""

    command: Annotated[tuple[str, ...], templates(PROCESS_PLACEHOLDERS)] = Field(
        default=("{python}", "-m", "alembic"), description="alembic, run in the tree"
    )
    directory: Within = Field(default="", description="where in the tree it is run")
    versions: str = Field(default="migrations/versions", description="directory of the scripts within a tree")
    interpreter: Annotated[tuple[str, ...], templates(PROCESS_PLACEHOLDERS)] | None = Field(
        default=None,
        description="the Python that has alembic, for the walk through every revision; absent: that of command",
    )
    baseline: str | None = Field(
        default=None, description="SQL file that makes what is there before the first revision, for the walk"
    )
    irreversible: dict[str, Reason] = Field(
        default={}, description="revisions without a way back, and why; `*` and `?` match any characters"
    )
    lossy: dict[str, Reason] = Field(
        default={}, description="revisions whose downgrade destroys data by design, and why; patterns as above"
    )
    precondition: dict[str, Reason] = Field(
        default={}, description="revisions whose upgrade refuses rows that were legal before, and why; as above"
    )
    rows: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default={}, description="rows that a table has in production (`schema.table`), to extrapolate durations"
    )
    downgrade: Downgrade | None = Field(
        default=None, description="the downgrade that is drilled where both releases end at the same revision"
    )
    blocking: Seconds = Field(default=1.0, description="seconds for which a lock may stop reads or writes")
    timeout: Seconds = Field(default=120.0, description="seconds for one command")


class Backup(Table):
    """The target's own commands instead of pg_dump and psql. ``{file}`` is the plain SQL dump."""

    dump: Annotated[tuple[str, ...], templates(BACKUP_PLACEHOLDERS, ("file",))] | None = Field(
        default=None, description="writes a plain SQL dump to {file}; absent: pg_dump"
    )
    restore: Annotated[tuple[str, ...], templates(BACKUP_PLACEHOLDERS, ("file",))] | None = Field(
        default=None,
        description="restores {file} into the empty database at {database_url}; absent: psql, stopping at errors",
    )
    timeout: Seconds = Field(default=300.0, description="seconds for one command")


class Compose(Table):
    """The user's compose file. It is copied with its directory, run as a project of its own, and never edited."""

    directory: str = Field(default=".", description="the project directory; it is copied, never run in place")
    files: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        default=("compose.yaml",), description="the compose files within it, in order"
    )
    gateway: str = Field(default="gateway", description="the gateway's service")
    database: str = Field(default="db", description="PostgreSQL's service")
    release_variable: str = Field(default="VERSION", description="the variable that selects the release")
    env: dict[str, str] = Field(
        default={}, description="the whole .env of the project, but for release and flags; passwords are made up"
    )
    password_variable: str | None = Field(
        default="POSTGRES_PASSWORD", description="the variable that takes the made-up password; absent: env says it"
    )


class Objectives(Table):
    """What the runbook promises, in seconds: recovery times by procedure, and what clients may lose in any of them."""

    application_rollback: Seconds = Field(default=120.0, description="seconds until the previous release serves")
    database_rollback: Seconds = Field(default=120.0, description="seconds until the database is back")
    feature_flag: Seconds = Field(default=10.0, description='seconds until a flag has its effect: what "instant" means')
    full_restore: Seconds = Field(
        default=900.0, description="seconds until a restored database and the previous release serve"
    )
    downtime: Seconds | None = Field(
        default=None, description="seconds without a good answer that clients may see in a drill; absent: not judged"
    )
    data_loss: Annotated[float, Field(ge=0, le=604_800)] | None = Field(
        default=None,
        description="age in seconds of the oldest acknowledged write that may be lost (RPO); absent: not judged",
    )

    @classmethod
    def recovery_times(cls) -> tuple[str, ...]:
        """The names of those that a drill's recovery can be held against."""
        return tuple(name for name in cls.model_fields if name not in ("downtime", "data_loss"))


class Runbook(Table):
    """The runbook that the drills rehearse; its hash goes into the evidence."""

    file: str = Field(description="a text file, usually Markdown: its hash, and its commands on Compose")
    title: str = Field(default="Rollback procedures", description="how the report calls it")

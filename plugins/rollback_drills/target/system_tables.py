"""The tables about the system: releases, processes, PostgreSQL, backups, Compose, and the runbook's objectives."""

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
        description="the directory that is sent to the engine; {tree} is the release's tree"
    )
    dockerfile: str = Field(default="Dockerfile", description="the Dockerfile, relative to the context")
    args: dict[str, Annotated[str, template(IMAGE_PLACEHOLDERS)]] = Field(default={}, description="build arguments")
    target: str | None = Field(default=None, description="the stage to build; absent: the last one")


class Git(Table):
    """A Git repository. It is only read: files come from its objects, whatever is checked out."""

    repository: str = Field(default=".", description="the repository's directory, or a directory within it")
    ref: Annotated[str, template(frozenset({"release"}), ("release",))] = Field(
        default="{release}", description="the tag, branch or commit of a release"
    )
    directory: Within = Field(
        default="", description="the directory of the repository that becomes the tree; empty: all of it"
    )


class Python(Table):
    """The Python of a release's processes, `{python}`, in the embedded runtime. Images have their own."""

    interpreter: Annotated[str, template(RELEASE_PLACEHOLDERS - {"python"})] | None = Field(
        default=None, description="an existing Python, for example {tree}/.venv/bin/python"
    )
    requirements: tuple[Within, ...] = Field(
        default=(), description="pip requirement files in the tree, installed once into an environment that is kept"
    )
    base: str | None = Field(
        default=None, description="the Python that creates such environments; absent: the one that runs the drills"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.interpreter is not None and (self.requirements or self.base):
            raise ValueError("set interpreter, or requirements and base, not both")
        return self


class Releases(Table):
    """Where a release comes from: a tree (embedded runtime), an image (docker and compose), or both."""

    command: Annotated[tuple[str, ...], templates(RELEASE_PLACEHOLDERS, ("release", "tree"))] | None = Field(
        default=None, description="a command that creates the tree of a release in the directory {tree}"
    )
    path: Annotated[str, template(frozenset({"here", "release"}), ("release",))] | None = Field(
        default=None, description="the directory of a release; it is copied, never run in place"
    )
    git: Git | None = Field(default=None, description="a Git repository with the releases as tags or branches")
    image: Annotated[str, template(frozenset({"release"}), ("release",))] | None = Field(
        default=None, description="the image of a release; pulled if the engine does not have it"
    )
    build: Build | None = Field(default=None, description="how to build the image of a release, if there is none")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        trees = [name for name in ("command", "path", "git") if getattr(self, name) is not None]
        if len(trees) > 1:
            raise ValueError(f"set only one of command, path and git, not both {' and '.join(trees)}")
        if not trees and self.image is None and self.build is None:
            raise ValueError("set command, path or git (a tree), or image or build (an image)")
        if not trees and self.build is not None and "{tree}" in self.build.context:
            raise ValueError("build.context is {tree}: set command, path or git, which define the tree")
        return self

    @property
    def has_trees(self) -> bool:
        return self.command is not None or self.path is not None or self.git is not None


class GatewaySettings(Table):
    """How the gateway is started. Its environment is complete: it inherits nothing from the caller."""

    start: Annotated[tuple[str, ...], templates(PROCESS_PLACEHOLDERS, ("port",))] | None = Field(
        default=None, description="the start command, run in the tree; the embedded runtime needs it"
    )
    scheme: Literal["http", "https"] = Field(
        default="http", description="what it speaks; with https, any certificate of the disposable copy is accepted"
    )
    env: Environment = Field(default={}, description="its environment, complete except for PATH, HOME, TMPDIR and LANG")
    directory: Within = Field(default="", description="the working directory in the tree; images have their own")
    stop_signal: Literal["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH"] | None = Field(
        default=None, description="the signal that stops it; absent: the image's, or SIGTERM"
    )
    normal_exit_codes: tuple[Annotated[int, Field(ge=-64, le=255)], ...] = Field(
        default=(0, -15, 143, -2, 130),
        description="exit codes of an orderly stop (negative: terminated by that signal), besides those of stop_signal",
    )
    migrate_on_start: Environment | None = Field(
        default=None, description="variables that make a start apply migrations; absent: no start does"
    )
    always_migrates: bool = Field(
        default=False,
        description="every start applies migrations, and nothing turns that off (an entry point that runs "
        "`alembic upgrade head`)",
    )
    ready_timeout: Seconds = Field(default=30.0, description="seconds from start to first answer")
    stop_timeout: Seconds = Field(default=10.0, description="seconds from the stop signal until it is killed")
    request_timeout: Seconds = Field(default=5.0, description="seconds that clients wait for an answer")
    container_port: Port = Field(default=8000, description="the port that it listens on in a container")
    container_command: Annotated[tuple[str, ...], templates(PROCESS_PLACEHOLDERS)] | None = Field(
        default=None, description="the command in a container; absent: the image's own"
    )

    @model_validator(mode="after")
    def _one_way_to_migrate(self) -> Self:
        if self.migrate_on_start == {}:
            raise ValueError(
                "migrate_on_start names no variable: name those that make a start apply migrations, or leave the key "
                "out if none does, or set always_migrates = true if every start does"
            )
        if self.always_migrates and self.migrate_on_start is not None:
            raise ValueError(
                "set always_migrates or migrate_on_start (whose variables turn migrations on and off), not both"
            )
        return self

    @property
    def can_migrate(self) -> bool:
        """Whether a start can apply migrations."""
        return self.always_migrates or self.migrate_on_start is not None

    @property
    def normal_exits(self) -> frozenset[int]:
        """Exit codes of an orderly stop, including those of its stop signal."""
        number = Signals[self.stop_signal] if self.stop_signal is not None else SIGTERM
        return frozenset((*self.normal_exit_codes, -number, 128 + number))


class Database(Table):
    """The disposable PostgreSQL and its seed."""

    bin_dir: str | None = Field(default=None, description="the directory with the programs of an installed PostgreSQL")
    image: str = Field(default="postgres:16", description="the PostgreSQL image of the docker runtime")
    version: Annotated[int, Field(ge=13, le=99)] | None = Field(
        default=None, description="production's major version; a runtime with another one refuses to run"
    )
    extensions: tuple[str, ...] = Field(
        default=(), description="extensions that a superuser creates before the first migration"
    )
    roles: tuple[str, ...] = Field(
        default=(), description="roles that migrations grant privileges to, created without LOGIN"
    )
    seed: tuple[str, ...] = Field(
        default=(), description="SQL files with rows that are valid at the previous release's head"
    )
    seed_command: Annotated[tuple[str, ...], templates(PROCESS_PLACEHOLDERS)] | None = Field(
        default=None, description="a command of the previous release that adds rows after the SQL files"
    )
    volatile: tuple[TableOrColumn, ...] = Field(
        default=(),
        description="existing data that deliveries change: `schema.table.column`, or `schema.table` for a whole table; "
        "ignored when rows are compared after a rollback, compared in full after a restore",
    )


class Downgrade(Table):
    """The downgrade to drill where there is no migration between the two releases."""

    from_: Annotated[str, StringConstraints(min_length=1)] = Field(
        alias="from", description="the revision to start from: the head, or one below it"
    )
    to: Annotated[str, StringConstraints(min_length=1)] = Field(description="the revision to go back to, or `base`")

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.from_ == self.to:
            raise ValueError(f"from and to are both {self.to!r}: there is nothing to go back")
        return self


class Migrations(Table):
    """How Alembic is called, in the tree of the release that has the scripts."""

    command: Annotated[tuple[str, ...], templates(PROCESS_PLACEHOLDERS)] = Field(
        default=("{python}", "-m", "alembic"), description="the Alembic command, run in the tree"
    )
    env: Environment = Field(
        default={},
        description="variables in addition to gateway.env; without a gateway, DATABASE_URL is `{sqlalchemy_url}`",
    )
    directory: Within = Field(default="", description="its working directory in the tree")
    versions: str = Field(default="migrations/versions", description="the directory of the scripts in the tree")
    interpreter: Annotated[tuple[str, ...], templates(PROCESS_PLACEHOLDERS)] | None = Field(
        default=None,
        description="the Python that has Alembic, for the walk through all revisions; absent: the one in command",
    )
    baseline: str | None = Field(
        default=None, description="an SQL file that creates what exists before the first revision, for the walk"
    )
    irreversible: dict[str, Reason] = Field(
        default={}, description="revisions without a downgrade, and why; `*` and `?` match any characters"
    )
    lossy: dict[str, Reason] = Field(
        default={}, description="revisions whose downgrade destroys data by design, and why; patterns as above"
    )
    precondition: dict[str, Reason] = Field(
        default={},
        description="revisions whose upgrade rejects rows that were valid before, and why; patterns as above",
    )
    rows: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default={}, description="rows per table (`schema.table`) in production, to extrapolate durations"
    )
    downgrade: Downgrade | None = Field(
        default=None, description="the downgrade to drill if both releases have the same head"
    )
    blocking: Seconds = Field(default=1.0, description="seconds for which a lock may block reads or writes")
    timeout: Seconds = Field(default=120.0, description="timeout of one command, in seconds")


class Backup(Table):
    """The target's own backup commands instead of pg_dump and psql. ``{file}`` is a plain SQL dump."""

    account: Literal["gateway", "superuser"] | None = Field(
        default=None,
        description="the account in {database_url}: that of the gateway, which owns the database, or a superuser; "
        "absent: the gateway's, or a superuser if a backup and its restore need one, which the report says",
    )
    dump: Annotated[tuple[str, ...], templates(BACKUP_PLACEHOLDERS, ("file",))] | None = Field(
        default=None,
        description="writes a plain SQL dump to {file}; the address in its arguments has no password, which is in "
        "PGPASSWORD, and in the whole address in DATABASE_URL; absent: pg_dump",
    )
    restore: Annotated[tuple[str, ...], templates(BACKUP_PLACEHOLDERS, ("file",))] | None = Field(
        default=None,
        description="restores {file} into the empty database at {database_url}, with the password as for dump; absent: "
        "psql, stopping at errors",
    )
    timeout: Seconds = Field(default=300.0, description="timeout of one command, in seconds")


class Compose(Table):
    """The compose file. It is copied with its directory, runs as a separate project, and is never edited."""

    directory: str = Field(default=".", description="the project directory; it is copied, never run in place")
    files: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        default=("compose.yaml",), description="the compose files in it, in order"
    )
    gateway: str = Field(default="gateway", description="the gateway's service")
    database: str = Field(default="db", description="PostgreSQL's service")
    release_variable: str = Field(default="VERSION", description="the variable that selects the release")
    env: dict[str, str] = Field(
        default={}, description="the complete .env of the project, except for release, flags and generated password"
    )
    password_variable: str | None = Field(
        default="POSTGRES_PASSWORD", description="the variable that takes the generated password; absent: env has it"
    )


class Objectives(Table):
    """What the runbook promises, in seconds: recovery time per procedure, and what clients may lose in any of them."""

    application_rollback: Seconds = Field(default=120.0, description="seconds until the previous release serves")
    database_rollback: Seconds = Field(default=120.0, description="seconds until the database is back")
    feature_flag: Seconds = Field(default=10.0, description='seconds until a flag takes effect: what "instant" means')
    full_restore: Seconds = Field(
        default=900.0, description="seconds until a restored database and the previous release serve"
    )
    downtime: Seconds | None = Field(
        default=None, description="longest downtime for clients in a drill, in seconds; absent: not judged"
    )
    data_loss: Annotated[float, Field(ge=0, le=604_800)] | None = Field(
        default=None,
        description="age of the oldest acknowledged write that may be lost, in seconds (RPO); absent: not judged",
    )

    @classmethod
    def recovery_times(cls) -> tuple[str, ...]:
        """The names of the objectives for recovery times."""
        return tuple(name for name in cls.model_fields if name not in ("downtime", "data_loss"))


class Runbook(Table):
    """The runbook under drill; its hash is recorded in the evidence."""

    file: str = Field(description="a text file, usually Markdown; its hash is recorded, its commands are drilled")
    title: str = Field(default="Rollback procedures", description="its title in the report")

"""The environment of a bare ``alembic.ini``: no target file, no gateway, any interpreter that has Alembic."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from rollback_drills import postgres
from rollback_drills.core.errors import TargetError
from rollback_drills.core.placeholders import fill
from rollback_drills.migrations.ini import SECTION, unnamed_location, working_directory
from rollback_drills.migrations.reversibility.environment import apply_baseline
from rollback_drills.migrations.walker.client import BOOTSTRAP, Walker
from rollback_drills.postgres.addresses import argument_values, client_variables, database_values, sqlalchemy_url
from rollback_drills.postgres.dump import DUMP, RESTORE
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.host.conversation import PipedConversation
from rollback_drills.runtimes.protocols import CommandResult
from rollback_drills.target.target import Target

_numbers = count(1)
_TOOL_TIMEOUT = 300.0  # seconds for a backup or a restore


class BareAlembicEnvironment:
    """The `MigrationEnvironment` of a bare alembic.ini, whose scripts run in place.

    env.py finds the database's URL in ``sqlalchemy.url`` and in the environment variable ``DATABASE_URL``. Its
    environment is clean otherwise, except for ``variables``.

    Args:
        file: alembic.ini or pyproject.toml. Alembic runs in the directory that script_location is relative to.
        interpreter: the command line of a Python that has Alembic.
        admin_url: libpq URL of a superuser.
        run: the marker of the databases of this run.
        workspace: the working directory of pg_dump and psql; receives the walker's log.
        bin_dir: the directory of pg_dump and psql.
        driver: the URL scheme for SQLAlchemy, such as ``postgresql+asyncpg``; may be set until env.py has started.
        variables: environment variables for env.py, with the placeholders of `placeholders`.
        arguments: what env.py reads with ``get_x_argument()`` (``alembic -x``), with the same placeholders.
        engine: of several databases that env.py migrates, the one to walk.
        timeout: seconds that one step of a migration may take.
        baseline: SQL that creates what the first revision expects.
        section: the section of alembic.ini (``alembic -n``).
    """

    def __init__(
        self,
        file: Path,
        *,
        interpreter: Sequence[str],
        admin_url: str,
        run: str,
        workspace: Path,
        bin_dir: Path,
        driver: str = "postgresql+psycopg",
        variables: Mapping[str, str] | None = None,
        timeout: float = 120.0,
        baseline: str = "",
        section: str = SECTION,
        arguments: Sequence[str] = (),
        engine: str = "",
    ) -> None:
        self._section, self._arguments, self._engine = section, tuple(arguments), engine
        self._file, self._interpreter, self._admin_url = file.resolve(), tuple(interpreter), admin_url
        self._run, self.directory, self.driver, self._timeout = run, workspace, driver, timeout
        self._bin_dir = bin_dir
        self._variables, self._baseline = dict(variables or {}), baseline

    def create(self, template: str | None = None, *, bare: bool = False) -> str:
        name = f"walk_{next(_numbers)}"
        with postgres.connect(self._admin_url) as admin:
            postgres.create_database(admin, name, template=template, marker=self._run)
        if self._baseline and template is None and not bare:
            apply_baseline(self.url(name), self._baseline)
        return name

    def url(self, database: str) -> str:
        return postgres.with_database(self._admin_url, database)

    def walker(self, database: str) -> Walker:
        values = placeholders(self.url(database), self.driver)
        variables = {name: filled(value, values) for name, value in self._variables.items()}
        conversation = PipedConversation(
            [*self._interpreter, "-c", BOOTSTRAP],
            cwd=working_directory(self._file, self._section),
            env=process.clean_environment(
                self.directory, {"DATABASE_URL": values["url"], "PYTHONDONTWRITEBYTECODE": "1", **variables}
            ),
            log=self.directory / "walker.log",
        )
        with ExitStack() as cleanup:
            cleanup.callback(conversation.close)
            walker = Walker(
                conversation,
                options=[
                    *("-c", str(self._file)),
                    *(("-n", self._section) if self._section != SECTION else ()),
                    *(part for each in self._arguments for part in ("-x", filled(each, values))),
                ],
                settings={"sqlalchemy.url": values["url"], **location_settings(self._file, self._section)},
                marker=self._run,
                timeout=self._timeout,
                as_module=False,
                engine=self._engine,
            )
            cleanup.pop_all()
        return walker

    def drop(self, database: str) -> None:
        with postgres.connect(self._admin_url) as admin:
            postgres.drop_database(admin, database)

    def dump(self, database: str, file: Path) -> CommandResult:
        return self._tool(DUMP, database, file)

    def restore(self, database: str, file: Path) -> CommandResult:
        return self._tool(RESTORE, database, file)

    def _tool(self, argv: Sequence[str], database: str, file: Path) -> CommandResult:
        program, *arguments = argv
        url = self.url(database)
        values = {**argument_values(url), "file": str(file)}
        return process.run(
            [str(self._bin_dir / program), *(fill(each, values) for each in arguments)],
            cwd=self.directory,
            env=process.clean_environment(self.directory, client_variables(url)),
            timeout=_TOOL_TIMEOUT,
        )


def location_settings(file: Path, section: str = SECTION) -> dict[str, str]:
    """The main option that Flask-Migrate gives alembic, as its alembic.ini does not have it."""
    location = unnamed_location(file, section)
    return {"script_location": str(location)} if location is not None else {}


def placeholders(url: str, driver: str) -> dict[str, str]:
    """What stands for a database in a variable or argument: its URL with the driver, and the parts of the URL."""
    parts = database_values(url)
    names = ("host", "port", "user", "password")
    address = driver + "://" + sqlalchemy_url(url).split("://", 1)[1]
    return {
        "url": address,
        "sqlalchemy_url": address,
        "database": parts["database_name"],
        **{name: parts[f"database_{name}"] for name in names},
    }


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with each ``{name}`` of ``values`` replaced; other braces stay, as in a setting that is JSON."""
    return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), text)


def alembic_target(file: Path, beside: Target | None = None) -> Target:
    """A target with nothing but migrations to drill.

    Args:
        beside: a target file's, whose accepted risks, [migrations] and PostgreSQL count too.

    Raises:
        TargetError: there is no such file.
    """
    if not file.is_file():
        raise TargetError(f"there is no file {file}", fix="name Alembic's configuration file with --drill-alembic")
    document = {
        "name": f"migrations of {file.resolve().parent.name}",
        "current": "head",
        "previous": "base",
        "releases": {"path": "{here}/{release}"},
        "gateway": {"start": ["false", "{port}"]},
        "health": {"path": "/"},
        "version": {"path": "/"},
        "delivery": {"path": "/{integration}", "json": "{unique}", "stored": "SELECT unnest(%(ids)s::text[])"},
        "integrations": {"none": {}},
        "runbook": {"file": file.name, "title": "Migrations"},
    }
    target = Target.model_validate_json(json.dumps(document))
    if beside is not None:
        database, migrations = beside.database, beside.migrations
        places = {"bin_dir": str(beside.path(database.bin_dir))} if database.bin_dir else {}
        baseline = {"baseline": str(beside.path(migrations.baseline))} if migrations.baseline else {}
        target = target.model_copy(
            update={
                "accepted": beside.accepted,
                "database": database.model_copy(update=places),
                "migrations": migrations.model_copy(update=baseline),
            }
        )
    target._file = file.resolve()
    return target

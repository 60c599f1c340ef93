"""The environment of a bare ``alembic.ini``: no target file, no gateway, any interpreter that has Alembic."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from rollback_drills import postgres
from rollback_drills.core.errors import TargetError
from rollback_drills.core.placeholders import fill
from rollback_drills.migrations.ini import SECTION, working_directory
from rollback_drills.migrations.reversibility.environment import apply_baseline
from rollback_drills.migrations.walker.client import BOOTSTRAP, Walker
from rollback_drills.postgres.addresses import argument_values, client_variables, sqlalchemy_url
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
        driver: the URL scheme for SQLAlchemy, such as ``postgresql+asyncpg``.
        variables: environment variables for env.py; ``{url}`` stands for the database's URL.
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
    ) -> None:
        self._section = section
        self._file, self._interpreter, self._admin_url = file.resolve(), tuple(interpreter), admin_url
        self._run, self.directory, self._driver, self._timeout = run, workspace, driver, timeout
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
        url = self._driver + "://" + sqlalchemy_url(self.url(database)).split("://", 1)[1]
        variables = {name: value.replace("{url}", url) for name, value in self._variables.items()}
        conversation = PipedConversation(
            [*self._interpreter, "-c", BOOTSTRAP],
            cwd=working_directory(self._file, self._section),
            env=process.clean_environment(
                self.directory, {"DATABASE_URL": url, "PYTHONDONTWRITEBYTECODE": "1", **variables}
            ),
            log=self.directory / "walker.log",
        )
        with ExitStack() as cleanup:
            cleanup.callback(conversation.close)
            walker = Walker(
                conversation,
                options=["-c", str(self._file), *(["-n", self._section] if self._section != SECTION else [])],
                settings={"sqlalchemy.url": url},
                marker=self._run,
                timeout=self._timeout,
                as_module=False,
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


def alembic_target(file: Path) -> Target:
    """A target with nothing but migrations to drill.

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
    target._file = file.resolve()
    return target

"""The environment of a bare ``alembic.ini``: no target file, no gateway; any interpreter that has alembic."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

from rollback_drills import postgres
from rollback_drills.core.errors import TargetError
from rollback_drills.core.placeholders import fill
from rollback_drills.migrations.ini import SECTION, working_directory
from rollback_drills.migrations.reversibility.environment import apply_baseline
from rollback_drills.migrations.walker.client import BOOTSTRAP, Walker
from rollback_drills.postgres.addresses import sqlalchemy_url
from rollback_drills.postgres.dump import (
    DUMP,
    RESTORE,
)
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.host.conversation import PipedConversation
from rollback_drills.runtimes.protocols import CommandResult
from rollback_drills.target.target import Target

_numbers = count(1)
_TOOL_TIMEOUT = 300.0  # seconds for a backup or a restore


class BareAlembicEnvironment:
    """The `MigrationEnvironment` of a bare alembic.ini: its own scripts, run where they lie.

    env.py finds the database in ``sqlalchemy.url`` and in the environment variable ``DATABASE_URL``; nothing else of
    the caller's environment reaches it but ``variables``.

    Args:
        file: alembic.ini or pyproject.toml; alembic runs where its script_location begins.
        section: of alembic.ini, as ``alembic -n`` names it.
        bin_dir: where pg_dump and psql are.
        driver: of SQLAlchemy's, for the URLs, such as ``postgresql+asyncpg``.
        baseline: SQL that makes what is there before the first revision.
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
        try:
            return Walker(
                conversation,
                options=["-c", str(self._file), *(["-n", self._section] if self._section != SECTION else [])],
                settings={"sqlalchemy.url": url},
                marker=self._run,
                timeout=self._timeout,
                as_module=False,
            )
        except BaseException:
            conversation.close()
            raise

    def drop(self, database: str) -> None:
        with postgres.connect(self._admin_url) as admin:
            postgres.drop_database(admin, database)

    def dump(self, database: str, file: Path) -> CommandResult:
        return self._tool(DUMP, database, file)

    def restore(self, database: str, file: Path) -> CommandResult:
        return self._tool(RESTORE, database, file)

    def _tool(self, argv: Sequence[str], database: str, file: Path) -> CommandResult:
        program, *arguments = argv
        values = {"database_url": self.url(database), "file": str(file)}
        return process.run(
            [str(self._bin_dir / program), *(fill(each, values) for each in arguments)],
            cwd=self.directory,
            env=process.clean_environment(self.directory),
            timeout=_TOOL_TIMEOUT,
        )


def alembic_target(file: Path) -> Target:
    """A target whose migrations are drilled and nothing else.

    Raises:
        TargetError: there is no such file.
    """
    if not file.is_file():
        raise TargetError(f"there is no file {file}", fix="name alembic's configuration with --drill-alembic")
    nothing = "/"
    document = {
        "name": f"migrations of {file.resolve().parent.name}",
        "current": "head",
        "previous": "base",
        "releases": {"path": "{here}/{release}"},
        "gateway": {"start": ["false", "{port}"]},
        "health": {"path": nothing},
        "version": {"path": nothing},
        "delivery": {"path": "/{integration}", "json": "{unique}", "stored": "SELECT unnest(%(ids)s::text[])"},
        "integrations": {"none": {}},
        "runbook": {"file": file.name, "title": "Migrations"},
    }
    target = Target.model_validate_json(json.dumps(document))
    target._file = file.resolve()
    return target

"""Writes histories of migrations to disk, and walks through them on the tests' server."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rollback_drills.lab.bare_alembic import BareAlembicEnvironment
from rollback_drills.migrations.reversibility.walk import Walk
from rollback_drills.runtimes.embedded.postgres import PostgresServer
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.system_tables import Migrations

ENV = """
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def body(statements: Iterable[str]) -> list[str]:
    """Lines of a function: SQL to execute, ``with: a | b`` outside a transaction, or Python."""
    lines = []
    for statement in statements:
        if statement.startswith("with: "):
            lines.append("    with op.get_context().autocommit_block():")
            lines += [f"        op.execute(sa.text({each.strip()!r}))" for each in statement[6:].split("|")]
        elif statement.startswith(("raise ", "op.", "print(", "import ")):
            lines.append(f"    {statement}")
        else:
            lines.append(f"    op.execute({statement.replace(':', chr(92) + ':')!r})")
    return lines or ["    pass"]


def script(
    revision: str,
    down: str | Sequence[str] | None,
    up: Iterable[str],
    back: Sequence[str],
    *,
    comment: str = "",
    more: str = "",
) -> str:
    lines = [
        "import sqlalchemy as sa",
        "from alembic import op",
        f"revision = {revision!r}",
        f"down_revision = {down!r}",
    ]
    lines += [more, comment, "def upgrade():", *body(up)]
    if tuple(back) != ("missing",):
        lines += ["def downgrade():", *body(back)]
    return "\n".join(lines) + "\n"


class Project:
    """An alembic project in a directory."""

    def __init__(self, directory: Path, env: str = ENV) -> None:
        self.ini = directory / "alembic.ini"
        self.versions = directory / "migrations" / "versions"
        self.versions.mkdir(parents=True)
        self.name_no_database()
        (directory / "migrations" / "env.py").write_text(env)
        self.head: str | None = None

    def add(
        self, revision: str, up: Iterable[str], back: Sequence[str] = (), *, comment: str = "", more: str = ""
    ) -> None:
        """Add a revision on top of the last one."""
        text = script(revision, self.head, up, back, comment=comment, more=more)
        (self.versions / f"{revision}.py").write_text(text)
        self.head = revision

    def name_no_database(self) -> None:
        """Name no database in alembic.ini: the walk names it."""
        self.ini.write_text("[alembic]\nscript_location = migrations\nsqlalchemy.url = postgresql+psycopg://\n")

    def write(self, name: str, text: str) -> None:
        (self.versions / name).write_text(text)


@contextmanager
def walking(
    project: Project,
    server: PostgresServer,
    workspace: Workspace,
    *,
    migrations: Migrations | None = None,
    data: bool = True,
    environment_class: type[BareAlembicEnvironment] = BareAlembicEnvironment,
    wanted: Sequence[str] = (),
) -> Iterator[Walk]:
    environment = environment_class(
        project.ini,
        interpreter=[sys.executable],
        admin_url=server.admin_url,
        run="tests",
        workspace=workspace.path,
        bin_dir=server.bin_dir,
    )
    walk = Walk(environment, migrations, data=data, wanted=wanted)
    try:
        yield walk
    finally:
        walk.close()

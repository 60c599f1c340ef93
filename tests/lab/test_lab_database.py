"""The database that a target needs before its first drill: roles, extensions, rows, and the parts of its address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollback_drills import postgres
from rollback_drills.core.errors import DrillError, RuntimeUnavailableError, StackError
from rollback_drills.core.meter import Meter
from rollback_drills.lab.lab import Lab
from rollback_drills.postgres.addresses import database_values
from rollback_drills.runtimes.embedded.runtime import EmbeddedRuntime
from rollback_drills.runtimes.releases.versions import require_version
from rollback_drills.runtimes.workspace import removal
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.system_tables import Database, GatewaySettings, Migrations, Releases
from rollback_drills.target.target import Target

# Stands in for Alembic on a new database; must run in the directory of its settings.
MIGRATE = """
import os, psycopg
assert open("settings.txt").read() == "here"
parts = {name: os.environ[f"DB_{name.upper()}"] for name in ("host", "port", "user", "password", "dbname")}
with psycopg.connect(**parts) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS people (name citext PRIMARY KEY)")
    connection.execute("GRANT SELECT ON people TO reporting")
"""
SEED = "import os, psycopg; psycopg.connect(os.environ['DSN'], autocommit=True).execute({!r})"
PARTS = {"host": "host", "port": "port", "user": "user", "password": "password", "dbname": "name"}
Start = Callable[..., Lab]


@pytest.fixture
def start(reference_target: Target, tmp_path: Path) -> Iterator[Start]:
    for release in ("1", "2"):
        directory = tmp_path / "releases" / release / "db"
        directory.mkdir(parents=True)
        (directory / "migrate.py").write_text(MIGRATE)
        (directory / "settings.txt").write_text("here")
    workspace = Workspace(f"lab-{tmp_path.name}-{tmp_path.parent.name}", "test")
    labs: list[Lab] = []

    def start(**database: object) -> Lab:
        variables = {f"DB_{name.upper()}": f"{{database_{part}}}" for name, part in PARTS.items()}
        target = reference_target.model_copy(
            update={
                "current": "2",
                "previous": "1",
                "releases": Releases(path="releases/{release}"),
                "gateway": GatewaySettings(start=("{python}", "{port}"), env={**variables, "DSN": "{database_url}"}),
                "migrations": Migrations(command=("{python}", "migrate.py"), directory="db"),
                "database": Database.model_validate(database, strict=False),
            }
        )
        target._file = tmp_path / "target.toml"
        lab = Lab(target, EmbeddedRuntime(target, workspace, Meter()), Meter(), "test")
        labs.append(lab)
        lab.start()
        return lab

    yield start
    for lab in labs:
        lab.close()
    removal.close(workspace)


def test_a_database_is_prepared_as_the_target_says(start: Start):
    command = ("{python}", "-c", SEED.format("INSERT INTO people VALUES ('Ada')"))
    lab = start(extensions=["citext"], roles=["reporting"], seed_command=command)
    stack = lab.stack("1")
    assert stack.database.query("SELECT name = 'ADA' FROM people") == [(True,)]
    assert stack.database.query("SELECT has_table_privilege('reporting', 'people', 'SELECT')") == [(True,)]
    assert stack.database.query("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'reporting'") == [(False,)]
    lab.discard(stack)


def test_an_extension_that_the_server_lacks_is_named(start: Start):
    with pytest.raises(DrillError, match="the extension no_such cannot be created") as caught:
        start(extensions=["no_such"])
    assert "database.image" in (caught.value.fix or "")


def test_a_seed_command_that_fails_is_quoted(start: Start):
    command = ("{python}", "-c", SEED.format("INSERT INTO peple VALUES ('Ada')"))
    with pytest.raises(StackError, match="the seed command fails with exit code 1") as caught:
        start(extensions=["citext"], roles=["reporting"], seed_command=command)
    assert 'relation "peple" does not exist' in (caught.value.cause or "")


def test_the_parts_of_an_address_are_what_went_into_it():
    url = postgres.with_account("postgresql://db.internal:6432/orders%20new", "app user", "p@ss:w/rd#%41")
    values = database_values(url)
    parts = [values[f"database_{name}"] for name in ("host", "port", "name", "user", "password")]
    assert parts == ["db.internal", "6432", "orders new", "app user", "p@ss:w/rd#%41"]
    assert values["database_url"] == url
    assert values["sqlalchemy_url"] == url.replace("postgresql://", "postgresql+psycopg://")


@pytest.mark.parametrize(
    ("wanted", "reported", "accepted"),
    [
        (None, "postgres (PostgreSQL) 18.1", True),
        (18, "postgres (PostgreSQL) 18.1", True),
        (15, "PostgreSQL 15.20 (Debian 15.20-0+deb12u1) on x86_64", True),
        (15, "postgres (PostgreSQL) 18.1", False),
        (15, "", False),
    ],
)
def test_another_major_version_proves_less_and_is_refused(
    reference_target: Target, wanted: int | None, reported: str, accepted: bool
):
    target = reference_target.model_copy(update={"database": Database(version=wanted)})
    if accepted:
        require_version(target, reported)
        return
    with pytest.raises(RuntimeUnavailableError, match="production has PostgreSQL 15") as caught:
        require_version(target, reported)
    assert "database.bin_dir" in (caught.value.fix or "")

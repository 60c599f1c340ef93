"""The doctor on a gateway with real migrations, and with mistakes about where they are."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.diagnoses import diagnoses

from rollback_drills.cli.doctor import Diagnosis

SMALL = Path(__file__).parents[1] / "support" / "small"
ENV = """
import os
from alembic import context
from sqlalchemy import create_engine
engine = create_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"))
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
SCRIPT = """
from alembic import op
revision: str = {revision!r}
down_revision = {down!r}
def upgrade():
    op.execute("CREATE TABLE of_{revision} (id serial PRIMARY KEY)")
    {more}
def downgrade():
    op.execute("DROP TABLE of_{revision}")
"""
MORE = {"0001": "pass", "0002": """op.execute("CREATE INDEX by_id ON of_0001 (id DESC)")"""}
Examine = Callable[..., dict[str, Diagnosis]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two releases with a migration between them; the scripts are in app/db/versions."""
    for release, revisions in (("1.0", ("0001",)), ("2.0", ("0001", "0002"))):
        tree = tmp_path / "releases" / release
        versions = tree / "app" / "db" / "versions"
        versions.mkdir(parents=True)
        shutil.copy(SMALL / "gateway.py", tree)
        (tree / "alembic.ini").write_text("[alembic]\nscript_location = app/db\n")
        (tree / "app" / "db" / "env.py").write_text(ENV)
        for revision, down in zip(revisions, (None, *revisions), strict=False):
            (versions / f"{revision}_x.py").write_text(SCRIPT.format(revision=revision, down=down, more=MORE[revision]))
    (tmp_path / "ROLLBACK.md").write_text("# Rollback\n")
    return tmp_path


@pytest.fixture
def doctor(project: Path) -> Examine:
    def doctor(migrations: str, *, more: str = "", until: str = "") -> dict[str, Diagnosis]:
        text = (SMALL / "target.toml").read_text().replace('command = ["{python}", "migrate.py"]', migrations)
        (project / "target.toml").write_text(text + more)
        return diagnoses(project / "target.toml", until=until)

    return doctor


def test_the_directory_of_the_scripts_is_that_of_the_head(doctor: Examine):
    found = doctor('versions = "app/db/versions"', until="2.0: scripts")
    assert "problem" not in {each.outcome for each in found.values()}
    assert found["1.0: scripts"].detail == "alembic reads app/db/versions, which has app/db/versions/0001_x.py"
    assert found["2.0: scripts"].detail.endswith("0002_x.py")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("versions", "there"),
    [("migrations/versions", "it does not exist"), ("app/db", "it contains env.py, versions")],
)
def test_a_wrong_directory_is_named_with_its_contents_and_the_right_one(doctor: Examine, versions: str, there: str):
    found = doctor(f"versions = {json.dumps(versions)}", until="2.0: scripts")
    wrong = [each for each in found.values() if each.outcome == "problem"]
    assert [each.title for each in wrong] == ["1.0: scripts", "2.0: scripts"]
    assert f"alembic does not read {versions}" in wrong[1].detail
    assert f"/{versions}: {there}" in wrong[1].detail
    assert "the script of the head 0002: app/db/versions/0002_x.py" in wrong[1].detail
    assert wrong[1].fix == 'set versions = "app/db/versions" under [migrations]'


@pytest.mark.slow
def test_a_directory_without_the_head_is_right_where_alembic_reads_it(doctor: Examine, project: Path):
    for tree in project.glob("releases/*"):
        with (tree / "alembic.ini").open("a") as ini:
            ini.write("version_locations = app/db/versions drills\nversion_path_separator = space\n")
        (tree / "drills").mkdir()
    found = doctor('versions = "drills"', until="2.0: scripts")
    assert found["2.0: scripts"].outcome == "ok"
    assert found["2.0: scripts"].detail == "alembic reads drills"


@pytest.mark.slow
def test_a_table_without_rows_that_the_migrations_change_is_noted(doctor: Examine, project: Path):
    found = doctor('versions = "app/db/versions"', until="rows")
    assert found["rows"].outcome == "note"
    assert found["rows"].detail == "public.of_0001: no rows after the seed, so nothing is proven about their data"
    (project / "seed.sql").write_text("INSERT INTO of_0001 DEFAULT VALUES")
    seeded = doctor('versions = "app/db/versions"', more='\n[database]\nseed = ["seed.sql"]\n', until="alembic")
    assert "rows" not in seeded
    assert seeded["migrations, seed"].detail == "1 row in 1 table"


def test_a_missing_directory_is_not_blamed_on_python(doctor: Examine):
    found = doctor('directory = "db"\nversions = "app/db/versions"', until="migrations, seed")["migrations, seed"]
    assert found.outcome == "problem"
    assert found.detail == "release 1.0 has no directory 'db'\nits tree has app"
    assert "correct directory under [migrations]" in found.fix


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        (lambda tree: (tree / "alembic.ini").unlink(), "directory under [migrations]: it must contain alembic.ini"),
        (lambda tree: (tree / "app" / "db" / "env.py").write_text("import shop"), "a module that it imports, needs"),
    ],
)
def test_an_error_of_alembic_leads_to_a_remedy(
    doctor: Examine, project: Path, change: Callable[[Path], None], remedy: str
):
    change(project / "releases" / "1.0")
    found = doctor('versions = "app/db/versions"', until="migrations, seed")["migrations, seed"]
    assert (found.outcome, found.detail.count("cannot be upgraded to heads")) == ("problem", 1)
    assert remedy in found.fix


def test_a_release_without_alembic_is_told_where_to_add_it(doctor: Examine, project: Path):
    """A separate Python, as `requirements` create it, with nothing installed."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project / "bare"], check=True)
    found = doctor(
        'versions = "app/db/versions"',
        more='\n[python]\ninterpreter = "{here}/bare/bin/python"\n',
        until="migrations, seed",
    )
    assert "add alembic to the requirements of release 1.0" in found["migrations, seed"].fix
    assert "command under [migrations]" in found["migrations, seed"].fix

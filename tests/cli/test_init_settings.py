"""What `init` reads of settings, tags and layouts, without executing anything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.drafts import drafted

from rollback_drills.cli.init.settings import settings_in

PYDANTIC = """
from typing import ClassVar
from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="app_")
    known: ClassVar[int] = 1
    secret: str
    debug: bool = False
    server: str = Field(..., description="its host")
    workers: int = Field(default=2)
    dsn: str = Field(validation_alias=AliasChoices("POSTGRES_URL", "DB"))
"""


def test_fields_of_pydantic_settings_are_variables():
    assert settings_in(PYDANTIC) == {
        "APP_SECRET": True,
        "APP_DEBUG": False,
        "APP_SERVER": True,
        "APP_WORKERS": False,
        "POSTGRES_URL": True,
    }


def test_the_inner_class_of_pydantic_1_has_the_prefix():
    text = "class S(BaseSettings):\n    host: str\n    class Config:\n        env_prefix = 'PG'\n"
    assert settings_in(text) == {"PGHOST": True}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('HOST = config("POSTGRES_SERVER", default="localhost")', {"POSTGRES_SERVER": False}),
        ('KEY = config("SECRET_KEY")', {"SECRET_KEY": True}),
        ('PORT = env.int("PORT")', {"PORT": True}),
        ('reconfig("NOT_A_SETTING")', {}),
        ("class S(BaseSettings:", {}),
    ],
)
def test_calls_of_other_libraries_are_read_too(line: str, expected: dict[str, bool]):
    assert settings_in(line) == expected


def test_settings_are_drafted_as_what_they_are(tmp_path: Path):
    root = tmp_path / "shop"
    root.mkdir()
    (root / "config.py").write_text(
        "class Settings(BaseSettings):\n    POSTGRES_SERVER: str\n    SECRET_KEY: str\n    THEME: str = 'light'\n"
    )
    draft, document, _ = drafted(root)
    assert document["gateway"]["env"] == {"POSTGRES_SERVER": "{database_host}", "SECRET_KEY": ""}
    assert 'SECRET_KEY = ""  # FILL IN: a setting without a default in config.py' in draft.text


def repository(root: Path, *commits: tuple[str, str], tags: dict[str, int] | None = None) -> None:
    """A repository with a file per commit, and tags of commits by their number."""

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@invalid", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True, timeout=30)

    root.mkdir(parents=True)
    git("init", "-q", "-b", "main", ".")
    for number, (file, text) in enumerate(commits):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
        git("add", "-A")
        git("commit", "-q", "-m", file)
        for tag, commit in (tags or {}).items():
            if commit == number:
                git("tag", tag)


def test_dated_tags_are_one_series_with_and_without_a_letter(tmp_path: Path):
    tags = {"20200922.1": 0, "20210804.1": 0, "v20241220": 0}
    repository(tmp_path / "dated", ("a", "1"), tags=tags)
    _, document, _ = drafted(tmp_path / "dated")
    assert (document["current"], document["previous"]) == ("v20241220", "20210804.1")
    assert document["releases"]["git"]["ref"] == "{release}"


def test_a_project_below_the_top_of_its_repository_says_where_it_is(tmp_path: Path):
    root = tmp_path / "mono"
    repository(root, ("services/gw/main.py", "1"), ("services/gw/b.py", "2"), tags={"v1.0": 0, "v1.1": 1})
    _, document, _ = drafted(root / "services" / "gw")
    assert document["releases"]["git"] == {"repository": ".", "ref": "v{release}", "directory": "services/gw"}


def test_without_tags_the_newest_commit_stands_against_the_one_before_the_newest_migration(tmp_path: Path):
    root = tmp_path / "untagged"
    ini = ("alembic.ini", "[alembic]\nscript_location = migrations\n")
    commits = (ini, ("migrations/versions/1.py", ""), ("app.py", ""), ("migrations/versions/2.py", ""), ("b.py", ""))
    repository(root, *commits)
    listed = subprocess.run(
        ["git", "log", "--reverse", "--format=%H"], cwd=root, check=True, capture_output=True, text=True, timeout=30
    ).stdout.split()
    draft, document, _ = drafted(root)
    assert listed[4].startswith(document["current"])
    assert listed[2].startswith(document["previous"])
    assert "guessed: the commit before the newest migration" in draft.text


def test_migrations_beside_their_ini_are_those_of_flask_migrate(tmp_path: Path):
    root = tmp_path / "flask"
    (root / "migrations").mkdir(parents=True)
    (root / "migrations" / "alembic.ini").write_text("[alembic]\n")
    (root / "migrations" / "env.py").write_text("")
    assert drafted(root)[1]["migrations"]["versions"] == "migrations/versions"


@pytest.mark.parametrize(
    ("files", "module"),
    [
        (("src/main.py", "src/__init__.py"), "src.main:app"),
        (("src/main.py",), "src.main:app"),
        (("src/shop/main.py", "src/shop/__init__.py"), "shop.main:app"),
    ],
)
def test_the_application_is_named_as_it_is_imported(tmp_path: Path, files: tuple[str, ...], module: str):
    root = tmp_path / "layout"
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("app = FastAPI()\n" if file.endswith("main.py") else "")
    assert module in drafted(root)[1]["gateway"]["start"]


def test_what_stands_beside_a_gateway_is_none(tmp_path: Path):
    root = tmp_path / "composed"
    root.mkdir()
    (root / "compose.yaml").write_text(
        "services:\n  db: {image: 'postgres:16'}\n  adminer: {image: adminer, ports: ['8080:8080'], depends_on: [db]}\n"
        "  backend: {build: ., depends_on: [db]}\n"
    )
    assert drafted(root)[1]["compose"]["gateway"] == "backend"


@pytest.mark.parametrize(
    "command",
    [
        "CMD poetry run alembic upgrade head && \\\n    poetry run uvicorn --host=0.0.0.0 shop.main:application",
        'CMD ["uvicorn", "shop.main:application", "--port", "8000"]',
    ],
)
def test_what_an_image_starts_is_started(tmp_path: Path, command: str):
    root = tmp_path / "image"
    root.mkdir()
    (root / "Dockerfile").write_text(f"FROM python:3.12\nCOPY . .\n{command}\n")
    assert "shop.main:application" in drafted(root)[1]["gateway"]["start"]

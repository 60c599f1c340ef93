"""The drafted target file names the source of each line, and can always be read."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.drafts import drafted

from rollback_drills.cli.init import draft_target, survey
from rollback_drills.target.target import Target

GATEWAY = Path(__file__).parents[2] / "fixtures" / "gateway"


EXAMPLES = Path(__file__).parents[2] / "examples"


COMPOSE = """
services:
  pgbouncer: {image: "edoburu/pgbouncer:1.23"}
  store:
    image: postgis/postgis:15-3.4
    environment: {POSTGRES_PASSWORD: "${DB_SECRET:?}", POSTGRES_DB: hooks}
  web:
    build: {context: ., args: {APP_RELEASE: "${APP_RELEASE}"}}
    depends_on: [store]
    ports: ["127.0.0.1:8080:5000/tcp"]
    environment:
      - DB_HOST=store
      - DB_USER=app
      - SQLALCHEMY_DATABASE_URI=postgresql+psycopg2://app:${DB_SECRET}@store/hooks
      - FEATURE_STRIPE=on
      - FEATURE_GIT_HUB=on
      - SENTRY_ENABLED=true
      - LICENCE=${LICENCE:?ask somebody}
"""


APPLICATION = """
import os
from flask import Flask
def create_app():
    app = Flask(__name__)
    app.config["HOST"] = os.environ["DB_HOST"]
    @app.get("/healthz")
    def health(): return {"ok": True}
    @app.post("/hooks/<string:source>")
    def hook(source): return {}, 202
    return app
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "hooks"
    files = {
        "docker-compose.yml": COMPOSE,
        "src/hooks/web.py": APPLICATION,
        "db/alembic.ini": "[alembic]\nscript_location = %(here)s/migrations\n",
        "entrypoint.sh": "#!/bin/sh\ncd db && alembic upgrade head\n",
        "Dockerfile": "ARG PYTHON_VERSION=3.12\nFROM python:${PYTHON_VERSION}\nARG APP_RELEASE\n",
        "docs/Rollback-Procedure.md": "# Rollback\n",
        "requirements.txt": "flask\n",
        "tests/test_web.py": 'app = Flask(__name__)\nget("/health")\n',
        ".venv/lib/x.py": 'app = FastAPI("/version")\n',
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_project_is_described_from_its_own_files(project: Path):
    draft, document, _ = drafted(project)
    assert document["gateway"] == {
        "start": ["{python}", "-m", "gunicorn", "hooks.web:create_app()", "--bind", "127.0.0.1:{port}"],
        "env": {
            "DB_HOST": "{database_host}",
            "DB_USER": "{database_user}",
            "SQLALCHEMY_DATABASE_URI": "postgresql+psycopg2://{database_user}:{database_password}@{database_host}"
            ":{database_port}/{database_name}",
            "SENTRY_ENABLED": "true",
            "LICENCE": "",
        },
        "container_port": 5000,
        "always_migrates": False,
    }
    assert document["migrations"] == {"directory": "db", "versions": "db/migrations/versions"}
    assert document["health"]["path"] == "/healthz"
    assert document["delivery"]["path"] == "/hooks/{integration}"
    assert document["releases"]["build"] == {
        "context": ".",
        "dockerfile": "Dockerfile",
        "args": {"APP_RELEASE": "{release}"},
    }
    assert document["compose"] == {
        "files": ["docker-compose.yml"],
        "gateway": "web",
        "database": "store",
        "release_variable": "APP_RELEASE",
        "password_variable": "DB_SECRET",
        "env": {"LICENCE": ""},
    }
    assert document["database"]["image"] == "postgis/postgis:15-3.4"
    assert "version" not in document["database"], "the embedded server is of another, and would refuse"
    assert "the embedded server is 18: for containers only\n# version = 15\n" in draft.text
    assert document["flags"]["variable"] == "FEATURE_{NAME}"
    assert list(document["integrations"]) == ["stripe", "git_hub"]
    assert document["runbook"]["file"] == "docs/Rollback-Procedure.md"
    assert document["python"] == {"requirements": ["requirements.txt"]}
    assert ("current", "the release that runs in production") in draft.of("fill in")
    assert any("entrypoint.sh" in note for _, note in draft.of("guessed"))


def test_releases_are_the_newest_tags(project: Path):
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
    subprocess.run([*git, "init", "--quiet"], cwd=project, check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "x"], cwd=project, check=True)
    for tag in ("api-v1.9.0", "api-v1.10.0", "api-v1.2.0", "nightly", "docs-v7.0"):
        subprocess.run([*git, "tag", tag], cwd=project, check=True)
    _, document, target = drafted(project)
    assert (target.current, target.previous) == ("1.10.0", "1.9.0")
    assert document["releases"]["git"] == {"repository": ".", "ref": "api-v{release}"}
    assert document["releases"]["build"]["context"] == "{tree}"


def test_the_reference_gateway_is_recognised():
    draft = draft_target(survey(GATEWAY))
    document = tomllib.loads(draft.text)
    assert document["flags"]["variable"] == "INTEGRATIONS_{NAME}_ENABLED"
    assert len(document["integrations"]) == 21
    assert document["compose"]["release_variable"] == "VERSION"
    assert document["delivery"]["path"] == "/webhooks/{integration}"


def test_for_an_empty_directory_everything_is_left_to_fill_in(tmp_path: Path):
    (tmp_path / "nothing").mkdir()
    draft, _, target = drafted(tmp_path / "nothing")
    assert draft.of("found") == ()
    assert len(draft.of("fill in")) > 10
    assert target.name == "nothing"


def test_hints_can_be_uncommented(project: Path):
    draft, _, _ = drafted(project)
    hinted = re.findall(r"^# (?:\[\w+\]|\w+ = .*)$", draft.text, re.MULTILINE)
    assert len(hinted) == 11, "ten keys, and the version that the embedded server has not"
    text = draft.text
    for line in hinted:
        text = text.replace(f"\n{line}\n", f"\n{line[2:]}\n")
    file = project.parent / "uncommented.toml"
    file.write_text(text)
    target = Target.load(file, {"WEBHOOK_SECRET": "a secret of theirs"})
    assert target.write_probe is not None
    assert target.delivery.signature is not None
    assert target.version.routes is not None
    assert set(target.flags.defaults) == {target.current, target.previous}


@pytest.mark.parametrize(
    ("text", "problem"),
    [("services: [", "cannot be read"), ("services: {}", "has no services"), ("- 1", "has no services")],
)
def test_an_invalid_compose_file_is_reported(tmp_path: Path, text: str, problem: str):
    (tmp_path / "compose.yaml").write_text(text)
    found = survey(tmp_path)
    assert found.compose is None
    assert problem in found.problems[0]
    draft_target(found)


@given(text=st.text(max_size=60))
def test_no_content_of_a_project_breaks_the_draft(text: str, tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.getbasetemp() / "hostile"
    root.mkdir(exist_ok=True)
    quoted = text.encode("utf-8", "ignore").decode()
    (root / "app.py").write_text(f'app = FastAPI()\nos.environ["DB_HOST"]; x = "/healthz"; y = "/hooks/{{{quoted}}}"\n')
    (root / "alembic.ini").write_text(f"script_location = {quoted}\n")
    (root / "compose.yaml").write_text(f"services: {{{quoted!r}: {{image: {quoted!r}}}}}\n")
    tomllib.loads(draft_target(survey(root)).text)


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        ("flask-gunicorn", {"path": "/hooks/{integration}", "migrations": "db", "always": False}),
        ("compose-entrypoint", {"path": "/v1/ingest/{integration}/{unique}", "migrations": None, "always": True}),
        ("async-branches", {"path": "/hook/{integration}", "migrations": None, "always": False}),
    ],
)
def test_an_example_is_described_as_its_own_target_file_does(tmp_path: Path, example: str, expected: dict[str, Any]):
    root = tmp_path / example
    shutil.copytree(EXAMPLES / example, root, ignore=shutil.ignore_patterns("target.toml", ".git", "__pycache__"))
    _, document, _ = drafted(root)
    theirs = tomllib.loads((EXAMPLES / example / "target.toml").read_text())
    assert document["delivery"]["path"] == expected["path"] == theirs["delivery"]["path"]
    assert document["delivery"].get("method") == theirs["delivery"].get("method")
    assert document["migrations"].get("directory") == expected["migrations"]
    assert document["migrations"]["versions"] == theirs.get("migrations", {}).get("versions", "migrations/versions")
    assert document["gateway"].get("always_migrates", False) == expected["always"]
    database = {name: value for name, value in theirs["gateway"]["env"].items() if "{database" in value}
    assert database.keys() <= document["gateway"]["env"].keys()
    assert "made-up" not in (tmp_path / f"{example}-target.toml").read_text()


def test_an_integration_that_the_older_tag_does_not_have_is_new(project: Path):
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
    compose = project / "docker-compose.yml"
    text = compose.read_text()
    for tag, state in (("v1.0.0", text.replace("      - FEATURE_GIT_HUB=on\n", "")), ("v1.1.0", text)):
        compose.write_text(state)
        for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "x"], ["tag", tag]):
            subprocess.run([*git, *command], cwd=project, check=True)
    draft, document, target = drafted(project)
    assert document["integrations"] == {"stripe": {}, "git_hub": {"since": "1.1.0"}}
    assert target.integrations_of("1.0.0") == ("stripe",)
    assert "guessed: no file of 1.0.0 contains the name" in draft.text

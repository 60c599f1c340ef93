"""A first target file from what lies in a project: it says where each line comes from, and can always be read."""

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

from rollback_drills.cli.init import StarterFile, starter_file, survey
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


def made(root: Path) -> tuple[StarterFile, dict[str, Any], Target]:
    """The file, its document, and the target that it is."""
    starter = starter_file(survey(root))
    file = root.parent / f"{root.name}-target.toml"
    file.write_text(starter.text)
    return starter, tomllib.loads(starter.text), Target.load(file, {})


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
    starter, document, _ = made(project)
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
    assert "the embedded server is 18: for containers only\n# version = 15\n" in starter.text
    assert document["flags"]["variable"] == "FEATURE_{NAME}"
    assert list(document["integrations"]) == ["stripe", "git_hub"]
    assert document["runbook"]["file"] == "docs/Rollback-Procedure.md"
    assert document["python"] == {"requirements": ["requirements.txt"]}
    assert ("current", "the release that runs in production") in starter.of("fill in")
    assert any("entrypoint.sh" in note for _, note in starter.of("guessed"))


def test_releases_are_the_newest_tags(project: Path):
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
    subprocess.run([*git, "init", "--quiet"], cwd=project, check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "x"], cwd=project, check=True)
    for tag in ("api-v1.9.0", "api-v1.10.0", "api-v1.2.0", "nightly", "docs-v7.0"):
        subprocess.run([*git, "tag", tag], cwd=project, check=True)
    _, document, target = made(project)
    assert (target.current, target.previous) == ("1.10.0", "1.9.0")
    assert document["releases"]["git"] == {"repository": ".", "ref": "api-v{release}"}
    assert document["releases"]["build"]["context"] == "{tree}"


def test_the_reference_gateway_is_recognised():
    starter = starter_file(survey(GATEWAY))
    document = tomllib.loads(starter.text)
    assert document["flags"]["variable"] == "INTEGRATIONS_{NAME}_ENABLED"
    assert len(document["integrations"]) == 21
    assert document["compose"]["release_variable"] == "VERSION"
    assert document["delivery"]["path"] == "/webhooks/{integration}"


def test_of_an_empty_directory_everything_is_left_to_fill_in(tmp_path: Path):
    (tmp_path / "nothing").mkdir()
    starter, _, target = made(tmp_path / "nothing")
    assert starter.of("found") == ()
    assert len(starter.of("fill in")) > 10
    assert target.name == "nothing"


def test_what_is_only_hinted_at_can_be_uncommented(project: Path):
    starter, _, _ = made(project)
    hinted = re.findall(r"^# (?:\[\w+\]|\w+ = .*)$", starter.text, re.MULTILINE)
    assert len(hinted) == 11, "ten keys, and the version that the embedded server has not"
    text = starter.text
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
def test_a_compose_file_that_is_none_is_told(tmp_path: Path, text: str, problem: str):
    (tmp_path / "compose.yaml").write_text(text)
    found = survey(tmp_path)
    assert found.compose is None
    assert problem in found.problems[0]
    starter_file(found)


@given(text=st.text(max_size=60))
def test_what_stands_in_a_project_s_files_never_breaks_the_file(text: str, tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.getbasetemp() / "hostile"
    root.mkdir(exist_ok=True)
    quoted = text.encode("utf-8", "ignore").decode()
    (root / "app.py").write_text(f'app = FastAPI()\nos.environ["DB_HOST"]; x = "/healthz"; y = "/hooks/{{{quoted}}}"\n')
    (root / "alembic.ini").write_text(f"script_location = {quoted}\n")
    (root / "compose.yaml").write_text(f"services: {{{quoted!r}: {{image: {quoted!r}}}}}\n")
    tomllib.loads(starter_file(survey(root)).text)


ENVIRONMENT = """
services:
  db: {image: "postgres:18", environment: {POSTGRES_PASSWORD: a-literal-password}}
  api:
    image: api:${TAG}
    ports: ["8000:8000"]
    environment:
      MAIN_STORE: postgresql+psycopg://app:a-literal-password@db/app
      ASYNC_DATABASE_URL: postgresql+asyncpg://app:${PW}@db/app
      PLAIN_DATABASE_URL: postgres://app@db/app
      STRIPE_SECRET: sk-live-literal
      REDIS_URL: redis://:literal-too@cache/0
      LOG_LEVEL: ${LOG_LEVEL:-info}
      TEMPLATE: "{name} costs $$5"
      REGION: ${REGION}
      RELEASE: ${TAG}
      PORT: 8000
"""


def test_the_compose_file_s_environment_is_taken_without_its_secrets(tmp_path: Path):
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "compose.yaml").write_text(ENVIRONMENT)
    (tmp_path / "api" / "Dockerfile").write_text(
        "FROM python\nWORKDIR /app/\nENV PYTHONPATH=/app/src:/app/lib:$PYTHONPATH \\\n LOG_LEVEL=debug MODE='quiet'\n"
        "ENV PIP_NO_CACHE_DIR=1\nENV ZONE here and there\nENV API_TOKEN=literal-again\n"
    )
    starter, document, _ = made(tmp_path / "api")
    parts = "{database_user}:{database_password}@{database_host}:{database_port}/{database_name}"
    assert document["gateway"]["env"] == {
        "PYTHONPATH": "{tree}/src:{tree}/lib",
        "MODE": "quiet",
        "ZONE": "here and there",
        "LOG_LEVEL": "info",
        "MAIN_STORE": "{sqlalchemy_url}",
        "ASYNC_DATABASE_URL": f"postgresql+asyncpg://{parts}",
        "PLAIN_DATABASE_URL": "{database_url}",
        "STRIPE_SECRET": "",
        "REDIS_URL": "",
        "REGION": "",
        "TEMPLATE": "{{name}} costs $5",
        "RELEASE": "{release}",
        "PORT": "{port}",
    }
    assert "literal" not in starter.text
    assert {key for key, _ in starter.of("fill in")} >= {"gateway.env.STRIPE_SECRET", "gateway.env.REGION"}
    assert document["database"]["version"] == 18, "the embedded server's own"


@pytest.mark.parametrize(
    ("paths", "health"),
    [
        (["/livez", "/readyz"], "/readyz"),
        (["/livez", "/health"], "/health"),
        (["/livez"], "/livez"),
        (["/health/live", "/health/ready"], "/health/ready"),
    ],
)
def test_readiness_is_asked_rather_than_life(tmp_path: Path, paths: list[str], health: str):
    (tmp_path / "app.py").write_text("\n".join(f"@app.get('{path}')\ndef f(): ..." for path in paths))
    assert tomllib.loads(starter_file(survey(tmp_path)).text)["health"]["path"] == health


@pytest.mark.parametrize(
    ("source", "path", "method"),
    [
        ('@app.post("/v2/webhooks/{source:str}")\ndef f(): ...', "/v2/webhooks/{integration}", "POST"),
        ('r = APIRouter(prefix="/hook")\n@r.post("/{n}/{id}")\ndef f(): ...', "/hook/{integration}/{unique}", "POST"),
        ('@app.route("/hook/<string:who>", methods=["GET", "POST"])\ndef f(): ...', "/hook/{integration}", "POST"),
        ('app.add_url_rule("/hooks/<carrier>", view_func=f, methods=["POST"])', "/hooks/{integration}", "POST"),
        ('app.router.add_post("/hook/{forge}", f)\napp.router.add_post("/login", f)', "/hook/{integration}", "POST"),
        ('routes = [Route("/integrations/{x}", f, methods=["POST"])]', "/integrations/{integration}", "POST"),
        ('app.mount("/static", Files())\nr = [Route("/hook/{x}", f, methods=["POST"])]', "/hook/{integration}", "POST"),
        ('@app.put("/v1/ingest/{source}/{id}")\ndef f(): ...', "/v1/ingest/{integration}/{unique}", "PUT"),
    ],
)
def test_the_route_of_deliveries_is_read_from_the_syntax(tmp_path: Path, source: str, path: str, method: str):
    (tmp_path / "app.py").write_text("raise SystemExit('never imported')\n" + source)
    delivery = tomllib.loads(starter_file(survey(tmp_path)).text)["delivery"]
    assert (delivery["path"], delivery.get("method", "POST")) == (path, method)


MOUNTED = {
    "fastapi, the router imported as a module": {
        "app/main.py": "from app.api import hooks\napp = FastAPI()\napp.include_router(hooks.router, prefix='/api/v1')",
        "app/api/hooks.py": "router = APIRouter(prefix='/hooks')\n@router.post('/{source}')\ndef f(): ...",
    },
    "fastapi, routers within routers, re-exported, a prefix from the settings": {
        "src/shop/main.py": "from shop.api import router as api\nfrom shop.settings import settings\n"
        "def create_app():\n    app = FastAPI()\n    app.include_router(api, prefix=settings.API_PREFIX)",
        "src/shop/settings.py": "class Settings:\n    API_PREFIX: str = '/api/v1'",
        "src/shop/api/__init__.py": "from .routes.all import router",
        "src/shop/api/routes/all.py": "from . import incoming\nrouter = APIRouter()\n"
        "router.include_router(incoming.router, prefix='/hooks', tags=['hooks'])",
        "src/shop/api/routes/incoming.py": "router = APIRouter()\n@router.post('/{source}')\ndef f(): ...",
        "src/shop/admin/router.py": "router = APIRouter()\n@router.post('/users')\ndef f(): ...",
    },
    "fastapi, the prefix alone is the path": {
        "main.py": "import incoming.web as web\napp.include_router(web.r, prefix=f'{ROOT}/v1')\nROOT = '/api'",
        "incoming/web.py": "r = APIRouter(prefix='/hooks/{source}')\n@r.post('')\ndef f(): ...",
    },
    "fastapi, src is the package, and paths that are no prefix": {
        "src/main.py": "from src.hooks import router as hooks\napp.include_router(hooks.r, prefix='/api/' + VERSION)\n"
        "VERSION = 'v1'\napp.state['files'], x = '/tmp', 1\nos.environ['TZDIR'] = '/usr/share'",
        "src/hooks/router.py": "r = APIRouter()\n@r.post('/hooks/{source}')\ndef f(): ...\nx['y'] = T(prefix='/no')",
    },
    "flask, one name for two blueprints": {
        "app.py": "def create():\n    from users import bp\n    app.register_blueprint(bp, url_prefix='/users')\n"
        "    from hooks import bp\n    app.register_blueprint(bp, url_prefix='/api/v1')",
        "users.py": "bp = Blueprint()",
        "hooks.py": "bp = Blueprint(url_prefix='/api/v1')\n@bp.post('/hooks/<source>')\ndef f(): ...",
    },
    "flask, a blueprint whose own prefix is replaced": {
        "wsgi.py": "from hooks import views\napp.register_blueprint(views.bp, url_prefix='/api/v1/hooks')",
        "hooks/views.py": "bp = Blueprint('hooks', __name__, url_prefix='/old')\n"
        "@bp.route('/<source>', methods=['POST'])\ndef f(): ...",
    },
    "an application mounted in another": {
        "main.py": "from inner import api\napp.mount('/api', api)",
        "inner.py": "api = FastAPI()\nr = APIRouter()\n@r.post('/hooks/{source}')\ndef f(): ...\n"
        "api.include_router(r, prefix='/v1')",
    },
}


@pytest.mark.parametrize("files", MOUNTED.values(), ids=MOUNTED)
def test_the_prefixes_of_routers_are_followed_through_the_files(tmp_path: Path, files: dict[str, str]):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    delivery = tomllib.loads(starter_file(survey(tmp_path)).text)["delivery"]
    path = delivery["path"]
    assert (path.replace("{integration}", "{}"), path.count("{integration}")) == ("/api/v1/hooks/{}", 1)


def test_health_is_no_other_route_that_ends_so_and_deep_sources_are_passed_by(tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "@app.get('/orders/ready')\ndef f(): ...\n@app.get('/healthz')\ndef g(): ...\n"
        "@app.post('/hook/{x}')\ndef h(): ..."
    )
    (tmp_path / "deep.py").write_text("x" + ".a(1)" * 300 + ".b.c(2)")
    (tmp_path / "deeper.py").write_text("-" * 10_000 + "1")
    document = tomllib.loads(starter_file(survey(tmp_path)).text)
    assert document["health"]["path"] == "/healthz"
    assert document["delivery"]["path"] == "/hook/{integration}"


def test_health_below_a_prefix_is_found_and_routers_that_include_each_other_end(tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "a, b = 1, 2\na = APIRouter(prefix='/a')\nb = APIRouter(prefix='/b')\na.include_router(b)\n"
        "b.include_router(a)\napp.include_router(c, prefix='/api/v1')\n@c.get('/health')\ndef f(): ...\n"
        "@b.post('/hook/{x}')\ndef g(): ...\nsettings.get('')\nclient.get(url)"
    )
    document = tomllib.loads(starter_file(survey(tmp_path)).text)
    assert document["health"]["path"] == "/api/v1/health"
    assert document["delivery"]["path"].endswith("/hook/{integration}")


def test_a_route_for_each_integration_names_them(tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "".join(f"@app.post('/webhooks/{name}')\ndef f(): ...\n" for name in ("stripe", "github", "jira"))
    )
    document = tomllib.loads(starter_file(survey(tmp_path)).text)
    assert document["delivery"]["path"] == "/webhooks/{integration}"
    assert list(document["integrations"]) == ["stripe", "github", "jira"]


@pytest.mark.parametrize(
    ("dockerfile", "script", "always"),
    [
        ('ENTRYPOINT ["/app/start.sh"]', "set -e\npython -m alembic upgrade head\nexec $@\n", True),
        ('ENTRYPOINT ["/app/start.sh"]', 'if [ "$MIGRATE" ]; then\n  alembic upgrade head\nfi\n', False),
        ('ENTRYPOINT ["/app/start.sh"]', '[ "$MIGRATE" = 1 ] && alembic upgrade head\n', False),
        ('CMD ["uvicorn", "app:app"]', "alembic upgrade head\n", False),
        ("CMD alembic upgrade head && uvicorn app:app", "", True),
        ('CMD ["sh", "-c", "alembic upgrade head && uvicorn app:app"]', "", True),
    ],
)
def test_a_start_that_always_migrates(tmp_path: Path, dockerfile: str, script: str, always: bool):
    (tmp_path / "Dockerfile").write_text(f"FROM python\n{dockerfile}\n")
    (tmp_path / "start.sh").write_text(script)
    (tmp_path / "app.py").write_text("app = FastAPI()\n")
    gateway = tomllib.loads(starter_file(survey(tmp_path)).text)["gateway"]
    assert gateway.get("always_migrates", False) == always
    assert (gateway["start"][:2] == ["sh", "-c"]) == always, "as a process it migrates as the image does"


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
    _, document, _ = made(root)
    theirs = tomllib.loads((EXAMPLES / example / "target.toml").read_text())
    assert document["delivery"]["path"] == expected["path"] == theirs["delivery"]["path"]
    assert document["delivery"].get("method") == theirs["delivery"].get("method")
    assert document["migrations"].get("directory") == expected["migrations"]
    assert document["migrations"]["versions"] == theirs.get("migrations", {}).get("versions", "migrations/versions")
    assert document["gateway"].get("always_migrates", False) == expected["always"]
    database = {name: value for name, value in theirs["gateway"]["env"].items() if "{database" in value}
    assert database.keys() <= document["gateway"]["env"].keys()
    assert "made-up" not in (tmp_path / f"{example}-target.toml").read_text()


def test_switches_that_share_a_prefix_are_flags_whatever_they_are_called(tmp_path: Path):
    (tmp_path / "compose.yaml").write_text(
        "services: {hub: {image: hub, environment: "
        '{FORGE_GITHUB: enabled, FORGE_GITEA: "${GITEA:-disabled}", FORGE_GOGS: enabled, HUB_DEBUG: "no", NAME: hub}}}'
    )
    document = tomllib.loads(starter_file(survey(tmp_path)).text)
    assert (document["flags"]["variable"], document["flags"]["on"]) == ("FORGE_{NAME}", "enabled")
    assert document["flags"]["off"] == "disabled"
    assert list(document["integrations"]) == ["github", "gitea", "gogs"]
    assert not {"FORGE_GITHUB", "FORGE_GITEA"} & set(document["gateway"]["env"])


def test_what_all_names_begin_with_is_of_the_variable(tmp_path: Path):
    (tmp_path / "compose.yaml").write_text(
        "services: {hub: {image: hub, environment: "
        '{HUB__PAY_DOCK_ENABLED: "true", HUB__PAY_PAL_ENABLED: "true", HUB__MOLLIE_ENABLED: "false"}}}'
    )
    document = tomllib.loads(starter_file(survey(tmp_path)).text)
    assert document["flags"]["variable"] == "HUB__{NAME}_ENABLED"
    assert list(document["integrations"]) == ["pay_dock", "pay_pal", "mollie"]


def test_an_integration_that_the_older_tag_does_not_have_is_young(project: Path):
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
    compose = project / "docker-compose.yml"
    text = compose.read_text()
    for tag, state in (("v1.0.0", text.replace("      - FEATURE_GIT_HUB=on\n", "")), ("v1.1.0", text)):
        compose.write_text(state)
        for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "x"], ["tag", tag]):
            subprocess.run([*git, *command], cwd=project, check=True)
    starter, document, target = made(project)
    assert document["integrations"] == {"stripe": {}, "git_hub": {"since": "1.1.0"}}
    assert target.integrations_of("1.0.0") == ("stripe",)
    assert "guessed: no file of 1.0.0 names it" in starter.text

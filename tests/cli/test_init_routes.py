"""Routes in a project's sources: deliveries, health, and the prefixes of routers."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from rollback_drills.cli.init import draft_target, survey


@pytest.mark.parametrize(
    ("paths", "health"),
    [
        (["/livez", "/readyz"], "/readyz"),
        (["/livez", "/health"], "/health"),
        (["/livez"], "/livez"),
        (["/health/live", "/health/ready"], "/health/ready"),
    ],
)
def test_readiness_is_preferred_to_liveness(tmp_path: Path, paths: list[str], health: str):
    (tmp_path / "app.py").write_text("\n".join(f"@app.get('{path}')\ndef f(): ..." for path in paths))
    assert tomllib.loads(draft_target(survey(tmp_path)).text)["health"]["path"] == health


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
def test_the_delivery_route_is_read_from_the_syntax(tmp_path: Path, source: str, path: str, method: str):
    (tmp_path / "app.py").write_text("raise SystemExit('never imported')\n" + source)
    delivery = tomllib.loads(draft_target(survey(tmp_path)).text)["delivery"]
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
    delivery = tomllib.loads(draft_target(survey(tmp_path)).text)["delivery"]
    path = delivery["path"]
    assert (path.replace("{integration}", "{}"), path.count("{integration}")) == ("/api/v1/hooks/{}", 1)


def test_health_is_not_just_any_route_with_that_ending_and_deep_sources_are_skipped(tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "@app.get('/orders/ready')\ndef f(): ...\n@app.get('/healthz')\ndef g(): ...\n"
        "@app.post('/hook/{x}')\ndef h(): ..."
    )
    (tmp_path / "deep.py").write_text("x" + ".a(1)" * 300 + ".b.c(2)")
    (tmp_path / "deeper.py").write_text("-" * 10_000 + "1")
    document = tomllib.loads(draft_target(survey(tmp_path)).text)
    assert document["health"]["path"] == "/healthz"
    assert document["delivery"]["path"] == "/hook/{integration}"


def test_health_below_a_prefix_is_found_and_routers_that_include_each_other_end(tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "a, b = 1, 2\na = APIRouter(prefix='/a')\nb = APIRouter(prefix='/b')\na.include_router(b)\n"
        "b.include_router(a)\napp.include_router(c, prefix='/api/v1')\n@c.get('/health')\ndef f(): ...\n"
        "@b.post('/hook/{x}')\ndef g(): ...\nsettings.get('')\nclient.get(url)"
    )
    document = tomllib.loads(draft_target(survey(tmp_path)).text)
    assert document["health"]["path"] == "/api/v1/health"
    assert document["delivery"]["path"].endswith("/hook/{integration}")


def test_a_route_for_each_integration_names_them(tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "".join(f"@app.post('/webhooks/{name}')\ndef f(): ...\n" for name in ("stripe", "github", "jira"))
    )
    document = tomllib.loads(draft_target(survey(tmp_path)).text)
    assert document["delivery"]["path"] == "/webhooks/{integration}"
    assert list(document["integrations"]) == ["stripe", "github", "jira"]

"""A project's environment variables: addresses, secrets, flags, and starts that migrate."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from support.drafts import drafted

from rollback_drills.cli.init import draft_target, survey

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


def test_the_compose_file_s_environment_is_copied_without_secrets(tmp_path: Path):
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "compose.yaml").write_text(ENVIRONMENT)
    (tmp_path / "api" / "Dockerfile").write_text(
        "FROM python\nWORKDIR /app/\nENV PYTHONPATH=/app/src:/app/lib:$PYTHONPATH \\\n LOG_LEVEL=debug MODE='quiet'\n"
        "ENV PIP_NO_CACHE_DIR=1\nENV ZONE here and there\nENV API_TOKEN=literal-again\n"
    )
    draft, document, _ = drafted(tmp_path / "api")
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
    assert "literal" not in draft.text
    assert {key for key, _ in draft.of("fill in")} >= {"gateway.env.STRIPE_SECRET", "gateway.env.REGION"}
    assert document["database"]["version"] == 18, "the embedded server's own"


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
    gateway = tomllib.loads(draft_target(survey(tmp_path)).text)["gateway"]
    assert gateway.get("always_migrates", False) == always
    assert (gateway["start"][:2] == ["sh", "-c"]) == always, "as a process it migrates as the image does"


def test_switches_with_a_common_prefix_are_flags_whatever_their_names(tmp_path: Path):
    (tmp_path / "compose.yaml").write_text(
        "services: {hub: {image: hub, environment: "
        '{FORGE_GITHUB: enabled, FORGE_GITEA: "${GITEA:-disabled}", FORGE_GOGS: enabled, HUB_DEBUG: "no", NAME: hub}}}'
    )
    document = tomllib.loads(draft_target(survey(tmp_path)).text)
    assert (document["flags"]["variable"], document["flags"]["on"]) == ("FORGE_{NAME}", "enabled")
    assert document["flags"]["off"] == "disabled"
    assert list(document["integrations"]) == ["github", "gitea", "gogs"]
    assert not {"FORGE_GITHUB", "FORGE_GITEA"} & set(document["gateway"]["env"])


def test_a_common_beginning_of_names_belongs_to_the_variable(tmp_path: Path):
    (tmp_path / "compose.yaml").write_text(
        "services: {hub: {image: hub, environment: "
        '{HUB__PAY_DOCK_ENABLED: "true", HUB__PAY_PAL_ENABLED: "true", HUB__MOLLIE_ENABLED: "false"}}}'
    )
    document = tomllib.loads(draft_target(survey(tmp_path)).text)
    assert document["flags"]["variable"] == "HUB__{NAME}_ENABLED"
    assert list(document["integrations"]) == ["pay_dock", "pay_pal", "mollie"]

"""`rollback-drills lint`: forms of output, exit codes, what it knows of a project."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from rollback_drills.cli import main
from rollback_drills.cli.exit_codes import OK, PROBLEMS, USAGE
from rollback_drills.cli.lint.formats import KINDS
from rollback_drills.cli.lint.project import context_around
from rollback_drills.runbook.linter import RULES, STATIC_RULES, UNFIT, lint

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "fixtures" / "targets" / "reference.toml"
LITERAL = ROOT / "fixtures" / "faults" / "literal-runbook.md"

COMPOSE = """
x-common: &common
  restart: unless-stopped
services:
  shop:
    <<: *common
    image: shop:${TAG:-1.0}
    build: .
    ports: ["127.0.0.1:${SHOP_PORT:-8080}:8000"]
    environment:
      - NEW_CHECKOUT_ENABLED
      - MODE=${MODE:-live}
    depends_on: {db: {condition: service_healthy}}
  db:
    image: postgres:16
    container_name: shop-postgres
    ports: [!reset "5432:5432"]
"""


def git(directory: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-C", str(directory), "-c", "user.name=t", "-c", "user.email=t@invalid", *arguments], check=True
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one tag, a compose file, a Makefile and a script; the runbook stands in docs."""
    git(tmp_path.parent, "init", "--quiet", str(tmp_path))
    (tmp_path / "compose.yaml").write_text(COMPOSE.replace('[!reset "5432:5432"]', '["5432:5432"]'))
    (tmp_path / "Makefile").write_text("TAG := 1\n.PHONY: deploy\ndeploy test: build\n\tdocker compose up -d\nbuild:\n")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "deploy.sh").write_text("")
    (tmp_path / ".gitignore").write_text("local.sh\n")
    (tmp_path / "docs").mkdir()
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "all")
    git(tmp_path, "tag", "v1.0")
    return tmp_path


def said(project: Path, *lines: str) -> list[tuple[int, str, str]]:
    book = project / "docs" / "ROLLBACK.md"
    book.write_text("\n".join(["```bash", *lines, "```", ""]))
    return [(each.line - 1, each.code, each.detail) for each in lint(book.read_text(), context_around(book))]


def codes(project: Path, *lines: str) -> list[tuple[int, str]]:
    return [(line, code) for line, code, _ in said(project, *lines)]


def test_every_code_has_a_severity_a_reason_and_a_remedy():
    assert set(KINDS) == {*RULES, *STATIC_RULES, UNFIT}
    assert all(kind.why.endswith(".") and kind.remedy and kind.severity != "info" for kind in KINDS.values())


def test_a_runbook_without_findings_exits_0(capsys: pytest.CaptureFixture[str]):
    book = ROOT / "fixtures" / "gateway" / "ROLLBACK.md"
    assert main(["lint", str(book)]) == OK
    assert main(["lint", str(book), "--target", str(REFERENCE)]) == OK
    assert capsys.readouterr().out == f"{book}: no findings\n" * 2


def test_findings_are_told_with_line_command_and_remedy(capsys: pytest.CaptureFixture[str]):
    assert main(["lint", str(LITERAL), "--target", str(REFERENCE)]) == PROBLEMS
    told = capsys.readouterr().out
    assert f"{LITERAL}:55:18: critical: restore-over-live-database\n    cat backup.sql | docker compose" in told
    assert "    To fix this: Restore into a new database with ON_ERROR_STOP" in told
    assert "findings (10 critical, 9 major)" in told.splitlines()[-1]


@pytest.mark.parametrize("content", [b"\x00\x01", None])
def test_what_is_no_page_exits_2(tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]):
    book = tmp_path / "ROLLBACK.md"
    if content is not None:
        book.write_bytes(content)
    assert main(["lint", str(book)]) == USAGE
    assert "rollback-drills lint: " in capsys.readouterr().err


def test_a_wrong_target_file_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "target.toml").write_text("name = 1\n")
    assert main(["lint", str(LITERAL), "--target", str(tmp_path / "target.toml")]) == USAGE
    assert "target.toml" in capsys.readouterr().err


def test_json_has_the_accepted_findings_with_their_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    book = tmp_path / "ROLLBACK.md"
    book.write_text(
        "```sh\ndocker compose down  # rollback-drills: ignore down-destroys-evidence: they are kept\n```\n"
    )
    assert main(["lint", str(book), "--format", "json"]) == OK
    told = json.loads(capsys.readouterr().out)
    (found,) = told["files"][0]["findings"]
    assert (told["findings"], found["line"], found["accepted"]) == (0, 2, "they are kept")


def test_sarif_names_rules_places_and_suppressions(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    book = tmp_path / "ROLL BACK.md"
    book.write_text(
        "```sh\ndocker compose down  # rollback-drills: ignore down-destroys-evidence: logs are kept\n"
        "alembic downgrade -1\n```\n"
    )
    assert main(["lint", str(book), str(LITERAL), "--format", "sarif"]) == PROBLEMS
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    accepted, blind = run["results"][:2]
    assert accepted["suppressions"] == [{"kind": "inSource", "justification": "logs are kept"}]
    assert "suppressions" not in blind
    place = blind["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"].endswith("ROLL%20BACK.md")
    assert (place["region"]["startLine"], place["region"]["startColumn"]) == (3, 1)


def test_annotations_of_github_are_one_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    book = tmp_path / "a,b.md"
    book.write_text("```sh\ncurl -s -o /dev/null localhost/health?a=100%\n```\n")
    assert main(["lint", str(book), "--format", "github"]) == PROBLEMS
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("::error file=")
    assert "a%2Cb.md,line=2,col=1,title=check-ignores-status::curl -s" in first
    assert "100%25%0AThe runbook's check" in first
    assert last.endswith("1 finding (1 critical)")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("docker compose logs --tail 5 chekout", "service-not-there"),
        ("docker compose exec postgres psql -c 'SELECT 1'", "service-not-there"),
        ("docker compose up -d shop worker", "service-not-there"),
        ("docker restart shop", "container-not-there"),
        ("docker logs --tail 10 shop", "container-not-there"),
        ("./scripts/rollback.sh 1.0", "file-not-there"),
        ("bash scripts/undo.sh", "file-not-there"),
        ("docker compose -f compose.prod.yaml up -d", "file-not-there"),
        ("make rollback", "target-not-there"),
        ("git checkout v0.9 && make deploy", "tag-not-there"),
        ("git switch --detach v0.9.1 && make deploy", "tag-not-there"),
        ("curl -fsS http://localhost:8000/health", "port-not-there"),
        ("curl -fsS 127.0.0.1:8081/version", "port-not-there"),
        ("VERSION=1.0 docker compose up -d", "variable-not-used"),
        ("export OLD_CHECKOUT_ENABLED=false; docker compose up -d shop", "variable-not-used"),
    ],
)
def test_what_is_not_there_is_told(project: Path, line: str, code: str):
    assert code in [found for _, found in codes(project, line)]


@pytest.mark.parametrize(
    "line",
    [
        "docker compose logs --tail 5 shop db",
        "docker compose -p other logs --tail 5 web",
        'docker compose logs --tail 5 "$SERVICE"',
        "docker compose exec db psql -U shop -c 'SELECT 1'",
        "docker logs --tail 10 shop-postgres",
        "docker logs --tail 10 shop-shop-1",
        "docker logs --tail 10 nginx",
        "bash scripts/deploy.sh",
        "./scripts/deploy.sh && ./local.sh",
        "cp scripts/deploy.sh scripts/mine.sh; ./scripts/mine.sh",
        "curl -fsSo get.sh https://example.com/get.sh; bash get.sh",
        "make deploy test build",
        "make -C deploy rollback",
        "git checkout v1.0 && make deploy",
        "git tag v0.9 && git checkout v0.9 && make deploy",
        "curl -fsS http://localhost:8080/health",
        "curl -fsS http://localhost:9090/-/ready",
        "docker compose exec shop curl -fsS http://localhost:8000/health",
        "ssh -L 8001:localhost:8080 prod -fN; curl -fsS http://localhost:8001/health",
        "MODE=safe docker compose run --rm shop true",
        "cd monitoring-elsewhere; docker compose -f grafana.yaml ps",
        "ssh prod docker compose logs --tail 5 web",
    ],
)
def test_what_is_there_or_may_be_elsewhere_is_not_told(project: Path, line: str):
    assert [code for _, code in codes(project, line) if "not-there" in code or code == "variable-not-used"] == []


def test_the_detail_names_what_there_is(project: Path):
    told = {code: detail for _, code, detail in said(project, "docker compose stop shopp", "make deploi")}
    assert told["service-not-there"] == "the compose file has no service shopp, only db, shop; shop is meant?"
    assert told["target-not-there"] == "the Makefile has no target deploi"


def test_a_checkout_that_builds_nothing_starts_the_same_image(project: Path):
    assert (2, "checkout-without-build") in codes(project, "git checkout v1.0 || exit", "docker compose up -d")
    for lines in (
        ["git checkout v1.0 || exit", "docker compose build shop", "docker compose up -d"],
        ["git checkout v1.0 || exit", "TAG=1.0 docker compose up -d"],
        ["git checkout v1.0 || exit", "docker compose up -d db"],
    ):
        assert "checkout-without-build" not in [code for _, code in codes(project, *lines)]


def test_a_port_of_the_env_file_is_the_one_that_is_published(project: Path):
    (project / ".env").write_text("SHOP_PORT=8000\n")
    assert codes(project, "curl -fsS http://localhost:8000/health") == []
    assert codes(project, "curl -fsS http://localhost:8080/health") == [(1, "port-not-there")]


@pytest.mark.parametrize(
    "compose",
    [
        COMPOSE + "include: [more.yaml]\n",
        COMPOSE.replace("build: .", "extends: {file: base.yaml, service: shop}"),
        "services: [",
        "[]",
    ],
)
def test_of_a_compose_file_that_is_not_complete_nothing_is_said(project: Path, compose: str):
    (project / "compose.yaml").write_text(compose)
    assert codes(project, "docker compose logs --tail 5 web", "VERSION=1 docker compose run --rm web true") == []


def test_a_tag_of_its_own_in_the_compose_file_is_read(project: Path):
    (project / "compose.yaml").write_text(COMPOSE)
    assert codes(project, "docker compose logs --tail 5 web") == [(1, "service-not-there")]


def test_of_tags_in_a_shallow_clone_nothing_is_said(project: Path, tmp_path_factory: pytest.TempPathFactory):
    git(project, "commit", "--quiet", "--allow-empty", "-m", "more")
    clone = tmp_path_factory.mktemp("clone") / "shop"
    git(project, "clone", "--quiet", "--depth=1", f"file://{project}", str(clone))
    (clone / "docs").mkdir(exist_ok=True)
    assert codes(clone, "git checkout v0.9 && make deploy") == []


def test_without_a_project_nothing_is_said_of_names(tmp_path: Path):
    book = tmp_path / "ROLLBACK.md"
    book.write_text("```sh\ndocker compose logs --tail 5 web\nmake rollback\n./undo.sh\n```\n")
    assert lint(book.read_text(), context_around(book)) == []

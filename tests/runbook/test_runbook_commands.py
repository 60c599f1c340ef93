"""What counts as an instruction of a runbook, and which of them leave a false green."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rollback_drills.evidence.findings.catalogue import CATALOGUE
from rollback_drills.runbook.context import Context
from rollback_drills.runbook.flow import flows_of
from rollback_drills.runbook.linter import RULES, find
from rollback_drills.runbook.page import read_page

FIXTURES = Path(__file__).parents[2] / "fixtures"
CONTEXT = Context("gateway", "db", webhook="/webhooks/{integration}", flag="FLAG_{NAME}_ENABLED")
REFERENCE = replace(CONTEXT, flag="INTEGRATIONS_{NAME}_ENABLED")


def found(code: str, *lines: str) -> list[int]:
    text = "\n".join(["```bash", *lines, "```"])
    return [each.line - 1 for each in find(code, text, CONTEXT)]


def test_the_literal_runbook_has_them_all_and_the_corrected_one_none():
    literal = (FIXTURES / "faults" / "literal-runbook.md").read_text()
    corrected = (FIXTURES / "gateway" / "ROLLBACK.md").read_text()
    for code, rule in RULES.items():
        assert rule.__name__ == code.replace("-", "_")
        assert find(code, literal, REFERENCE), code
        assert find(code, corrected, REFERENCE) == [], code
        assert code in CATALOGUE


@pytest.mark.parametrize(
    ("code", "lines", "expected"),
    [
        ("restart-keeps-environment", ["docker compose restart gateway"], []),
        ("restart-keeps-environment", ["FLAG=false", "docker compose restart gateway"], [2]),
        ("restart-keeps-environment", ["sed -i s/a/b/ .env", "docker-compose restart"], [2]),
        ("restart-keeps-environment", ["docker compose restart gateway", "FLAG=false"], []),
        ("rollback-lives-in-a-shell", ["export VERSION=1", "docker compose up -d"], [1]),
        ("rollback-lives-in-a-shell", ["export VERSION=1", "docker compose logs"], []),
        ("exec-needs-running-gateway", ["docker compose exec -T gateway alembic current"], [1]),
        ("exec-needs-running-gateway", ["docker compose exec gateway /venv/bin/alembic current"], [1]),
        ("exec-needs-running-gateway", ["docker compose exec gateway printenv"], []),
        ("exec-needs-running-gateway", ["docker compose run --rm --entrypoint alembic gateway current"], []),
        ("blind-downgrade", ["alembic downgrade -1"], [1]),
        ("blind-downgrade", ["alembic downgrade 0006"], []),
        ("restore-over-live-database", ["cat b.sql | docker compose exec -T db psql -U x"], [1]),
        ("restore-over-live-database", ["psql -d x < b.sql"], [1]),
        ("restore-over-live-database", ["psql -v ON_ERROR_STOP=1 -d x < b.sql"], []),
        ("restore-over-live-database", ["docker compose exec -T db psql -c 'SELECT 1'"], []),
        ("down-destroys-evidence", ["docker compose -f a.yaml down"], [1]),
        ("down-destroys-evidence", ["docker compose stop; shutdown"], []),
        ("database-not-waited-for", ["docker compose up -d db", "docker compose exec db psql"], [1]),
        ("database-not-waited-for", ["docker compose up -d --wait db", "docker compose exec db psql"], []),
        ("database-not-waited-for", ["docker compose up -d", "docker compose exec db psql"], []),
        ("build-replaces-release", ["docker compose build --no-cache"], [1]),
        ("build-replaces-release", ["docker compose up --no-build -d", "docker build ."], []),
    ],
)
def test_a_command_is_recognised(code: str, lines: list[str], expected: list[int]):
    assert found(code, *lines) == expected


def test_only_shell_in_fences_counts():
    text = """
Never `docker compose down`.

    docker compose down

```python
run("docker compose down")
```

1. Stop it:
   ```console
   $ docker compose \\
       down   # all of it
   # docker compose down
   ```

~~~
docker compose down
~~~
"""
    lines = [(each.line, each.text) for flow in flows_of(read_page(text)) for each in flow.calls]
    assert lines == [(12, "docker compose down"), (18, "docker compose down")]

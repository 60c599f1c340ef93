"""Imports run downward only, and the entry point costs other test runs nothing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "plugins" / "rollback_drills"

# What each part may import of this project. Parts are modules, and packages whose inner order is their own business.
RECORD = {"errors", "evidence", "runbook"}
WORLD = {
    "errors",
    "target",
    "target_fields",
    "target_tables",
    "placeholders",
    "stack",
    "wait",
    "meter",
    "postgres",
    "database",
}
LAYERS: dict[str, set[str]] = {
    "__init__": set(),
    "clock": set(),
    "errors": set(),
    "evidence": set(),
    "redaction": set(),
    "runbook": set(),
    "runbook_blocks": set(),
    "shell_lines": set(),
    "runbook_checks": {"runbook_blocks", "shell_lines"},
    "runbook_commands": {"runbook_blocks", "runbook_checks"},
    "stack": set(),
    "meter": set(),
    "codes": set(),
    "wait": {"errors"},
    "postgres": {"errors", "wait"},
    "finding_entry": {"evidence"},
    "findings_to_the_letter": {"finding_entry"},
    "findings": {"errors", "finding_entry", "findings_to_the_letter"},
    "journal": {"evidence"},
    "placeholders": set(),
    "target_errors": set(),
    "target_fields": {"placeholders"},
    "target_clients": {"placeholders", "target_fields"},
    "target_tables": {"target_fields"},
    "target_risks": {"findings", "target_fields"},
    "target": {
        "errors",
        "placeholders",
        "target_clients",
        "target_errors",
        "target_fields",
        "target_risks",
        "target_tables",
    },
    "acceptance": {"evidence", "target_risks"},
    "capabilities": {"errors", "target", "target_tables"},
    "answers": {"evidence", "target", "target_clients"},
    "database": {"errors", "postgres"},
    "signing": set(),
    "deliveries": {"placeholders", "signing", "target", "target_clients"},
    "probes": {"answers", "deliveries", "errors", "meter", "placeholders", "target", "target_clients"},
    "migrations": {"errors", "stack", "target", "target_tables"},
    "reversibility": {"backup", "errors", "migrations", "postgres", "stack", "target", "target_tables"},
    "backup": {"errors", "database", "placeholders", "postgres", "stack", "target", "target_tables"},
    "artifacts": {"errors", "evidence"},
    "drill_plan": {"evidence"},
    "drill_record": RECORD
    | {
        "acceptance",
        "artifacts",
        "clock",
        "drill_plan",
        "findings",
        "journal",
        "meter",
        "redaction",
        "stack",
        "target",
    },
    "drill": {"drill_plan", "drill_record", "evidence"},
    "traffic": {"answers", "deliveries", "errors", "evidence", "probes", "signing", "stack", "target"},
    "lab": WORLD | {"backup", "migrations", "probes", "traffic"},
    "random_days": {
        "answers",
        "backup",
        "database",
        "errors",
        "evidence",
        "lab",
        "postgres",
        "probes",
        "stack",
        "target",
        "traffic",
    },
    "client_account": {"answers", "drill", "drill_plan", "errors", "evidence", "lab", "traffic"},
    "stopping": {"drill", "lab", "stack"},
    "runtimes": WORLD | {"backup", "lab", "migrations", "reversibility"},
    "report": RECORD | {"findings", "wait"},
    "starter": set(),
    "doctor": WORLD | {"answers", "lab", "migrations", "probes", "redaction", "runtimes", "target_clients"},
    "cli": {"doctor", "errors", "report", "starter", "target"},
    "__main__": {"cli"},
    "pytest_plugin": {"*"},
}
ONLY_IN: dict[str, set[str]] = {
    "pytest": {"pytest_plugin"},
    "_pytest": set(),
    "xdist": {"pytest_plugin"},
    "hypothesis": {"random_days/search", "reversibility/values"},
    "testcontainers": {"runtimes"},
    "docker": {"runtimes"},
    "requests": {"runtimes"},
    "jinja2": {"report"},
    "httpx": {"probes"},
    "yaml": {"starter"},
    "packaging": {"starter"},
    "h11": {"traffic/sender_program", "runtimes/answering"},
    "psycopg": {"postgres", "database", "lab", "reversibility"},
    "sqlalchemy": {"migrations/walker_program", "migrations/walker_statements"},
    "alembic": {"migrations/walker_program"},
}
DISTRIBUTIONS = {"prometheus_client": "prometheus-client", "pytest_html": "pytest-html", "markupsafe": "jinja2",
                 "pydantic_core": "pydantic", "xdist": "pytest-xdist", "yaml": "pyyaml"}  # fmt: skip
MODULES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports_of(path: Path, *, module_level_only: bool = False) -> Iterator[str]:
    """Absolute names of everything imported, those under TYPE_CHECKING included."""
    tree = ast.parse(path.read_text())
    for node in tree.body if module_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            # `from rollback_drills import wait` names a module; of other packages only the package matters.
            if node.module == "rollback_drills":
                yield from (f"rollback_drills.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""


def test_the_table_names_every_part_and_no_other():
    assert {part_of(path) for path in MODULES} == set(LAYERS)


def test_the_table_has_no_circle():
    def below(part: str, seen: tuple[str, ...]) -> None:
        assert part not in seen, " → ".join([*seen, part])
        for lower in LAYERS[part] - {"*"}:
            below(lower, (*seen, part))

    for part in LAYERS:
        below(part, ())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downward(path: Path):
    part = part_of(path)
    allowed = LAYERS[part] | {part}
    used = {name.split(".")[1] for name in imports_of(path) if name.startswith("rollback_drills.")}
    assert "*" in allowed or used <= allowed
    for name in imports_of(path):
        package = name.split(".")[0]
        module = str(path.relative_to(PACKAGE).with_suffix(""))
        assert package not in ONLY_IN or {part, module} & ONLY_IN[package], f"{module} may not import {package}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_clock_asks_for_the_time_of_day(path: Path):
    """It may be set back while drills are performed; `time.time` is for signatures and the age of files."""
    asked = {"now", "utcnow", "today"} & {
        node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name) and node.value.id in ("datetime", "date")
    }  # fmt: skip
    assert not asked or part_of(path) == "clock"


def test_the_entry_point_imports_pytest_and_the_standard_library_only():
    names = {
        name.split(".")[0] for name in imports_of(PACKAGE / "pytest_plugin" / "__init__.py", module_level_only=True)
    }
    assert names <= {"pytest"} | sys.stdlib_module_names
    assert set(imports_of(PACKAGE / "__init__.py")) <= {"__future__"}


def test_what_is_imported_is_declared_as_a_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[\[<>=~! ]", line)[0] for line in project["dependencies"]}
    imported = {name.split(".")[0] for path in MODULES for name in imports_of(path)}
    foreign = imported - sys.stdlib_module_names - {"rollback_drills"}
    assert {DISTRIBUTIONS.get(name, name) for name in foreign} - declared == set()


def test_importing_the_entry_point_imports_no_engine():
    heavy = ["pydantic", "httpx", "sqlalchemy", "psycopg", "jinja2", "prometheus_client", "rollback_drills.drill.drill"]
    script = (
        "import sys, rollback_drills.pytest_plugin\n"
        f"print([name for name in {heavy!r} if name in sys.modules],"
        " [name for name in sys.modules if name.startswith('rollback_drills.')])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] ['rollback_drills.pytest_plugin']"

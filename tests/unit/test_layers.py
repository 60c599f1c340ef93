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

# What each room may import of this project. Only `drills` and `pytest_plugin` may import everything below them.
ROOMS: dict[str, set[str]] = {
    "core": set(),
    "runbook": set(),
    "evidence": {"core"},
    "postgres": {"core"},
    "target": {"core", "evidence"},
    "report": {"core", "evidence", "runbook"},
    "runtimes": {"core", "target", "postgres"},
    "clients": {"core", "evidence", "target", "runtimes"},
    "migrations": {"core", "target", "postgres", "runtimes"},
    "lab": {"core", "target", "postgres", "runtimes", "clients", "migrations"},
    "drill": {"core", "evidence", "runbook", "target", "postgres", "runtimes", "clients", "lab"},
    "gamedays": {"core", "evidence", "target", "postgres", "runtimes", "clients", "lab", "drill"},
    "cli": {"core", "target", "postgres", "runtimes", "clients", "migrations", "lab", "report"},
}
ROOMS["pytest_plugin"] = set(ROOMS) - {"cli"}
ROOMS["__init__"] = set(ROOMS)
ROOMS["__main__"] = {"cli"}
PROTOCOLS_ONLY = {"clients", "migrations", "drill", "gamedays"}  # of `runtimes`, these know the protocols alone
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

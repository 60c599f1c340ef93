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

# What each room may import of this project, from the ground up.
ROOMS: dict[str, set[str]] = {
    "core": set(),
    "evidence": {"core"},
    "postgres": {"core"},
    "target": {"core", "evidence"},
    "report": {"core", "evidence"},
    "runbook": {"core", "evidence"},
    "runtimes": {"core", "target", "postgres"},
    "clients": {"core", "evidence", "target", "runtimes"},
    "migrations": {"core", "target", "postgres", "runtimes"},
    "lab": {"core", "target", "postgres", "runtimes", "clients", "migrations"},
    "drill": {"core", "evidence", "runbook", "target", "postgres", "runtimes", "clients", "lab"},
    "gamedays": {"core", "evidence", "target", "postgres", "runtimes", "clients", "lab", "drill"},
    "cli": {
        *("core", "evidence", "target", "postgres", "report", "runbook", "runtimes", "clients", "migrations", "lab"),
    },
}
ROOMS["pytest_plugin"] = set(ROOMS) - {"cli"}
ROOMS["testing"] = {"core", "target", "postgres", "runtimes"}
PROTOCOLS_ONLY = {"clients", "migrations", "drill", "gamedays"}  # of the runtimes, these know the protocols alone
FLOORS = 9  # at most
FACE = {"__init__": set(ROOMS) - {"cli", "testing"}, "__main__": {"cli"}}  # at the root of the package, on no floor

# Where other people's packages may be imported: rooms, or modules of them.
ONLY_IN: dict[str, set[str]] = {
    "pytest": {"pytest_plugin", "testing"},
    "_pytest": set(),
    "xdist": {"pytest_plugin"},
    "hypothesis": {"gamedays.search", "migrations.reversibility.generate.values"},
    "testcontainers": {"runtimes.docker", "runtimes.compose"},
    "docker": {"runtimes.docker", "runtimes.compose"},
    "requests": {"runtimes.docker", "runtimes.compose"},
    "jinja2": {"report"},
    "httpx": {"clients.http"},
    "yaml": {"cli.init", "cli.lint"},
    "markdown_it": {"runbook.page"},
    "tree_sitter": {"runbook.shell", "runbook.tree"},
    "tree_sitter_bash": {"runbook.shell"},
    "packaging": {"cli.init"},
    "h11": {"clients.traffic.sender_program", "clients.under_way", "runtimes.host.readiness"},
    "psycopg": {"postgres", "lab", "migrations.reversibility"},
    "sqlalchemy": {"migrations.walker.program", "migrations.walker.statements"},
    "alembic": {"migrations.walker.program"},
}
DISTRIBUTIONS = {
    "prometheus_client": "prometheus-client",
    "pytest_html": "pytest-html",
    "markupsafe": "jinja2",
    "pydantic_core": "pydantic",
    "xdist": "pytest-xdist",
    "markdown_it": "markdown-it-py",
    "tree_sitter": "tree-sitter",
    "tree_sitter_bash": "tree-sitter-bash",
    "yaml": "pyyaml",
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """The module's dotted name below the package; empty for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


NAMES = {name_of(path): path for path in MODULES}


def room_of(module: str) -> str:
    return module.split(".")[0]


def imports_of(path: Path, *, module_level_only: bool = False) -> Iterator[str]:
    """Absolute names of everything imported, those under TYPE_CHECKING included."""
    tree = ast.parse(path.read_text())
    for node in tree.body if module_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def modules_used_by(path: Path) -> set[str]:
    """This project's modules that a module imports; ``from package import name`` may name a module."""
    used = set()
    for name in imports_of(path):
        if name == "rollback_drills" or not name.startswith("rollback_drills."):
            continue
        below = name.removeprefix("rollback_drills.")
        used.add(below if below in NAMES else below.rpartition(".")[0] or "__init__")
    return used - {name_of(path)}


def floors() -> dict[str, int]:
    """One more than the highest room below."""
    found: dict[str, int] = {}

    def floor(room: str, above: tuple[str, ...] = ()) -> int:
        assert room not in above, " -> ".join([*above, room])
        if room not in found:
            found[room] = 1 + max((floor(lower, (*above, room)) for lower in ROOMS[room]), default=0)
        return found[room]

    for room in ROOMS:
        floor(room)
    return found


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one module (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in graph[module]:
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            component = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(component) > 1:
                found.append(sorted(component))

    for module in graph:
        if module not in index:
            visit(module)
    return found


def test_the_table_names_every_room_and_no_other():
    assert {room_of(module) for module in NAMES} == {*ROOMS, *FACE}


def test_nothing_is_loose_at_the_root_of_the_package():
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_the_rooms_stand_on_few_floors_and_in_no_circle():
    assert max(floors().values()) <= FLOORS


def test_no_files_import_each_other_in_a_circle_within_a_room_either():
    assert circles({name: modules_used_by(path) for name, path in NAMES.items()}) == []


def test_a_circle_of_files_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


@pytest.mark.parametrize("module", NAMES)
def test_imports_run_downward(module: str):
    used = modules_used_by(NAMES[module])
    allowed = (ROOMS | FACE)[room_of(module)] | {room_of(module)}
    assert {name for name in used if room_of(name) not in allowed} == set()
    if room_of(module) in PROTOCOLS_ONLY:
        assert {name for name in used if room_of(name) == "runtimes"} <= {"runtimes.protocols"}


@pytest.mark.parametrize("module", NAMES)
def test_other_packages_are_imported_where_they_belong(module: str):
    for package in {name.split(".")[0] for name in imports_of(NAMES[module])} & set(ONLY_IN):
        allowed = ONLY_IN[package]
        assert any(f"{module}.".startswith(f"{place}.") for place in allowed), f"{module} may not import {package}"


@pytest.mark.parametrize("module", NAMES)
def test_only_the_clock_asks_for_the_time_of_day(module: str):
    """It may be set back while drills are performed; `time.time` is for signatures and the age of files."""
    asked = {
        node.attr
        for node in ast.walk(ast.parse(NAMES[module].read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("datetime", "date")
    }
    assert not asked & {"now", "utcnow", "today"} or module == "core.clock"


def test_the_entry_point_imports_pytest_and_the_standard_library_only():
    names = {
        name.split(".")[0] for name in imports_of(PACKAGE / "pytest_plugin" / "__init__.py", module_level_only=True)
    }
    assert names <= {"pytest"} | sys.stdlib_module_names
    assert set(imports_of(PACKAGE / "__init__.py", module_level_only=True)) <= {
        "__future__.annotations",
        "os",
        "typing.TYPE_CHECKING",
    }


def test_what_is_imported_is_declared_as_a_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[\[<>=~! ]", line)[0] for line in project["dependencies"]}
    imported = {name.split(".")[0] for path in MODULES for name in imports_of(path)}
    foreign = imported - sys.stdlib_module_names - {"rollback_drills"}
    assert {DISTRIBUTIONS.get(name, name) for name in foreign} - declared == set()


def rooms_and_foreign_packages_after(statement: str) -> tuple[set[str], set[str]]:
    """Which rooms, and which packages besides pytest's own, a statement imports."""
    script = f"import sys, pytest; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    names = [name.split(".") for name in done.stdout.split()]
    rooms = {parts[1] for parts in names if parts[0] == "rollback_drills" and len(parts) > 1}
    return rooms, {parts[0] for parts in names} - sys.stdlib_module_names - {"rollback_drills"}


def test_importing_the_entry_point_imports_no_engine():
    assert rooms_and_foreign_packages_after("import rollback_drills.pytest_plugin") == ({"pytest_plugin"}, set())


def test_what_every_pytest_run_calls_imports_no_engine():
    """Adding the options, and configuring a run without drills."""
    modules = ("options", "hookspecs", "keys", "collection", "fixtures", "revisions", "xdist", "marks")
    statement = "import " + ", ".join(f"rollback_drills.pytest_plugin.{name}" for name in modules)
    assert rooms_and_foreign_packages_after(statement) == ({"core", "pytest_plugin"}, set())

"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "plugins" / "rollback_drills"
DRILLS = ROOT / "drills"
TESTS = ROOT / "tests"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MOST_UNFORMATTED = 10


def python_files() -> Iterator[Path]:
    for directory in ("drills", "docs", "examples", "fixtures", "plugins", "reports", "tests"):
        yield from (ROOT / directory).rglob("*.py")


def classes_of(source: str) -> set[str]:
    """The names of all classes in a module, those inside functions included, without leading underscores."""
    return {node.name.lstrip("_") for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)}


def imported_modules(source: str) -> set[str]:
    """Dotted names of the modules that a module may import; ``from x import y`` may import x.y."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parent = node.module or ""
            found |= {parent, *(f"{parent}.{alias.name}" for alias in node.names)}
    return found


def of_test_modules(modules: set[str]) -> set[str]:
    return {name for name in modules if any(part.startswith("test_") for part in name.split("."))}


def examples_of(page: str) -> list[str]:
    """The blocks of Python in a page."""
    return re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def below_the_face(source: str) -> set[str]:
    """What is imported of the package's modules instead of its public face."""
    return {name for name in imported_modules(source) if name.startswith("rollback_drills.") and not _is_face(name)}


def _is_face(name: str) -> bool:
    """`rollback_drills.testing` is public too: contracts that the tests of a runtime inherit."""
    import rollback_drills

    if name.startswith("rollback_drills.testing"):
        return True
    return name.removeprefix("rollback_drills.") in {*rollback_drills.__all__, "__version__"}


def test_no_class_name_is_used_for_two_things():
    places = defaultdict(set)
    for path in [*PACKAGE.rglob("*.py"), *DRILLS.rglob("*.py")]:
        for name in classes_of(path.read_text()):
            places[name].add(str(path.relative_to(ROOT)))
    assert {name: sorted(files) for name, files in places.items() if len(files) > 1} == {}


def test_the_formatter_lays_out_the_code():
    directive = "# fmt: " + "skip"
    found = {str(path.relative_to(ROOT)): path.read_text().count(directive) for path in python_files()}
    assert sum(found.values()) <= MOST_UNFORMATTED, {path: count for path, count in found.items() if count}


@pytest.mark.parametrize(
    "path",
    sorted([*TESTS.rglob("test_*.py"), *DRILLS.rglob("test_*.py")]),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_test_module_imports_another(path: Path):
    assert of_test_modules(imported_modules(path.read_text())) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_pages_import_the_public_face_only(page: Path):
    assert {name for block in examples_of(page.read_text()) for name in below_the_face(block)} == set()


def test_these_rules_find_what_they_forbid():
    assert classes_of("class A: pass\ndef f():\n    class _B: pass") == {"A", "B"}
    assert of_test_modules(imported_modules("from .test_a import b\nimport c")) == {"test_a", "test_a.b"}
    assert below_the_face("from rollback_drills.lab.lab import Lab\nfrom rollback_drills import Lab, nothing") == {
        "rollback_drills.lab.lab",
        "rollback_drills.lab.lab.Lab",
        "rollback_drills.nothing",
    }
    assert examples_of("a\n```python\nimport a\n```\n") == ["import a\n"]

"""The public face: every name resolves, is documented and typed, and costs nothing until it is used."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rollback_drills

ROOT = Path(__file__).parents[2]
FACE = ROOT / "plugins" / "rollback_drills" / "__init__.py"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def isolated(script: str) -> str:
    """What a Python of its own prints, without the modules that this one has imported."""
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def imported_for_types() -> dict[str, str]:
    """The names that type checkers see, with the modules that they come from."""
    blocks = [node for node in ast.parse(FACE.read_text()).body if isinstance(node, ast.If)]
    (types,) = (block for block in blocks if ast.unparse(block.test) == "TYPE_CHECKING")
    imports = [node for node in types.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_importing_the_package_imports_nothing_else():
    script = (
        "import __future__, sys, typing; before = set(sys.modules); import rollback_drills;"
        " print(set(sys.modules) - before, 'Drill' in dir(rollback_drills))"
    )
    assert isolated(script) == "{'rollback_drills'} True"


@pytest.mark.parametrize("name", rollback_drills.__all__)
def test_a_name_of_the_face_resolves_and_has_a_docstring(name: str):
    value = getattr(rollback_drills, name)
    assert value.__name__ == name or (name, value.__name__) == ("RuntimeUnavailable", "RuntimeUnavailableError")
    assert inspect.getdoc(value)


@pytest.mark.parametrize("name", sorted({*rollback_drills.__all__} - {"RuntimeUnavailable"}))
def test_a_name_of_the_face_stands_in_the_documentation(name: str):
    """`RuntimeUnavailable` is an alias for drills that were written for 0.1.0."""
    assert any(re.search(rf"\b{name}\b", page.read_text()) for page in PAGES)


def test_type_checkers_see_the_names_that_resolve():
    modules = {name: f"rollback_drills.{module}" for name, module in rollback_drills._MODULE_OF.items()}
    assert imported_for_types() == modules
    assert sorted(modules) == rollback_drills.__all__


def test_the_name_of_an_error_in_the_first_release_still_works():
    assert rollback_drills.RuntimeUnavailable is rollback_drills.RuntimeUnavailableError


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'rollback_drills' has no attribute 'Dril'"):
        _ = rollback_drills.Dril


def test_submodules_are_imported_as_ever():
    assert isolated("from rollback_drills import postgres; print(postgres.__name__)") == "rollback_drills.postgres"

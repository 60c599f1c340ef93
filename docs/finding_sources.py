"""Where each finding comes from: the drills that look for it, and the planted faults that prove that they find it.

Both are read from what runs: the sources of the drills, and fixtures/faults.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "plugins" / "rollback_drills"


@dataclass(frozen=True)
class Fault:
    """A planted fault: the drills that must catch it, with the findings of each."""

    name: str
    title: str
    findings: dict[str, tuple[str, ...]]

    @property
    def codes(self) -> set[str]:
        return {code for codes in self.findings.values() for code in codes}


def drill_sources() -> dict[str, set[str]]:
    """The texts in each drill's source, and in that of every function that it calls, by the drill's name."""
    functions = dict(_functions())
    return {name: _texts(name, functions, set()) for name in functions if name.startswith("test_")}


def engine_sources(code: str) -> list[str]:
    """The modules of the package that record ``code`` themselves, whatever drill runs."""
    modules = [path for path in sorted(PACKAGE.rglob("*.py")) if "findings" not in path.parts]
    found = [path for path in modules if code in _literals(ast.parse(path.read_text()))]
    return [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in found]


def faults(drills: set[str]) -> list[Fault]:
    """The planted faults; ``drills`` are the names of all drills."""
    return [_fault(path, drills) for path in sorted((ROOT / "fixtures" / "faults").glob("*.toml"))]


@dataclass(frozen=True)
class HealthyVariant:
    """A gateway that differs from the reference or looks like a fault, and has no finding in these drills."""

    name: str
    title: str
    why: str
    drills: tuple[str, ...]


def healthy_variants(drills: set[str]) -> list[HealthyVariant]:
    """The healthy variants; ``drills`` are the names of all drills."""
    found = []
    for path in sorted((ROOT / "fixtures" / "healthy").glob("*.toml")):
        variant = tomllib.loads(path.read_text())
        performed = tuple(sorted(set(_selected(variant["drill"], drills))))
        found.append(HealthyVariant(path.stem, variant["title"], variant["why"], performed))
    return found


def _fault(path: Path, drills: set[str]) -> Fault:
    fault = tomllib.loads(path.read_text())
    findings = fault.get("findings") or {name: [fault["finding"]] for name in _selected(fault["drill"], drills)}
    return Fault(path.stem, fault["title"], {name: tuple(codes) for name, codes in findings.items()})


def _selected(expression: str, drills: set[str]) -> Iterator[str]:
    """The drills that a -k expression names, in full or in part; its other words select cases of them."""
    for word in re.findall(r"\w+_\w+", expression):
        yield from [word] if word in drills else sorted(drill for drill in drills if word in drill)


def _functions() -> Iterator[tuple[str, ast.AST]]:
    """What stands at the top of the drills' modules, and of those with the checks that they share."""
    for directory in (ROOT / "drills", PACKAGE / "drill" / "checkers"):
        for path in sorted(directory.glob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    yield node.name, node


def _texts(name: str, functions: dict[str, ast.AST], seen: set[str]) -> set[str]:
    """The texts in a function and in those that it names; ``seen`` are the functions that were read already."""
    seen.add(name)
    texts = _literals(functions[name])
    for node in ast.walk(functions[name]):
        called = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if called in functions and called not in seen:
            texts |= _texts(called, functions, seen)
    return texts


def _literals(tree: ast.AST) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}

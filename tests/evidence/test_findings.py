"""The catalogue is complete, and what the drills use exists in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rollback_drills.core.errors import DrillError
from rollback_drills.evidence.findings import catalogue
from rollback_drills.evidence.findings.catalogue import CATALOGUE, entry, is_built_in, register
from rollback_drills.evidence.findings.entry import FindingKind

ROOT = Path(__file__).parents[2]
FINDINGS = ROOT / "plugins" / "rollback_drills" / "evidence" / "findings"
SOURCES = [
    *sorted((ROOT / "drills").glob("*.py")),
    *(path for path in sorted((ROOT / "plugins").rglob("*.py")) if path.parent != FINDINGS),
]
OWN = FindingKind("acme-queue-stuck", "major", "The queue is stuck", "Nothing is sent on.", "Restart the worker.")


def literals(tree: ast.AST) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def codes_given(tree: ast.AST) -> Iterator[str]:
    """Codes in the calls that take one: ``find("code", …)`` and ``finding="code"``, also in a conditional."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr == "find" and node.args:
                receiver = node.func.value
                if isinstance(receiver, ast.Name) and receiver.id in ("drill", "self"):
                    yield from literals(node.args[0])
            for keyword in node.keywords:
                if keyword.arg == "finding":
                    yield from literals(keyword.value)


@pytest.mark.parametrize("code", CATALOGUE)
def test_an_entry_is_complete(code: str):
    found = entry(code)
    assert found.code == code
    assert found.severity in ("critical", "major", "minor", "info")
    assert code == code.lower()
    assert " " not in code
    for text in (found.title, found.why, found.remedy):
        assert text == text.strip()
        assert len(text) > 15
        assert text[0].isupper() or text.startswith("/"), text
    assert not found.title.endswith(".")
    assert found.why.endswith(".")
    assert found.remedy.endswith(".")


def test_codes_and_titles_are_unique():
    kinds = [
        node
        for module in FINDINGS.glob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "FindingKind"
    ]
    codes = [kind.args[0].value for kind in kinds]  # type: ignore[attr-defined]
    assert len(codes) == len(set(codes)) == len(CATALOGUE)
    assert len({found.title for found in CATALOGUE.values()}) == len(CATALOGUE)


def test_every_code_in_use_is_in_the_catalogue():
    unknown = {
        f"{path.relative_to(ROOT)}: {code}"
        for path in SOURCES
        for code in codes_given(ast.parse(path.read_text()))
        if code not in CATALOGUE
    }
    assert unknown == set()


def test_every_code_is_used_somewhere():
    used = set().union(*(literals(ast.parse(path.read_text())) for path in SOURCES))
    assert set(CATALOGUE) - used == set()


def test_an_unknown_code_is_refused_with_those_that_exist():
    with pytest.raises(DrillError, match="false-green"):
        entry("no-such-finding")


@pytest.fixture
def own_catalogue(monkeypatch: pytest.MonkeyPatch) -> dict[str, FindingKind]:
    """What is registered in a test is gone after it."""
    monkeypatch.setattr(catalogue, "CATALOGUE", dict(CATALOGUE))
    return catalogue.CATALOGUE


def test_another_plugin_adds_its_findings(own_catalogue: dict[str, FindingKind]):
    register([OWN])
    register([OWN])  # the plugin is loaded in a second session of this process
    assert entry(OWN.code) is own_catalogue[OWN.code] is OWN
    assert not is_built_in(OWN.code)
    assert is_built_in("rows-lost")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"code": "rows-lost"}, "two findings have the code 'rows-lost'"),
        ({"code": "Rows lost"}, "cannot be the code of a finding"),
        ({"severity": "bad"}, "has the severity 'bad'"),
        ({"why": " ", "remedy": ""}, "has no why and no remedy"),
    ],
)
def test_a_finding_that_cannot_be_told_apart_or_explained_is_refused(
    changes: dict[str, str], message: str, own_catalogue: dict[str, FindingKind]
):
    before = dict(own_catalogue)
    with pytest.raises(DrillError, match=message):
        register([OWN, replace(OWN, **changes)])  # type: ignore[arg-type]
    assert own_catalogue == before


def test_two_new_findings_cannot_share_a_code(own_catalogue: dict[str, FindingKind]):
    with pytest.raises(DrillError, match="acme-queue-stuck"):
        register([OWN, replace(OWN, title="The queue is empty")])
    assert OWN.code not in own_catalogue

"""Migrations with one defect each, all of them found; and their healthy twins, without a finding."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.migration_cases import CASES, Case
from support.migration_histories import Project, walking

from rollback_drills.migrations.reversibility.proof import Proof
from rollback_drills.runtimes.embedded.postgres import PostgresServer
from rollback_drills.runtimes.workspace.directory import Workspace

BACK = "SET LOCAL search_path = public"  # where the version table is


def comment_of(case: Case, wrong: bool) -> str:
    declared = case.wrong_declare if wrong and case.wrong_declare is not None else case.declare
    if not declared:
        return ""
    if declared == ":":
        return "# rollback-drills: lossy"
    return (
        f"# rollback-drills: {declared}"
        if declared.startswith("irreversible:")
        else f"# rollback-drills: lossy: {declared}"
    )


def slug(case: Case) -> str:
    return f"c{CASES.index(case):02}"


def proofs(directory: Path, server: PostgresServer, workspace: Workspace, *, wrong: bool) -> dict[str, Proof]:
    """Proofs of all cases, each in its own schema, in one history and one walk."""
    project = Project(directory)
    for case in CASES:
        name = slug(case)
        before = case.wrong_before if wrong and case.wrong_before is not None else case.before
        up = case.wrong_up if wrong and case.wrong_up is not None else case.up
        path = f"SET LOCAL search_path = {name}"
        project.add(
            f"{name}_0",
            [f"CREATE SCHEMA {name}", path, *before, BACK],
            [f"DROP SCHEMA {name} CASCADE"],
            comment="# rollback-drills: lossy: there was nothing before",
        )
        back = case.wrong if wrong else case.right
        project.add(name, within(name, path, up), within(name, path, back), comment=comment_of(case, wrong))
    with walking(project, server, workspace) as walk:
        found = {slug(case): walk.prove(slug(case)) for case in CASES}
        walk.verify()
    return found


def within(schema: str, path: str, statements: tuple[str, ...]) -> list[str]:
    """The statements in the case's own schema; functions that do nothing or raise stay unchanged."""
    if not statements or statements == ("missing",) or statements[0].startswith("raise "):
        return list(statements)
    if statements[0].startswith("with: "):
        return [statements[0].replace("{s}", schema)]
    return [path, *statements, BACK]


@pytest.mark.slow
def test_every_defect_is_found_and_named(tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace):
    found = proofs(tmp_path, postgres_server, workspace, wrong=True)
    assert {case.name: found[slug(case)].codes for case in CASES} == {case.name: {case.code} for case in CASES}


@pytest.mark.slow
def test_the_healthy_twins_have_no_finding(tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace):
    found = proofs(tmp_path, postgres_server, workspace, wrong=False)
    assert {name: [each.detail for each in proof.findings] for name, proof in found.items() if proof.findings} == {}


def test_there_are_forty_of_each():
    assert len(CASES) >= 40
    assert len({slug(case) for case in CASES}) == len(CASES)

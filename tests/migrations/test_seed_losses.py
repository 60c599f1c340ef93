"""What a rollback destroys of the target's own seed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.migration_histories import Project

from rollback_drills.lab.bare_alembic import BareAlembicEnvironment
from rollback_drills.migrations.reversibility.proof import Proof
from rollback_drills.migrations.reversibility.walk import Walk
from rollback_drills.postgres import connect
from rollback_drills.runtimes.embedded.postgres import PostgresServer
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.system_tables import Migrations

ORDERS = "CREATE TABLE orders (id serial PRIMARY KEY, total integer, note text)"
SEED = "INSERT INTO orders (total, note) SELECT n, 'note ' || n FROM generate_series(1, 2500) AS n"


def prove(project: Project, server: PostgresServer, workspace: Workspace, seeded_at: Sequence[str]) -> dict[str, Proof]:
    """Proofs by revision, with the seed inserted after the last of ``seeded_at``."""
    environment = BareAlembicEnvironment(
        project.ini,
        interpreter=[sys.executable],
        admin_url=server.admin_url,
        run="tests",
        workspace=workspace.path,
        bin_dir=server.bin_dir,
    )
    seeded = environment.create()
    try:
        with environment.walker(seeded) as walker:
            for revision in seeded_at:
                assert walker.upgrade(revision).ok
        with connect(environment.url(seeded)) as conn:
            conn.execute(SEED.encode())
        walk = Walk(environment, Migrations(lossy={"*": "not under test"}), seeded=seeded)
        try:
            return {proof.revision: proof for proof in walk.prove_all()}
        finally:
            walk.close()
    finally:
        environment.drop(seeded)


def test_the_lost_rows_of_the_seed_are_counted_exactly(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    project.add("one", [ORDERS], ["DROP TABLE orders"])
    project.add("two", ["UPDATE orders SET note = upper(note) WHERE id <= 1204"], ["SELECT 1"])
    project.add("three", ["CREATE INDEX i ON orders (total)"], ["DROP INDEX i"])
    project.add("four", ["ALTER TABLE orders DROP note"], ["ALTER TABLE orders ADD note text"])
    proofs = prove(project, postgres_server, workspace, ["one"])
    lines = {revision: [loss.line() for loss in proof.seed_losses] for revision, proof in proofs.items()}
    assert lines["one"] == []  # the seed was inserted after it
    assert lines["two"] == [
        "values of public.orders.note in 1,204 rows, written before the upgrade: 'note 1' became 'NOTE 1'"
    ]
    assert lines["three"] == []
    assert [(loss.column, loss.rows, loss.written) for loss in proofs["four"].seed_losses] == [("note", 2500, "before")]
    assert (
        proofs["two"].loss_lines()[0].startswith("of the target's own data: values of public.orders.note in 1,204 rows")
    )
    assert {loss.rows < 100 for loss in proofs["four"].losses} == {True}  # the generated ones are few


@pytest.mark.slow
def test_the_losses_are_still_counted_after_an_irreversible_revision(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    project.add("one", [ORDERS], ["DROP TABLE orders"])
    project.add("two", ["ALTER TABLE orders ADD a integer"], ["raise RuntimeError('no')"])
    project.add("three", ["ALTER TABLE orders ADD b integer"], ["ALTER TABLE orders DROP b", "with: SELECT 1 / 0"])
    project.add("four", ["UPDATE orders SET total = 0"], ["SELECT 1"])
    proofs = prove(project, postgres_server, workspace, ["one"])
    assert [(loss.column, loss.rows) for loss in proofs["four"].seed_losses] == [("total", 2500)]

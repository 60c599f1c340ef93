"""Irreversible revisions are restored from a backup; the revisions around them are proven like all others."""

from __future__ import annotations

from pathlib import Path

from support.migration_histories import Project, walking

from rollback_drills.lab.bare_alembic import BareAlembicEnvironment
from rollback_drills.runtimes.embedded.postgres import PostgresServer
from rollback_drills.runtimes.protocols import CommandResult
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.system_tables import Migrations

LOSSY = Migrations(lossy={"*": "not under test"})
RAISES = ["raise NotImplementedError('restore the backup')"]


def test_an_irreversible_revision_is_restored_and_its_neighbours_are_proven(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (id serial PRIMARY KEY, a text, b text)"], ["DROP TABLE t"])
    project.add("two", ["CREATE INDEX i ON t (a)"], ["SELECT 1"])
    project.add(
        "three", ["ALTER TABLE t DROP b"], RAISES, comment="# rollback-drills: irreversible: b held personal data"
    )
    project.add("four", ["UPDATE t SET a = 'x'"], ["SELECT 1"])
    with walking(project, postgres_server, workspace, migrations=LOSSY) as walk:
        proofs = {proof.revision: proof for proof in walk.prove_all()}
    three = proofs["three"]
    assert (three.verdict, three.findings) == ("irreversible by design", [])
    assert three.reason == "b held personal data"
    assert three.restored.startswith("restored from a backup: ")
    rows = int(three.restored.split()[4])
    assert rows > 5, three.restored  # t's rows, and the revision
    assert "2 tables and 1 sequence are equal" in three.restored
    assert proofs["two"].codes == {"schema-residue"}  # below it
    assert [(loss.column, loss.written) for loss in proofs["four"].losses] == [("a", "before")]  # above it
    assert not (workspace.path / "below_irreversible.sql").exists()


def test_a_backup_that_does_not_restore_is_a_finding(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    """pg_dump orders tables by name, so this CHECK reads a table that is still empty during the restore."""
    project = Project(tmp_path)
    project.add(
        "one",
        [
            "CREATE TABLE parents (id integer PRIMARY KEY)",
            "CREATE FUNCTION known(integer) RETURNS boolean LANGUAGE sql"
            " AS 'SELECT EXISTS (SELECT FROM public.parents WHERE id = $1)'",
            "CREATE TABLE children (parent integer CHECK (known(parent)))",
            "INSERT INTO parents VALUES (1)",
            "INSERT INTO children VALUES (1)",
        ],
        ["DROP TABLE children", "DROP FUNCTION known", "DROP TABLE parents"],
    )
    project.add("two", ["DROP TABLE parents CASCADE"], RAISES, comment="# rollback-drills: irreversible: they are gone")
    with walking(project, postgres_server, workspace, migrations=LOSSY) as walk:
        proof = walk.prove("two")
    assert proof.verdict == "irreversible by design"
    assert proof.restored == ""
    assert proof.codes == {"backup-unusable"}
    assert "violates check constraint" in proof.findings[0].detail


def test_an_untrue_declaration_is_a_finding_and_nothing_is_restored(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (id serial PRIMARY KEY, a text)"], ["DROP TABLE t"])
    project.add(
        "two", ["CREATE INDEX i ON t (a)"], ["DROP INDEX i"], comment="# rollback-drills: irreversible: it used to be"
    )
    with walking(project, postgres_server, workspace, migrations=LOSSY) as walk:
        proof = walk.prove("two")
    assert proof.codes == {"declaration-untrue"}
    assert (proof.verdict, proof.restored) == ("lossless", "")


def test_a_sequence_that_a_restore_rewinds_is_seen(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (id serial PRIMARY KEY, a text)"], ["DROP TABLE t"])
    project.add("two", ["DROP TABLE t"], RAISES, comment="# rollback-drills: irreversible: it is gone")
    with walking(project, postgres_server, workspace, migrations=LOSSY, environment_class=Rewinding) as walk:
        proof = walk.prove("two")
    assert proof.codes == {"sequence-rewound"}


class Rewinding(BareAlembicEnvironment):
    """Restores a dump without the values of its sequences."""

    def restore(self, database: str, file: Path) -> CommandResult:
        text = file.read_text()
        assert "pg_catalog.setval('public.t_id_seq', " in text
        file.write_text(text.replace("pg_catalog.setval('public.t_id_seq', ", "num_nulls("))
        return super().restore(database, file)

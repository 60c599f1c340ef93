"""What the walk says beyond a code: exact losses, the smallest rows, locks at production's size, interruptions."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.migration_histories import ENV, Project, walking

from rollback_drills.migrations.reversibility.proof import Proof
from rollback_drills.runtimes.embedded.postgres import PostgresServer
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.system_tables import Migrations

ANYTHING = {"*": "not what is looked at here"}


def prove(project: Project, server: PostgresServer, workspace: Workspace, revision: str, **migrations: object) -> Proof:
    settings = Migrations.model_validate({"lossy": ANYTHING, **migrations}, strict=False)
    with walking(project, server, workspace, migrations=settings) as walk:
        return walk.prove(revision)


def test_a_loss_is_stated_by_table_column_and_rows(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE orders (id serial PRIMARY KEY, total integer)"], ["DROP TABLE orders"])
    project.add(
        "two", ["ALTER TABLE orders ADD discount integer NOT NULL DEFAULT 0"], ["ALTER TABLE orders DROP discount"]
    )
    proof = prove(project, postgres_server, workspace, "two")
    assert proof.verdict == "lossy by design"
    (loss,) = proof.losses
    assert (loss.table, loss.column, loss.written) == ("public.orders", "discount", "after")
    assert loss.rows > 0
    assert proof.to_json()["verdict"] == "lossy by design"


def test_what_the_next_upgrade_computes_again_is_no_loss(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (id serial PRIMARY KEY, a text)"], ["DROP TABLE t"])
    project.add("two", ["ALTER TABLE t ADD b text GENERATED ALWAYS AS (upper(a)) STORED"], ["ALTER TABLE t DROP b"])
    assert prove(project, postgres_server, workspace, "two").verdict == "lossless"


def test_a_failure_shrinks_to_the_rows_that_show_it(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (id serial PRIMARY KEY, a text)"], ["DROP TABLE t"])
    project.add("two", ["ALTER TABLE t ALTER a SET NOT NULL"], ["ALTER TABLE t ALTER a DROP NOT NULL"])
    (found,) = prove(project, postgres_server, workspace, "two").findings
    assert found.code == "upgrade-fails-on-rows"
    assert found.detail.count("a=NULL") == found.detail.count("id=") == 1


def test_only_what_is_asked_for_is_proven_and_the_rest_is_applied(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    for number in range(6):
        project.add(f"r{number}", [f"CREATE TABLE t{number} (a integer)"], [f"DROP TABLE t{number}"])
    project.add("last", ["UPDATE t0 SET a = 1"], ["SELECT 1"])
    with walking(project, postgres_server, workspace) as walk:
        assert walk.prove("last").codes == {"rows-lost"}
        assert set(walk.proofs) == {"last"}
        assert walk.prove("r0").codes == {"loss-undeclared"}  # passed by, and so the walk begins anew
        assert walk.prove("r5").codes == {"loss-undeclared"}


MAKES = """CREATE SCHEMA IF NOT EXISTS app
CREATE EXTENSION IF NOT EXISTS citext
CREATE TABLE IF NOT EXISTS app.settings (name citext PRIMARY KEY)""".splitlines()


@pytest.mark.parametrize("connection", ["connection", "another"], ids=["in its transaction", "in one of its own"])
def test_what_env_py_makes_is_not_the_first_revisions_doing(
    connection: str, tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    making = "".join(f"    {connection}.exec_driver_sql({each!r})\n" for each in MAKES)
    if connection == "another":
        making = "with engine.begin() as another:\n" + making
        env = ENV.replace("with engine.connect()", f"{making}with engine.connect()")
    else:
        env = ENV.replace("    context.configure", f"{making}    context.configure")
    project = Project(tmp_path, env)
    project.add("one", ["CREATE TABLE app.t (id serial PRIMARY KEY, a citext)"], ["DROP TABLE app.t"])
    proof = prove(project, postgres_server, workspace, "one")
    assert (proof.codes, proof.verdict) == (set(), "lossy by design")


def test_what_the_first_revision_makes_beside_env_py_is_still_its_doing(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    env = ENV.replace("    context.configure", f"    connection.exec_driver_sql({MAKES[0]!r})\n    context.configure")
    project = Project(tmp_path, env)
    project.add("one", ["CREATE TYPE app.mood AS ENUM ('a')", "CREATE TABLE app.t (m app.mood)"], ["DROP TABLE app.t"])
    (found,) = prove(project, postgres_server, workspace, "one").findings
    assert "app.mood" in found.detail


def test_locks_are_weighed_by_the_sizes_of_production(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (id serial PRIMARY KEY, a integer)"], ["DROP TABLE t"])
    project.add(
        "two",
        ["SET LOCAL lock_timeout = 1000", "ALTER TABLE t ALTER a TYPE numeric"],
        ["ALTER TABLE t ALTER a TYPE integer"],
    )
    small = prove(project, postgres_server, workspace, "two", rows={"public.t": 10})
    large = prove(project, postgres_server, workspace, "two", rows={"public.t": 10**12}, blocking=2.0)
    assert small.codes - {"downgrade-fails-on-rows"} == set()
    assert "migration-blocks-production" in large.codes
    (lock,) = large.locks
    assert (lock.relation, lock.mode, lock.work, lock.blocks) == (
        "public.t",
        "AccessExclusiveLock",
        "rewrite",
        "reads and writes",
    )
    assert lock.seconds is not None
    assert lock.seconds > 1000
    assert large.without_timeout == []


def test_a_lock_without_a_limit_is_seen(tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace):
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (a integer)"], ["DROP TABLE t"])
    project.add("two", ["CREATE INDEX i ON t (a)"], ["DROP INDEX i"])
    proof = prove(project, postgres_server, workspace, "two")
    assert proof.without_timeout == ["public.t"]
    assert [(lock.mode, lock.work, lock.blocks) for lock in proof.locks] == [("ShareLock", "scan", "writes")]


def test_the_clean_up_that_is_printed_was_tried(tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace):
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (a integer)"], ["DROP TABLE t"])
    project.add(
        "two",
        ["ALTER TABLE t ADD b integer", "with: CREATE INDEX CONCURRENTLY i ON t (a)"],
        ["DROP INDEX i", "ALTER TABLE t DROP b"],
    )
    proof = prove(project, postgres_server, workspace, "two")
    assert not proof.atomic
    assert [(each.at, each.within, each.restored_by) for each in proof.interruptions] == [
        (0, False, "nothing"), (1, False, "clean-up"), (1, True, "clean-up"), (2, False, "clean-up"),
    ]  # fmt: skip
    assert proof.interruptions[-1].commands == (
        "DROP INDEX IF EXISTS public.i",
        "ALTER TABLE public.t DROP COLUMN IF EXISTS b",
    )
    assert proof.findings == []


def test_an_index_that_was_given_up_half_way_is_no_index(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    """It is there, INVALID, and IF NOT EXISTS is content with it."""
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (a integer)"], ["DROP TABLE t"])
    project.add("two", ["with: CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)"], ["DROP INDEX i"])
    proof = prove(project, postgres_server, workspace, "two")
    assert proof.codes == {"interruption-taken-for-done"}
    (within,) = (each for each in proof.interruptions if each.within)
    assert any("INVALID" in line for line in within.taken_for_done)
    assert within.restored_by == "downgrade"
    assert within.commands == ("alembic upgrade two", "alembic downgrade one", "alembic upgrade two")
    assert [each.restored_by for each in proof.interruptions if not each.within] == ["nothing", "upgrade"]


def test_what_could_not_be_interrupted_is_said(tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace):
    """env.py has one session, so that nothing can hold the table against it."""
    project = Project(tmp_path, ENV.replace("NullPool", "StaticPool"))
    project.add("one", ["CREATE TABLE t (a integer)"], ["DROP TABLE t"])
    project.add("two", ["with: CREATE INDEX CONCURRENTLY i ON t (a)"], ["DROP INDEX i"])
    proof = prove(project, postgres_server, workspace, "two")
    assert [each.within for each in proof.interruptions] == [False, False]
    (missed,) = proof.not_interrupted
    assert missed.startswith("upgrade: within 'CREATE INDEX CONCURRENTLY")
    assert "one session" in missed


def test_a_downgrade_is_interrupted_as_well(tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace):
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (a integer, b integer)"], ["DROP TABLE t"])
    project.add("two", ["CREATE INDEX i ON t (a)"], ["with: DROP INDEX CONCURRENTLY i"])
    project.add(
        "three",
        ["CREATE INDEX j ON t (a)", "CREATE INDEX k ON t (b)"],
        ["with: DROP INDEX CONCURRENTLY j | DROP INDEX CONCURRENTLY k"],
    )
    project.add(
        "four",
        ["CREATE INDEX l ON t (a)", "CREATE INDEX m ON t (b)"],
        ["with: DROP INDEX CONCURRENTLY IF EXISTS l | DROP INDEX CONCURRENTLY IF EXISTS m"],
    )
    with walking(project, postgres_server, workspace) as walk:
        two, three, four = (walk.prove(each) for each in ("two", "three", "four"))
    assert [(each.restored_by, each.commands) for each in two.interruptions] == [
        ("nothing", ()),
        ("stamp", ("alembic stamp one",)),
    ]
    assert two.codes == set()
    assert [(each.at, each.restored_by) for each in three.interruptions] == [(0, "nothing"), (1, "")]
    assert three.codes == {"interruption-not-restored"}
    assert "the downgrade fails before 'DROP INDEX CONCURRENTLY k'" in three.findings[0].detail
    assert [each.restored_by for each in four.interruptions] == ["nothing", "downgrade", "downgrade"]
    assert four.codes == set()


def test_rows_that_interruptions_have_written_anew_are_no_loss_of_the_next_revision(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (id serial PRIMARY KEY, a float8)"], ["DROP TABLE t"])
    project.add("two", ["UPDATE t SET a = random()", "CREATE INDEX i ON t (a)"],
                ["with: DROP INDEX CONCURRENTLY IF EXISTS i"])  # fmt: skip
    project.add("three", ["ALTER TABLE t ADD b integer"], ["ALTER TABLE t DROP b"])
    with walking(
        project, postgres_server, workspace, migrations=Migrations(lossy={"one": "empty", "two": "random"})
    ) as walk:
        codes = {proof.revision: proof.codes for proof in walk.prove_all()}
        assert len(walk.proofs["two"].interruptions) == 2
    assert codes["three"] <= {"loss-undeclared"}  # of b alone


def test_an_upgrade_that_fails_on_empty_tables_stops_the_walk(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    project.add("one", ["SELECT 1 / 0"])
    project.add("two", ["SELECT 1"])
    with walking(project, postgres_server, workspace) as walk:
        assert {proof.revision: proof.codes for proof in walk.prove_all()} == {
            "one": {"upgrade-failed"}, "two": {"revision-unproven"},
        }  # fmt: skip


def test_what_is_wanted_is_proven_when_the_walk_comes_by(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    for number in range(4):
        project.add(f"r{number}", [f"CREATE TABLE t{number} (a integer)"], [f"DROP TABLE t{number}"])
    with walking(project, postgres_server, workspace, wanted=["r1", "r3"]) as walk:
        walk.prove("r3")
        assert list(walk.proofs) == ["r1", "r3"]


def test_rows_that_migrations_have_made_are_there_whatever_was_refused(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    """To find out whether rows are the reason for a failure ours are taken away, and theirs must not go with them."""
    project = Project(tmp_path)
    project.add(
        "one",
        [
            "CREATE TABLE settings (id integer PRIMARY KEY, a text)",
            "INSERT INTO settings VALUES (1, 'of the migration')",
        ],
        ["DROP TABLE settings"],
    )
    project.add("two", ["ALTER TABLE settings ALTER a SET NOT NULL"], ["ALTER TABLE settings ALTER a DROP NOT NULL"])
    project.add(
        "three",
        ["DO $$ BEGIN IF NOT EXISTS (SELECT FROM settings WHERE id = 1) THEN RAISE 'the row is gone'; END IF; END $$"],
        [],
    )
    with walking(project, postgres_server, workspace, migrations=Migrations(lossy=ANYTHING)) as walk:
        proofs = {proof.revision: proof for proof in walk.prove_all()}
    assert "upgrade-fails-on-rows" in proofs["two"].codes
    assert proofs["three"].findings == []


def test_the_error_that_a_script_has_caught_is_the_one_that_is_told(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (a integer)"], ["DROP TABLE t"])
    project.write(
        "two.py",
        "from alembic import op\nrevision, down_revision = 'two', 'one'\n"
        "def upgrade():\n    op.execute('SELECT 1')\n"
        "def downgrade():\n    try:\n        op.execute('DROP INDEX missing')\n    except Exception as error:\n"
        "        print(error)\n    op.execute('SELECT 2')\n",
    )
    with walking(project, postgres_server, workspace) as walk:
        (found,) = walk.prove("two").findings
    assert found.code == "downgrade-failed"
    assert "UndefinedObject at line 7" in found.detail, found.detail


@pytest.mark.slow
def test_a_failure_outside_a_transaction_shrinks_too(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (id serial PRIMARY KEY, a text, b text)"], ["DROP TABLE t"])
    project.add(
        "two",
        ["ALTER TABLE t ADD c integer", "with: ALTER TABLE t ALTER a SET NOT NULL"],
        ["ALTER TABLE t ALTER a DROP NOT NULL", "ALTER TABLE t DROP c"],
    )
    project.add(
        "three",
        ["ALTER TABLE t ALTER b TYPE varchar"],
        ["ALTER TABLE t ADD d integer", "with: ALTER TABLE t ALTER b SET NOT NULL | ALTER TABLE t DROP d"
         " | ALTER TABLE t ALTER b DROP NOT NULL | ALTER TABLE t ALTER b TYPE text"],
    )  # fmt: skip
    with walking(project, postgres_server, workspace, migrations=Migrations(lossy=ANYTHING)) as walk:
        proofs = {proof.revision: proof for proof in walk.prove_all()}
    (found,) = (each for each in proofs["two"].findings if each.code == "upgrade-fails-on-rows")
    assert found.detail.count("a=NULL") == found.detail.count("id=") == 1, found.detail
    assert proofs["three"].codes == {"downgrade-fails-on-rows"}
    (found,) = proofs["three"].findings
    assert found.detail.count("b=NULL") == found.detail.count("id=") == 1, found.detail


def test_the_names_of_not_null_constraints_are_no_residue(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (id serial PRIMARY KEY, a text NOT NULL)"], ["DROP TABLE t"])
    again = ["ALTER TABLE t ALTER b DROP NOT NULL", "ALTER TABLE t ALTER b SET NOT NULL"]
    project.add("two", ["ALTER TABLE t RENAME a TO b", *again], ["ALTER TABLE t RENAME b TO a"])
    project.add("three", [], ["ALTER TABLE t ALTER b DROP NOT NULL"])
    with walking(project, postgres_server, workspace, migrations=Migrations(lossy=ANYTHING)) as walk:
        proofs = {proof.revision: proof for proof in walk.prove_all()}
        version = walk.bench.conn.info.server_version
    assert proofs["two"].findings == []
    assert proofs["two"].renamed == (["public.t.t_b_not_null"] if version >= 180000 else [])
    assert proofs["three"].codes == {"schema-residue"}  # NOT NULL itself


def test_locks_outside_a_transaction_are_observed_or_looked_up(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (a integer)", "CREATE TABLE u (a integer)", "CREATE TABLE v (a integer)"],
                ["DROP TABLE t, u, v"])  # fmt: skip
    project.add("two", ["with: CREATE INDEX CONCURRENTLY i ON t (a) | ALTER TABLE u ADD b integer | VACUUM (FULL) v"],
                ["with: DROP INDEX CONCURRENTLY IF EXISTS i | ALTER TABLE u DROP b"])  # fmt: skip
    project.add("three", ["with: DROP INDEX CONCURRENTLY IF EXISTS i"], ["with: CREATE INDEX CONCURRENTLY i ON t (a)"])
    with walking(project, postgres_server, workspace, migrations=Migrations(lossy=ANYTHING)) as walk:
        proofs = {proof.revision: proof for proof in walk.prove_all()}
    by_the_manual = "by PostgreSQL's documentation"
    assert [(lock.relation, lock.mode, lock.work, lock.known) for lock in proofs["two"].locks] == [
        ("public.u", "AccessExclusiveLock", "", "observed"),
        ("public.v", "AccessExclusiveLock", "rewrite", by_the_manual),
        ("public.t", "ShareUpdateExclusiveLock", "scan", by_the_manual),
    ]
    assert proofs["two"].without_timeout == ["public.u"]
    assert not proofs["two"].atomic
    (lock,) = proofs["three"].locks
    assert (lock.relation, lock.mode, lock.known) == ("public.t", "ShareUpdateExclusiveLock", by_the_manual)
    assert [proof.findings for proof in proofs.values()] == [[], [], []]


def test_a_revision_id_that_alembics_table_does_not_take_is_named(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    long = "0002_" + "a_name_that_says_everything_" * 2
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (a integer)"], ["DROP TABLE t"])
    project.add(long, ["ALTER TABLE t ADD b integer"], ["ALTER TABLE t DROP b"])
    with walking(project, postgres_server, workspace, migrations=Migrations(lossy=ANYTHING)) as walk:
        assert walk.prove(long).codes == {"revision-id-too-long"}


def test_a_long_revision_id_is_nothing_where_the_column_was_widened(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    long = "0002_" + "a_name_that_says_everything_" * 2
    project = Project(tmp_path)
    wider = ["ALTER TABLE alembic_version ALTER version_num TYPE varchar(200)"]
    project.add("one", wider, ["SELECT 1"])
    project.add(long, ["CREATE TABLE t (a integer)"], ["DROP TABLE t"])
    with walking(project, postgres_server, workspace, migrations=Migrations(lossy=ANYTHING)) as walk:
        assert walk.prove(long).findings == []

"""A step that refuses rows: the right ones are blamed, and what it does to the others is still compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.migration_histories import Project, walking

from rollback_drills.migrations.reversibility import refused_rows
from rollback_drills.migrations.reversibility.proof import Proof
from rollback_drills.runtimes.embedded.postgres import PostgresServer
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.system_tables import Migrations

TABLE = ["CREATE TABLE t (id integer PRIMARY KEY, name varchar(60), code varchar(10))"]
LONGER = "ALTER TABLE t ALTER code TYPE varchar(20)"
SHORTER = "ALTER TABLE t ALTER code TYPE varchar(10)"


def prove_last(
    directory: Path,
    server: PostgresServer,
    workspace: Workspace,
    up: list[str],
    back: list[str],
    first: list[str] = TABLE,
) -> Proof:
    project = Project(directory)
    project.add("one", first, ["DROP SCHEMA public CASCADE; CREATE SCHEMA public"])
    project.add("two", up, back)
    with walking(project, server, workspace) as walk:
        proof = walk.prove("two")
        walk.verify()
    return proof


def test_a_refused_row_hides_no_loss_of_the_others(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    proof = prove_last(
        tmp_path,
        postgres_server,
        workspace,
        [LONGER, "UPDATE t SET name = upper(name)"],
        [SHORTER, "UPDATE t SET name = lower(name)"],
    )
    assert proof.codes == {"downgrade-fails-on-rows", "rows-lost"}
    assert proof.verdict == "lossy"


def test_a_refused_row_makes_no_loss_of_the_others(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    proof = prove_last(tmp_path, postgres_server, workspace, [LONGER], [SHORTER])
    assert proof.codes == {"downgrade-fails-on-rows"}
    assert "rows that only the new schema allows" in proof.findings[0].detail


@pytest.mark.parametrize("rounds", [8, 1])
def test_rows_of_the_tables_between_two_refusals_are_not_lost(
    rounds: int, tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    """``a`` is refused first; without those rows ``b`` is, and the search for its rows takes ``middle`` apart."""
    monkeypatch.setattr(refused_rows, "MAX_ROUNDS", rounds)
    project = Project(tmp_path)
    project.add("one", [f"CREATE TABLE {name} (id integer PRIMARY KEY, v varchar)" for name in ("a", "middle", "b")])
    up = ["ALTER TABLE a ALTER v SET NOT NULL", "ALTER TABLE middle ALTER v TYPE text"]
    back = ["ALTER TABLE a ALTER v DROP NOT NULL", "ALTER TABLE middle ALTER v TYPE varchar"]
    project.add("two", [*up, "ALTER TABLE b ALTER v SET NOT NULL"], [*back, "ALTER TABLE b ALTER v DROP NOT NULL"])
    with walking(project, postgres_server, workspace) as walk:
        assert walk.prove("two").codes == {"upgrade-fails-on-rows"}
        if rounds > 1:
            (middle,) = walk.database.rows.snapshot(["public.middle"]).values()
            assert middle.rows


def test_a_generated_row_does_not_take_the_key_of_one_that_the_upgrade_has_deleted(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    # Some rows are taken at a second attempt only, and have another number's key.
    project.add("one", ["CREATE TABLE t (id uuid PRIMARY KEY, v varchar, CHECK (v IS NULL OR v < 'm'))"])
    project.add("two", ["DELETE FROM t WHERE v IS NULL", "ALTER TABLE t ADD w integer"], ["ALTER TABLE t DROP w"])
    project.add("three", ["DELETE FROM t"], ["ALTER TABLE t ALTER v TYPE varchar"])
    with walking(project, postgres_server, workspace) as walk:
        lost = [loss for each in ("two", "three") for loss in walk.prove(each).losses if loss.written == "before"]
    assert lost
    assert {loss.column for loss in lost} == {""}, lost


def test_an_upgrade_that_refuses_rows_is_compared_over_the_others(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    proof = prove_last(
        tmp_path,
        postgres_server,
        workspace,
        ["ALTER TABLE t ALTER code SET NOT NULL", "UPDATE t SET name = upper(name)"],
        ["ALTER TABLE t ALTER code DROP NOT NULL", "UPDATE t SET name = lower(name)"],
    )
    assert proof.codes == {"upgrade-fails-on-rows", "rows-lost"}


def test_rows_of_before_are_blamed_where_they_block_the_way_back_too(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    proof = prove_last(
        tmp_path,
        postgres_server,
        workspace,
        ["ALTER TABLE t DROP name"],
        ["ALTER TABLE t ADD name varchar(60) NOT NULL"],
        ["CREATE TABLE t (id integer PRIMARY KEY, name varchar(60) NOT NULL)"],
    )
    (refused,) = [each for each in proof.findings if each.code == "downgrade-fails-on-rows"]
    assert "rows that the old schema allows too" in refused.detail


def test_the_rows_of_the_constraint_that_failed_are_named(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    proof = prove_last(
        tmp_path,
        postgres_server,
        workspace,
        [
            "ALTER TABLE b ADD CONSTRAINT fk_b FOREIGN KEY (a_id) REFERENCES a (id)",
            "ALTER TABLE c DROP CONSTRAINT fk_c",
            "ALTER TABLE c ADD CONSTRAINT fk_c FOREIGN KEY (a_id) REFERENCES a (id) ON DELETE CASCADE",
        ],
        [
            "ALTER TABLE c DROP CONSTRAINT fk_c",
            "ALTER TABLE c ADD CONSTRAINT fk_c FOREIGN KEY (a_id) REFERENCES a (id)",
            "ALTER TABLE b DROP CONSTRAINT fk_b",
        ],
        [
            "CREATE TABLE a (id integer PRIMARY KEY)",
            "CREATE TABLE b (id integer PRIMARY KEY, a_id integer NOT NULL)",
            "CREATE TABLE c (id integer PRIMARY KEY, a_id integer NOT NULL CONSTRAINT fk_c REFERENCES a (id))",
        ],
    )
    (refused,) = proof.findings
    assert refused.code == "upgrade-fails-on-rows"
    assert "fk_b" in refused.detail
    assert "public.b (id=" in refused.detail
    assert refused.detail.count("(id=") == 1


@pytest.mark.parametrize(
    ("back", "codes"),
    [
        ("ALTER TABLE t ALTER doc TYPE json USING doc::json", set()),
        ("ALTER TABLE t ALTER doc TYPE json USING jsonb_build_object('was', doc)::json", {"rows-lost"}),
    ],
)
def test_json_is_compared_by_its_meaning(
    back: str, codes: set[str], tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    proof = prove_last(
        tmp_path,
        postgres_server,
        workspace,
        ["ALTER TABLE t ALTER doc TYPE jsonb USING doc::jsonb"],
        [back],
        [
            "CREATE TABLE t (id integer PRIMARY KEY, doc json)",
            'INSERT INTO t VALUES (1, \'{"b": 1, "a": [1e2, 1.50]}\')',
        ],
    )
    assert proof.codes - {"upgrade-fails-on-rows"} == codes, proof.findings


def test_renumbered_keys_are_told_as_such(tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace):
    proof = prove_last(
        tmp_path,
        postgres_server,
        workspace,
        ["ALTER TABLE t ADD u uuid NOT NULL DEFAULT gen_random_uuid()"],
        ["ALTER TABLE t DROP u", "UPDATE t SET id = id + 7000000 WHERE id BETWEEN 1 AND 2"],
        ["CREATE TABLE t (id bigint PRIMARY KEY, name text NOT NULL)", "INSERT INTO t VALUES (1, 'one'), (2, 'two')"],
    )
    (lost,) = [each for each in proof.findings if each.code == "rows-lost"]
    assert "renumbered" in lost.detail
    assert "public.t.id" in lost.detail


SERIAL = ["CREATE TABLE t (id serial PRIMARY KEY, a text)"]
TO_IDENTITY = [
    "ALTER TABLE t ALTER id DROP DEFAULT",
    "DROP SEQUENCE t_id_seq",
    "ALTER TABLE t ALTER id ADD GENERATED BY DEFAULT AS IDENTITY",
    "SELECT setval(pg_get_serial_sequence('t', 'id'), greatest(max(id), 1)) FROM t",
]
TO_SERIAL = [
    "ALTER TABLE t ALTER id DROP IDENTITY",
    "CREATE SEQUENCE t_id_seq AS integer OWNED BY t.id",
    "ALTER TABLE t ALTER id SET DEFAULT nextval('t_id_seq')",
]


@pytest.mark.parametrize(
    ("back", "codes"),
    [
        (TO_SERIAL, {"sequence-rewound"}),
        ([*TO_SERIAL, "SELECT setval('t_id_seq', greatest(max(id), 1)) FROM t"], set()),
    ],
    ids=["begins at 1", "continues"],
)
def test_after_the_way_back_the_next_insert_meets_no_row(
    back: list[str], codes: set[str], tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    proof = prove_last(tmp_path, postgres_server, workspace, TO_IDENTITY, back, SERIAL)
    assert proof.codes == codes, proof.findings


def test_a_table_that_is_made_anew_and_filled_by_hand_numbers_from_1(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    """No word of a sequence is in the script: SQLAlchemy makes the key serial."""
    numbered = "op.create_table('t', sa.Column('id', sa.Integer, primary_key=True), sa.Column('a', sa.Text))"
    proof = prove_last(
        tmp_path,
        postgres_server,
        workspace,
        ["CREATE TABLE n (k integer PRIMARY KEY, a text)", "INSERT INTO n SELECT id, a FROM t", "DROP TABLE t"],
        [numbered, "INSERT INTO t SELECT k, a FROM n", "DROP TABLE n"],
        [numbered],
    )
    assert proof.codes == {"sequence-rewound"}, proof.findings


def test_the_downgrade_is_judged_by_its_locks_too(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (id integer PRIMARY KEY, a integer)"], ["DROP TABLE t"])
    project.add(
        "two",
        ["SET LOCAL lock_timeout = '3s'; COMMENT ON TABLE t IS 'x'"],
        ["COMMENT ON TABLE t IS NULL", "ALTER TABLE t ALTER a TYPE bigint", "ALTER TABLE t ALTER a TYPE integer"],
    )
    settings = Migrations.model_validate({"rows": {"public.t": 40_000_000}}, strict=False)
    with walking(project, postgres_server, workspace, migrations=settings) as walk:
        proof = walk.prove("two")
    assert proof.codes == {"migration-blocks-production"}
    assert (proof.without_timeout, proof.down_without_timeout) == ([], ["public.t"])
    assert [(each.direction, each.work) for each in proof.every_lock if each.work] == [("downgrade", "rewrite")]

"""Scenario B: a database migration failed. Read the state before touching anything, and do no more than needed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from rollback_drills import postgres
from rollback_drills.clients.delivery import Delivered
from rollback_drills.drill.checkers import check_rows, check_schema, check_sequences
from rollback_drills.drill.clients import account_for_clients
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.migrations import FAILURE_MODES, REVISION, FailingMigration, failing_migration, plant, require_read
from rollback_drills.migrations.failing import SLEEP_MARK
from rollback_drills.postgres import SchemaFingerprint

from .procedures import check_release_serves, check_still_stored, deploy, fullest_table, take_deliveries

SHOWN_BLIND = ("in-a-transaction", "outside-a-transaction")  # the others leave what the first one leaves
LEAVE_ROWS = (
    "Change rows in the same transaction as the schema, so that a failed migration leaves them as they were, and undo "
    "only what it left behind."
)
GIVE_UP_SECONDS = 15.0  # a migration that waits longer than this for a lock has no lock_timeout worth the name


@pytest.mark.drill("Scenario B: a migration fails", runbook="scenario-b", objective="database_rollback")
@pytest.mark.parametrize("way", FAILURE_MODES)
def test_scenario_b_failed_migration(way: str, stack: Stack, drill: Drill, lab: Lab) -> None:
    """The state is read first; what is left behind is removed, and nothing else; the good release serves again.

    Answering every failed migration with `downgrade -1` destroys a good revision wherever a transaction has rolled the
    failed one back. Two of these drills show on a copy what that costs.
    """
    target = stack.target
    good, schema = stack.database.revision(), stack.database.schema()
    table = fullest_table(stack)
    migration = failing_migration(way, table=table, down_revision=good)
    drill.fact("revision", good)
    drill.fact("way", way)
    with drill.step("Take deliveries under the good release"):
        writes = take_deliveries(stack, drill, lab, target.current)
        rows, sequences = stack.database.rows(), stack.database.sequences()

    broken = plant(stack.commands, target, f"{target.current}-fails-{way}", migration)
    with drill.step(f"Deploy a release whose migration fails: {migration.why}"):
        log = fail_to_migrate(way, stack, drill, broken, table)
    with drill.recovery():
        with drill.step("Check the logs for the root cause", checklist="root-cause"):
            drill.observe("end of the log", log[-1500:])
            drill.check("there is something to read", bool(log.strip()))
        if way == "killed-half-way":
            end_what_goes_on(stack, drill)
        clean_up(stack, drill, migration, good, schema)
        with drill.step("Deploy the good release again", checklist="restart-services"):
            deploy(stack, drill, target.current)
        check_release_serves(stack, drill, target.current)
    with drill.step("Compare the data with what was there before"):
        check_rows(drill, rows, stack.database, remedy=LEAVE_ROWS)
        check_sequences(drill, sequences, stack.database.sequences())
        check_still_stored(stack, drill, writes)
    if way in SHOWN_BLIND:
        account_for_clients(stack, drill)  # what follows is a demonstration that no client takes part in
        with drill.step("On a copy: what a blind `downgrade -1` would have destroyed"):
            demonstrate_blind_downgrade(stack, drill, good)


def fail_to_migrate(way: str, stack: Stack, drill: Drill, broken: str, table: str) -> str:
    """Let the migration fail, and check that the failure is noticed. Returns the log."""
    if way == "on-a-lock":
        return migrate_behind_a_lock(stack, drill, broken, table)
    if way == "killed-half-way":
        result = stack.alembic.run(broken, "upgrade", "head", kill_when=lambda: bool(sleeping(stack)))
        require_migration_read(stack, broken, failed=not result.ok)
        drill.check("the migration was killed half-way", result.exit_code, expected=-9)
        return result.output or "killed: it could not say anything any more"
    if not stack.target.gateway.can_migrate:
        result = stack.alembic.upgrade(broken)
        require_migration_read(stack, broken, failed=not result.ok)
        drill.check("the failure is reported", result.ok, expected=False, finding="false-green")
        return result.output
    outcome = stack.gateway.deploy(broken, migrate=True)
    require_migration_read(stack, broken, failed=not outcome.started)
    drill.check(
        "the gateway refuses to start",
        outcome.started,
        expected=False,
        finding="bad-migration-served",
        detail=f"its start-up migration fails ({way}), and it answers requests",
    )
    drill.observe("exit code", outcome.exit_code)
    return outcome.log


def migrate_behind_a_lock(stack: Stack, drill: Drill, broken: str, table: str) -> str:
    """A client has left a transaction open. The migration must give up before the queue behind it stops the others."""
    name = stack.target.integrations_of(stack.target.previous)[0]
    attempts: list[Future[Delivered]] = []
    with ThreadPoolExecutor(1) as client, open_transaction(stack, table):

        def deliver_while_it_waits() -> bool:
            with stack.database.connect() as connection:
                waiting = postgres.blocked(connection, stack.database.name)
            if waiting and not attempts:
                attempts.append(client.submit(stack.another_client().deliver, name))
            return False

        result = stack.alembic.run(broken, "upgrade", "head", timeout=GIVE_UP_SECONDS, kill_when=deliver_while_it_waits)
        require_migration_read(stack, broken, failed=not result.ok)
        drill.check(
            f"the migration gives up within {GIVE_UP_SECONDS:g} s",
            result.exit_code is not None,
            finding="migration-blocks-clients",
            detail=f"it still waited for the lock on {table} after {GIVE_UP_SECONDS:g} s, with all clients behind it",
            timed=True,
        )
    drill.check("it fails", result.ok, expected=False, finding="false-green")
    for attempt in attempts:
        delivered = attempt.result()
        drill.observe("a delivery that queued behind it was answered after", round(delivered.answer.seconds, 2), "s")
        drill.check(
            "it was acknowledged in the end",
            delivered.acknowledged,
            finding="migration-blocks-clients",
            detail=f"a delivery behind the waiting migration was answered {delivered.answer.brief()}",
            timed=delivered.answer.silent,
        )
    return result.output


def require_migration_read(stack: Stack, broken: str, *, failed: bool) -> None:
    """Where the migration did not fail, make sure that alembic saw it: otherwise the target file is wrong."""
    if not failed:
        require_read(stack.alembic, stack.target, broken, REVISION)


@contextmanager
def open_transaction(stack: Stack, table: str) -> Iterator[None]:
    """A reader that forgot to commit."""
    with stack.database.connect() as connection, connection.transaction():
        connection.execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE".encode())
        yield


def sleeping(stack: Stack) -> tuple[postgres.BackendSession, ...]:
    """The sessions in which the killed migration still runs."""
    with stack.database.connect() as connection:
        found = postgres.sessions(connection, stack.database.name)
    return tuple(session for session in found if SLEEP_MARK in session.query)


def end_what_goes_on(stack: Stack, drill: Drill) -> None:
    """The process is gone, but its statement goes on in the server, and holds its locks until its session is ended."""
    with drill.step("End what still runs in the server"):
        left = sleeping(stack)
        drill.observe("sessions of the killed migration that still run", len(left))
        with stack.database.connect() as connection:
            for session in left:
                postgres.terminate(connection, session.pid)
        drill.check("sessions that hold on", len(sleeping(stack)), expected=0, finding="killed-migration-holds-on")


def clean_up(stack: Stack, drill: Drill, migration: FailingMigration, good: str, schema: SchemaFingerprint) -> None:
    """Read revision and schema; undo what is left over and nothing else."""
    with drill.step("Read the revision before touching anything", checklist="rollback-database"):
        found = stack.alembic.current(stack.target.current)
        drill.check("the revision is still the good one", found, expected=good, finding="failed-migration-left-traces")
        with drill.aside():
            observed = stack.database.schema()
        if not migration.cleanup:
            nothing = "the failed migration left no trace: there is nothing to undo"
            check_schema(drill, schema, observed, title=nothing, finding="failed-migration-left-traces")
            return
        drill.observe("left behind, because it was committed before the failure", schema.diff(observed).to_json())
        with stack.database.connect() as connection:
            drill.observe("invalid indexes", list(postgres.invalid_indexes(connection)))
    with drill.step("Remove by hand what no downgrade removes"):
        stack.database.execute_each(migration.cleanup)
        with drill.aside():
            after = stack.database.schema()
        check_schema(drill, schema, after, title="the schema is as before", finding="cleanup-incomplete")


def demonstrate_blind_downgrade(stack: Stack, drill: Drill, good: str) -> None:
    """Show it on a copy; nothing is judged."""
    stack.gateway.stop()
    copy = stack.database.clone()
    result = stack.alembic.downgrade(stack.target.current, "-1", database_url=copy.url)
    before, after = stack.database.schema(), copy.schema()
    rows_before, rows_after = stack.database.data().tables, copy.data().tables
    destroyed = {name: table.rows for name, table in rows_before.items() if name not in rows_after}
    drill.observe("exit code", result.exit_code)
    drill.observe("revision", f"{good} → {copy.revision()}")
    drill.observe("schema", before.diff(after).to_json())
    drill.observe("tables destroyed, with their rows", destroyed)
    copy.drop()

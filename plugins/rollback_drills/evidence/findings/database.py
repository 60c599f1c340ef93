"""What a rollback does to the database: revision, schema, rows."""

from __future__ import annotations

from rollback_drills.evidence.findings.entry import FindingKind

DATABASE = (
    FindingKind(
        "revision-wrong",
        "critical",
        "The database is not at the revision that the rollback should reach",
        why="The next command of the runbook works on a different schema from the one that the operator expects.",
        remedy=(
            "Read `alembic current` before and after, and downgrade to a named revision, never by a relative step "
            "alone."
        ),
    ),
    FindingKind(
        "downgrade-failed",
        "critical",
        "The downgrade fails",
        why="Only a restore leads back to the previous release.",
        remedy="Correct downgrade() and test it with rows in the tables.",
    ),
    FindingKind(
        "schema-residue",
        "critical",
        "The downgrade does not restore the schema",
        why="What is left over makes the next upgrade fail; what is missing makes the previous release fail.",
        remedy=(
            "Make downgrade() the exact inverse: types, defaults, constraints, indexes, comments, owners, grants, "
            "settings of roles and large objects. The report lists every difference."
        ),
    ),
    FindingKind(
        "rows-lost",
        "critical",
        "Rows that should survive the rollback are gone or changed",
        why="The procedure that should protect customers' data destroys them.",
        remedy=(
            "Keep the rows in downgrade() (move them to a side table if the older schema cannot hold them), or "
            "declare the loss and restore a backup instead. If requests or jobs change these rows by design "
            "(last_seen, counters, queues), name the columns or tables under database.volatile; the doctor "
            "proposes those that deliveries change."
        ),
    ),
    FindingKind(
        "startup-migration-undoes-rollback",
        "critical",
        "Starting the gateway reapplies the migration that was rolled back",
        why="The runbook's `restart` returns the database to the bad revision, usually unnoticed.",
        remedy="Turn start-up migrations off during a rollback, or deploy the previous release before restarting.",
    ),
    FindingKind(
        "bad-migration-served",
        "critical",
        "The gateway serves although its start-up migration failed",
        why="Code runs on a schema that it was not written for, and the deployment counts as successful.",
        remedy="Make the start fail with a non-zero exit code when `alembic upgrade` fails.",
    ),
    FindingKind(
        "failed-migration-left-traces",
        "critical",
        "A failed migration left the schema changed",
        why="The next attempt fails on what is already there, and no revision describes the schema any more.",
        remedy=(
            "Run each migration in one transaction; put what cannot be (CONCURRENTLY) into a revision of its own, "
            "and its clean-up into the runbook."
        ),
    ),
    FindingKind(
        "cleanup-incomplete",
        "critical",
        "The clean-up after a failed migration does not restore the schema",
        why="An invalid index slows every write and serves no query; a leftover column breaks the next attempt.",
        remedy="Drop by hand what the report lists, then compare the schema with one that was only ever upgraded.",
    ),
    FindingKind(
        "migration-blocks-clients",
        "critical",
        "A migration that waits for a lock blocks the clients behind it",
        why="One forgotten transaction and one ALTER TABLE stop every request to the table.",
        remedy="SET lock_timeout to a few seconds in the migration environment, and retry later.",
    ),
    FindingKind(
        "killed-migration-holds-on",
        "major",
        "A killed migration keeps running in the server or keeps its locks",
        why="The operator believes that it is over; everything that touches its tables still waits.",
        remedy="Find the session in pg_stat_activity and end it with pg_terminate_backend before going on.",
    ),
)

"""What the migration scripts get wrong, revision by revision."""

from __future__ import annotations

from rollback_drills.evidence.findings.entry import FindingKind

MIGRATIONS = (
    FindingKind(
        "history-broken",
        "critical",
        "The migration scripts cannot be read",
        why="Neither an upgrade nor a downgrade starts: alembic reads every script before it runs one.",
        remedy=(
            "Fix what the report names: a script that cannot be imported, a missing down_revision, a revision id "
            "used twice, or a cycle."
        ),
    ),
    FindingKind(
        "history-branches",
        "critical",
        "The history has more than one head",
        why="The upgrade to the head is refused, and a downgrade by one step may take the wrong branch.",
        remedy="Add a merge revision (`alembic merge heads`) before the release.",
    ),
    FindingKind(
        "revision-unproven",
        "critical",
        "A revision could not be reached",
        why="Nobody knows whether it can be rolled back.",
        remedy="Fix the failing revision before it.",
    ),
    FindingKind(
        "upgrade-failed",
        "critical",
        "The upgrade fails on empty tables",
        why="No new environment can be set up, and no backup can be migrated.",
        remedy="Correct upgrade(); the report quotes the error and the line.",
    ),
    FindingKind(
        "revision-id-too-long",
        "critical",
        "A revision's id does not fit into alembic's version table",
        why="The column holds 32 characters: the upgrade does all its work, then fails at its last statement.",
        remedy=(
            "Shorten the id, in the script and in every down_revision that names it, or widen the column in an "
            "earlier revision."
        ),
    ),
    FindingKind(
        "upgrade-fails-on-rows",
        "major",
        "The upgrade rejects rows that were legal before",
        why="It passes on an empty test database, then stops in production half-way through a deployment.",
        remedy=(
            "Clean or convert such rows in the revision, or declare the precondition with its reason (`# "
            "rollback-drills: precondition: …`) and check production for it beforehand."
        ),
    ),
    FindingKind(
        "upgrade-not-repeatable",
        "critical",
        "After a rollback, the upgrade fails or ends in a different schema",
        why="The release that was rolled back cannot be deployed again.",
        remedy="Make upgrade() start from exactly what downgrade() leaves.",
    ),
    FindingKind(
        "downgrade-empty",
        "critical",
        "The downgrade does nothing, and the schema stays changed",
        why="It exits 0 and stamps the older revision: everyone believes that the schema was rolled back.",
        remedy="Write the inverse, or raise an error and declare the revision irreversible with its reason.",
    ),
    FindingKind(
        "downgrade-fails-on-rows",
        "critical",
        "The downgrade fails on rows that the schema allows",
        why="It passes on empty tables and fails on the night of the rollback.",
        remedy="Convert such rows in downgrade(), or raise at its beginning with a message that says what to do.",
    ),
    FindingKind(
        "loss-undeclared",
        "major",
        "The downgrade destroys data written since the upgrade, undeclared",
        why="Operators must know what a rollback costs before they enter the command.",
        remedy=(
            "Keep the data in downgrade(), or declare the loss with its reason (`# rollback-drills: lossy: …` in "
            "the script, or [migrations.lossy] in the target file)."
        ),
    ),
    FindingKind(
        "declaration-untrue",
        "major",
        "A declaration is no longer true",
        why="Nobody even tries a rollback that is believed to be impossible or lossy.",
        remedy="Remove the declaration.",
    ),
    FindingKind(
        "declaration-invalid",
        "minor",
        "A declaration cannot be understood",
        why="It allows nothing of what it was meant to allow, and its reason is lost.",
        remedy="Write `# rollback-drills: KIND: reason`; the kinds are irreversible, lossy and precondition.",
    ),
    FindingKind(
        "seed-refused",
        "major",
        "A table rejects every generated row",
        why="Nothing is proven about its data.",
        remedy="Find out what rejects the rows: usually a trigger, or a CHECK that no generated value satisfies.",
    ),
    FindingKind(
        "interruption-not-restored",
        "major",
        "A migration that fails half-way leaves a state that nothing restores",
        why="It is not one transaction; neither repeating it nor cleaning up leads back to a revision.",
        remedy=(
            "Put each statement that cannot run in a transaction into a revision of its own, and make it repeatable."
        ),
    ),
    FindingKind(
        "interruption-taken-for-done",
        "major",
        "Repeated after a failure, a migration takes half-done work for done",
        why=(
            "It reports success, but the schema is not the one that it should make: it may hold an INVALID index, "
            "which no query uses."
        ),
        remedy="Drop before you create (DROP INDEX CONCURRENTLY IF EXISTS, then CREATE without IF NOT EXISTS).",
    ),
    FindingKind(
        "migration-blocks-production",
        "major",
        "A migration stops reads or writes of a large table",
        why="Every client of the table waits while its rows are rewritten or read.",
        remedy=(
            "Build indexes CONCURRENTLY, add constraints NOT VALID and validate them afterwards, and fill new "
            "columns in batches."
        ),
    ),
    FindingKind(
        "lock-timeout-missing",
        "major",
        "Migrations wait for locks without a limit",
        why="One forgotten transaction makes the migration wait, and every client behind it.",
        remedy="SET lock_timeout to a few seconds in env.py, and retry later.",
    ),
    FindingKind(
        "old-release-breaks",
        "major",
        "The previous release does not serve on an intermediate schema",
        why="From this revision on, the application cannot be rolled back without the database.",
        remedy="Expand first and contract in a later release: old code must run on the new schema.",
    ),
    FindingKind(
        "downgrade-order-unknown",
        "critical",
        "The older release does not know the database's revision",
        why="If it is deployed first, it can neither start on this schema nor downgrade it.",
        remedy=(
            "Run the downgrade with the newer release's scripts before you deploy the older release; the report "
            "prints the command."
        ),
    ),
)

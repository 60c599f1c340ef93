"""The catalogue of what a drill can find: why it matters on the night of the rollback, and what to do.

docs/reference/findings.md is generated from this module (``make docs``), so the report can link to each code.
"""

from __future__ import annotations

from collections.abc import Iterable

from rollback_drills.core.errors import DrillError
from rollback_drills.evidence.findings.entry import FindingKind
from rollback_drills.evidence.findings.runbook import TO_THE_LETTER

_ENTRIES = (
    # --- any drill -----------------------------------------------------------------------------------
    FindingKind(
        "false-green", "critical", "A command reported success while the state is wrong",
        "Whoever follows the runbook sees exit code 0 and goes on to the next step, or to bed.",
        "Judge the step by state: read the revision, the schema, the running environment or the answer over "
        "HTTP after the command, and stop when it is not the expected one.",
    ),
    FindingKind(
        "objective-missed", "major", "Recovery took longer than the objective allows",
        "The time promised to users and written into the runbook cannot be kept.",
        "Shorten the step that took longest (the report names it), or agree on an objective that can be kept.",
    ),
    FindingKind(
        "steady-state-not-held", "critical", "The steady state does not hold after the recovery",
        "The verification caught a good moment: clients are still, or again, without good answers.",
        "Look at what clients got instead (the detail quotes it), and at the log from the moment of the recovery on.",
    ),
    FindingKind(
        "downtime-objective-missed", "major", "Clients were without good answers for longer than the objective allows",
        "What users notice is the downtime, however fast each command of the runbook is.",
        "Shorten the step that took most of it (the detail names it): prepare it before the gateway is stopped, or "
        "start the previous release beside the running one.",
    ),
    FindingKind(
        "rpo-objective-missed", "critical", "More data are lost than the objective allows",
        "Writes that are older than was agreed on are gone, though senders were told that they are safe.",
        "Take backups more often, archive the write-ahead log for point-in-time recovery, or roll back without a "
        "restore.",
    ),
    FindingKind(
        "repeat-unsafe", "critical", "Performed again after an interruption, the procedure does not lead to its end",
        "Whoever takes over from a colleague whose laptop has died begins at the top of the runbook, and makes it "
        "worse.",
        "Make each step do nothing where it was done already: an explicit revision instead of `-1`, a new database for "
        "every restore, no lock files that outlive their owner. The detail names the point of the interruption.",
    ),
    FindingKind(
        "steady-state-missing", "critical", "The system was not healthy before the drill began",
        "A rollback cannot be judged from a state that was already broken.",
        "Start the current release by hand as the target file says and mend what its log reports.",
    ),
    *TO_THE_LETTER,
    # --- releases ------------------------------------------------------------------------------------
    FindingKind(
        "release-not-serving", "critical", "The release that was rolled back to does not serve",
        "The rollback ends in an outage of its own.",
        "Read the quoted log. Typical causes: the database is at a revision that this release does not know, "
        "or a variable that only the newer release's environment sets.",
    ),
    FindingKind(
        "deliveries-rate-limited", "major", "Deliveries run into the gateway's rate limit",
        "What is judged is then the limit and not the rollback: deliveries are refused that the release would take.",
        "Say the limit under [delivery] as `rate_limit`, or lift it in the drilled stack by a variable under "
        "[gateway.env].",
    ),
    FindingKind(
        "repetition-answer-differs", "major", "A delivery that is repeated is not answered as agreed",
        "Senders repeat whatever they got no answer to, most of all after an outage. An error makes them repeat it "
        "again and again; as a new delivery, it sets off everything twice.",
        "Recognise a delivery by its id in every release, and answer what `delivery.repeated` states.",
    ),
    FindingKind(
        "version-wrong", "critical", "The gateway reports another version than the one rolled back to",
        "A VERSION that no image or compose file uses changes nothing while /health says 200.",
        "Make the deployment depend on the version that is exported, and read /version after every rollback.",
    ),
    FindingKind(
        "wrong-code", "critical", "The right version is reported by the wrong code",
        "An image that was rebuilt or tagged from the wrong checkout carries a version number and nothing else "
        "of the release.",
        "Deploy by digest, never rebuild a released tag, and verify a behaviour that only this release has.",
    ),
    FindingKind(
        "health-lies", "critical", "/health says healthy while the gateway cannot do its work",
        "Load balancers, orchestrators and the runbook's own verification all believe this answer.",
        "Let /health ask the database a bounded question and compare its revision with the one this release "
        "expects; answer 503 otherwise.",
    ),
    FindingKind(
        "write-probe-failed", "critical", "The write probe is not answered as it should be",
        "/health may be positive while no request that needs the tables succeeds; and a probe that is positive without "
        "any table proves nothing.",
        "Read the log: as a rule the schema is not the one that the release was built for. Where the answer is right, "
        "correct [write_probe] in the target file.",
    ),
    FindingKind(
        "health-hangs", "major", "/health does not answer while the database is frozen",
        "A probe that hangs is indistinguishable from a dead network; orchestrators react late or not at all.",
        "Bound every wait on the database (connect, statement and pool timeouts, and a limit around the whole "
        "check) and answer 503.",
    ),
    FindingKind(
        "stop-not-normal", "major", "The gateway does not stop in order",
        "What it was doing when it was told to stop is broken off: requests under way are lost, and an orchestrator "
        "counts the stop as a crash.",
        "Let it end its requests at SIGTERM and exit with 0 (in a container its process has to get the signal: exec "
        "form, or an init), or name the code under gateway.normal_exit_codes, if that is how it ends.",
    ),
    # --- database ------------------------------------------------------------------------------------
    FindingKind(
        "revision-wrong", "critical", "The database is not at the revision that the rollback should reach",
        "The next command of the runbook works on another schema than the operator believes.",
        "Read `alembic current` before and after, and downgrade to an explicit revision, never by a relative "
        "step alone.",
    ),
    FindingKind(
        "downgrade-failed", "critical", "The downgrade fails",
        "There is no way back to the previous release without restoring a backup.",
        "Correct downgrade() and test it with rows in the tables.",
    ),
    FindingKind(
        "schema-residue", "critical", "The downgrade does not restore the schema",
        "What is left over makes the next upgrade fail; what is missing makes the previous release fail.",
        "Make downgrade() the exact inverse: types, defaults, constraints, indexes, comments, owners and grants. "
        "The report lists every difference.",
    ),
    FindingKind(
        "rows-lost", "critical", "Rows that should survive the rollback are gone or altered",
        "Customers' data are destroyed by the procedure that should protect them.",
        "Keep the rows in downgrade() (move them to a side table if the older schema cannot hold them), or "
        "declare the loss and restore from a backup instead.",
    ),
    FindingKind(
        "startup-migration-undoes-rollback", "critical", "Starting the gateway applies again what was rolled back",
        "The database is back at the bad revision as soon as the runbook says `restart`, usually unnoticed.",
        "Turn start-up migrations off during a rollback, or deploy the previous release before restarting.",
    ),
    # --- failed migrations ---------------------------------------------------------------------------
    FindingKind(
        "bad-migration-served", "critical", "The gateway serves although its start-up migration failed",
        "Code runs on a schema that it was not written for, and the deployment counts as successful.",
        "Let the start fail with a non-zero exit code when `alembic upgrade` fails.",
    ),
    FindingKind(
        "failed-migration-left-traces", "critical", "A failed migration left the schema changed",
        "The next attempt fails on what is already there, and no revision describes the schema any more.",
        "Run each migration in one transaction; what cannot be (CONCURRENTLY) belongs in a revision of its own, "
        "whose clean-up is written in the runbook.",
    ),
    FindingKind(
        "cleanup-incomplete", "critical", "The clean-up after a failed migration does not restore the schema",
        "Invalid indexes cost every write and are used by no query; a leftover column breaks the next attempt.",
        "Drop what the report lists by hand, then compare the schema with one that was only ever upgraded.",
    ),
    FindingKind(
        "migration-blocks-clients", "critical", "A migration that waits for a lock blocks the clients behind it",
        "One forgotten transaction and one ALTER TABLE stop every request of the table.",
        "SET lock_timeout in the migration environment (a few seconds) and try again later.",
    ),
    FindingKind(
        "killed-migration-holds-on", "major", "A killed migration goes on in the server or keeps its locks",
        "The operator believes that it is over; everything that touches its tables still waits.",
        "Find the session in pg_stat_activity and end it with pg_terminate_backend before going on.",
    ),
    # --- reversibility of every revision -------------------------------------------------------------
    FindingKind(
        "history-broken", "critical", "The migration scripts cannot be read",
        "Neither an upgrade nor a downgrade will start: alembic reads all scripts before it runs one.",
        "Mend what the report names: a script that cannot be imported, a down_revision that does not exist, a "
        "revision that two scripts carry, a circle.",
    ),
    FindingKind(
        "history-branches", "critical", "The history has more than one head",
        "An upgrade to the head is refused, and a downgrade by one step may take the wrong branch.",
        "Add a merge revision (`alembic merge heads`) before the release.",
    ),
    FindingKind(
        "revision-unproven", "critical", "A revision could not be reached",
        "Whether it can be rolled back is not known.",
        "Mend the revision before it that fails.",
    ),
    FindingKind(
        "upgrade-failed", "critical", "The upgrade fails on empty tables",
        "A new environment cannot be set up, and no backup can be migrated.",
        "Correct upgrade(); the report quotes the error and the line.",
    ),
    FindingKind(
        "revision-id-too-long", "critical", "A revision's id does not fit into alembic's version table",
        "The table takes 32 characters: the upgrade does all its work, and fails at its last statement.",
        "Shorten the id, in the script and in every down_revision that names it, or widen the column in a revision "
        "before it.",
    ),
    FindingKind(
        "upgrade-fails-on-rows", "major", "The upgrade refuses rows that were legal before",
        "It passes on an empty test database and stops in production, half-way through a deployment.",
        "Clean or convert such rows in the revision, or declare the precondition with its reason "
        "(`# rollback-drills: precondition: …`) and check production for it beforehand.",
    ),
    FindingKind(
        "upgrade-not-repeatable", "critical", "After a rollback the upgrade fails or ends in another schema",
        "The release that was rolled back cannot be deployed again.",
        "Make upgrade() start from exactly what downgrade() leaves.",
    ),
    FindingKind(
        "downgrade-empty", "critical", "The downgrade does nothing, and the schema stays changed",
        "It exits 0 and stamps the older revision: everybody believes that the schema was rolled back.",
        "Write the inverse, or raise an error and declare the revision irreversible with its reason.",
    ),
    FindingKind(
        "downgrade-fails-on-rows", "critical", "The downgrade fails on rows that the schema allows",
        "It passes on empty tables and fails on the night of the rollback.",
        "Convert such rows in downgrade(), or raise at its beginning with a message that says what to do.",
    ),
    FindingKind(
        "loss-undeclared", "major", "The downgrade destroys what was written since the upgrade, undeclared",
        "Whoever rolls back should know what it costs before the command is entered.",
        "Keep the data in downgrade(), or declare the loss with its reason (`# rollback-drills: lossy: …` in the "
        "script, or [migrations.lossy] in the target file).",
    ),
    FindingKind(
        "declaration-untrue", "major", "A declaration is no longer true",
        "A rollback that is believed to be impossible or lossy is not even tried.",
        "Remove the declaration.",
    ),
    FindingKind(
        "declaration-invalid", "minor", "A declaration cannot be understood",
        "What it meant to allow is not allowed, and why is written nowhere.",
        "Write `# rollback-drills: KIND: reason`; the kinds are irreversible, lossy and precondition.",
    ),
    FindingKind(
        "seed-refused", "major", "A table takes none of the generated rows",
        "Nothing is proven about the data in it.",
        "See what refuses them: usually a trigger, or a CHECK that no generated value satisfies.",
    ),
    FindingKind(
        "interruption-not-restored", "major", "A migration that fails half-way leaves what nothing restores",
        "It is not one transaction; neither repeating it nor a clean-up of what is left leads back to a revision.",
        "Put each statement that cannot be in a transaction into a revision of its own, and make it repeatable.",
    ),
    FindingKind(
        "interruption-taken-for-done", "major", "Repeated after a failure, a migration takes half done for done",
        "It reports success; the schema is not the one that it makes, such as an INVALID index that no query uses.",
        "Drop before you create (DROP INDEX CONCURRENTLY IF EXISTS, then CREATE without IF NOT EXISTS).",
    ),
    FindingKind(
        "migration-blocks-production", "major", "A migration stops reads or writes of a large table",
        "Every client of the table waits for as long as its rows are rewritten or read.",
        "Build indexes CONCURRENTLY, add constraints NOT VALID and validate them afterwards, fill new columns in "
        "batches.",
    ),
    FindingKind(
        "lock-timeout-missing", "major", "Migrations wait for locks without a limit",
        "One forgotten transaction makes the migration wait, and every client behind it.",
        "SET lock_timeout in env.py (a few seconds), and try again later.",
    ),
    FindingKind(
        "old-release-breaks", "major", "The previous release does not serve on an intermediate schema",
        "From this revision on the application cannot be rolled back without the database.",
        "Expand first and contract in a later release: old code must run on the new schema.",
    ),
    FindingKind(
        "downgrade-order-unknown", "critical", "The older release does not know the database's revision",
        "Deployed first, it can neither start on this schema nor downgrade it.",
        "Run the downgrade with the newer release's scripts before the older release is deployed; the report prints "
        "the command.",
    ),
    # --- feature flags -------------------------------------------------------------------------------
    FindingKind(
        "flag-ignored", "critical", "An integration that was turned off still answers",
        "The one rollback that needs no deployment does not work.",
        "Parse the flag strictly (`bool(\"false\")` is true), pass it on to the container, and re-create the "
        "gateway: a restart keeps the old environment.",
    ),
    FindingKind(
        "disabled-answer-differs", "major", "A disabled integration does not give the agreed answer",
        "A database error answers 503 as well: only the agreed body tells senders and operators that it is "
        "deliberate.",
        "Answer what the target file states as `disabled`, under [flags] or of the integration.",
    ),
    FindingKind(
        "neighbour-affected", "critical", "Turning one integration off changes another",
        "The rollback of one integration becomes an incident of the next.",
        "Compare whole names, not prefixes (github and github_actions), and read each flag by its own variable.",
    ),
    FindingKind(
        "flag-not-restored", "major", "An integration does not come back when its flag is turned on again",
        "The flag works once; after the incident the integration stays dead.",
        "Read the flag at every start and keep no state of it elsewhere.",
    ),
    FindingKind(
        "integration-without-flag", "major", "An integration has no feature flag",
        "When it misbehaves, only a whole release can be rolled back.",
        "Put every integration behind a flag before it is released.",
    ),
    FindingKind(
        "integration-ungated", "info", "No flag is known to turn an integration off",
        "When it misbehaves, only a whole release can be rolled back. The target file declares that, with its reason.",
        "Put it behind a flag and remove `ungated` from the target file, or rehearse what takes the flag's place.",
    ),
    FindingKind(
        "flag-default-differs", "major", "A flag that is not set is not what the target file says",
        "A rollback keeps the environment, and a new environment has none of the flags: an integration is on or off "
        "that nobody has turned on or off.",
        "Make the release's default what `defaults` says of it, or set every flag explicitly wherever it is deployed.",
    ),
    FindingKind(
        "errors-not-visible", "major", "Failing deliveries do not show in the error rate",
        "Nobody is paged, and nobody sees whether the rollback helped.",
        "Count every 5xx answer in /metrics, and deliberate 503s under a label of their own.",
    ),
    FindingKind(
        "errors-go-on", "critical", "The error rate does not fall after the rollback",
        "The rollback did not remove the cause.",
        "Look at which integration the remaining errors come from before repeating anything.",
    ),
    # --- backup and restore --------------------------------------------------------------------------
    FindingKind(
        "backup-unusable", "critical", "The backup is incomplete",
        "A dump cut short restores with exit code 0; that it is half a database is noticed afterwards.",
        "Use pipefail, check the dump's trailer line and size, store SHA-256 and row counts with it, and restore "
        "it somewhere regularly.",
    ),
    FindingKind(
        "bad-backup-accepted", "critical", "A backup that is truncated, empty or foreign is restored nonetheless",
        "The only copy of the data is replaced by less than it.",
        "Verify checksum, trailer and origin before touching the database, and restore into a new database.",
    ),
    FindingKind(
        "restore-differs", "critical", "The restored database is not the one that was backed up",
        "Rows, constraints, indexes or owners are missing although every command succeeded.",
        "Restore into a new database with ON_ERROR_STOP and --single-transaction, compare it with the manifest, "
        "and only then rename it.",
    ),
    FindingKind(
        "sequence-rewound", "critical", "A sequence is behind the rows of its table",
        "The next inserts fail with duplicate keys, one per row, until the sequence has caught up.",
        "Restore into an empty database, or setval() every sequence to its column's maximum.",
    ),
    FindingKind(
        "writes-lost", "critical", "Acknowledged writes are lost",
        "Senders were told that their delivery is safe and will not send it again.",
        "Commit before answering; after a restore, ask senders to repeat what the report lists.",
    ),
    FindingKind(
        "writes-duplicated", "major", "Deliveries are stored more than once",
        "What a delivery sets off happens twice: two messages, two deployments.",
        "Store each delivery's id under a unique constraint, and let a repetition change nothing.",
    ),
    FindingKind(
        "writes-unexpected", "major", "Deliveries are stored although they were refused",
        "Their senders were told that nothing has happened and send them again, or believe that the flag stops them.",
        "Decide before anything is stored, and store in the transaction whose end is answered.",
    ),
)  # fmt: skip

CATALOGUE: dict[str, FindingKind] = {entry.code: entry for entry in _ENTRIES}


def register(kinds: Iterable[FindingKind]) -> None:
    """Add kinds of findings to the catalogue. Adding the same kind again changes nothing.

    Raises:
        DrillError: a code stands for another finding.
    """
    for kind in kinds:
        if CATALOGUE.setdefault(kind.code, kind) != kind:
            raise DrillError(f"two findings have the code {kind.code!r}", fix="give the new one a code of its own")


def entry(code: str) -> FindingKind:
    """The catalogue's entry for ``code``.

    Raises:
        DrillError: there is no such code.
    """
    try:
        return CATALOGUE[code]
    except KeyError:
        raise DrillError(f"no finding has the code {code!r}", fix=f"use one of: {', '.join(CATALOGUE)}") from None

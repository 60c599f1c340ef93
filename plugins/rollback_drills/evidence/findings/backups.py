"""What backups and restores get wrong, and what becomes of acknowledged writes."""

from __future__ import annotations

from rollback_drills.evidence.findings.entry import FindingKind

BACKUPS = (
    FindingKind(
        "backup-unusable",
        "critical",
        "The backup cannot be used: it is incomplete, stale, or cannot be restored",
        why="On the night of the restore there is no other one; a truncated dump even restores with exit code 0.",
        remedy=(
            "Use pipefail, check the dump's trailer line and size, store SHA-256 and row counts with it, and "
            "regularly restore it somewhere."
        ),
    ),
    FindingKind(
        "bad-backup-accepted",
        "critical",
        "A truncated, empty or foreign backup is restored without complaint",
        why="It replaces the only copy of the data with less.",
        remedy="Verify checksum, trailer and origin before you touch the database, and restore into a new database.",
    ),
    FindingKind(
        "restore-differs",
        "critical",
        "The restored database differs from the one that was backed up",
        why="Rows, constraints, indexes or owners are missing, although every command succeeded.",
        remedy=(
            "Restore into a new database with ON_ERROR_STOP and --single-transaction, compare it with the "
            "manifest, and only then rename it."
        ),
    ),
    FindingKind(
        "sequence-rewound",
        "critical",
        "A sequence is behind the rows of its table, or behind where it was",
        why="The next inserts fail with duplicate keys, one per row, until the sequence has caught up.",
        remedy=(
            "Let downgrade() keep the sequence, or setval() it to its column's maximum. Restore into an empty "
            "database, or setval() every sequence to its column's maximum."
        ),
    ),
    FindingKind(
        "writes-lost",
        "critical",
        "Acknowledged writes are lost",
        why="Their senders were told that the deliveries are safe, and will not send them again.",
        remedy="Commit before answering; after a restore, ask senders to repeat what the report lists.",
    ),
    FindingKind(
        "writes-duplicated",
        "major",
        "Deliveries are stored more than once",
        why="Whatever a delivery triggers happens twice: two messages, two deployments.",
        remedy="Store each delivery's id under a unique constraint, and let a repetition change nothing.",
    ),
    FindingKind(
        "stored-differs",
        "critical",
        "Deliveries are not stored as they were sent",
        why=(
            "The delivery was acknowledged and its id is there, so that nobody sends it again; what was in it is lost."
        ),
        remedy=(
            "Compare the rows of one delivery under both releases, and find the statement that writes the column. If "
            "the difference is meant, leave that column out of `delivery.stored`, or accept the finding."
        ),
    ),
    FindingKind(
        "writes-unexpected",
        "major",
        "Deliveries are stored although they were refused",
        why=(
            "Their senders were told that nothing has happened: they send them again, or believe that the flag "
            "stops them."
        ),
        remedy="Decide before you store anything, and store in the transaction whose outcome you answer.",
    ),
)

"""What any drill can find, whatever it drills."""

from __future__ import annotations

from rollback_drills.evidence.findings.entry import FindingKind

GENERAL = (
    FindingKind(
        "false-green",
        "critical",
        "A command reported success, but the state is wrong",
        why="The operator sees exit code 0 and moves on.",
        remedy=(
            "Judge the step by state: after the command, read the revision, the schema, the running environment or "
            "the answer over HTTP, and stop if it is not the expected one."
        ),
    ),
    FindingKind(
        "objective-missed",
        "major",
        "Recovery took longer than the objective allows",
        why="The time that users were promised and the runbook states cannot be kept.",
        remedy="Shorten the longest step (the report names it), or agree on an objective that can be kept.",
    ),
    FindingKind(
        "steady-state-not-held",
        "critical",
        "The steady state does not hold after the recovery",
        why="The checks passed, then clients got bad answers again: the drill verified a lucky moment.",
        remedy="Read what clients got instead (the detail quotes it), and the log from the recovery onwards.",
    ),
    FindingKind(
        "downtime-objective-missed",
        "major",
        "Clients had no good answers for longer than the objective allows",
        why="Users notice the downtime, however fast each command of the runbook is.",
        remedy=(
            "Shorten the step that caused most of it (the detail names it): prepare it before the gateway stops, "
            "or start the previous release beside the running one."
        ),
    ),
    FindingKind(
        "rpo-objective-missed",
        "critical",
        "More data are lost than the objective allows",
        why="Writes older than the agreed limit are gone, although their senders were told that they were safe.",
        remedy=(
            "Take backups more often, archive the write-ahead log for point-in-time recovery, or roll back without "
            "a restore."
        ),
    ),
    FindingKind(
        "procedure-fails",
        "critical",
        "The procedure does not lead to its end, although nothing disturbs it",
        why="On the night of the rollback it stops at the same step, with the gateway down.",
        remedy="Perform the step that the detail names by hand, and read what it says.",
    ),
    FindingKind(
        "repeat-unsafe",
        "critical",
        "Repeated after an interruption, the procedure does not complete",
        why="An operator who takes over mid-procedure starts at the top of the runbook, and makes things worse.",
        remedy=(
            "Make each step idempotent: name a revision instead of `-1`, restore into a new database every time, "
            "and leave no lock files behind. The detail names the point of interruption."
        ),
    ),
    FindingKind(
        "steady-state-missing",
        "critical",
        "The system was not healthy before the drill began",
        why="A rollback from a broken state proves nothing.",
        remedy="Start the current release by hand, as the target file describes, and fix what its log reports.",
    ),
)

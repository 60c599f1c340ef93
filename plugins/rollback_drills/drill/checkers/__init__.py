"""What has to hold, each invariant once: used by the drills, by interrupted rollbacks and by random game days.

Every checker takes a `Judge` first. It asks the stack, and states what was expected and observed.
"""

from rollback_drills.drill.checkers.answered import check_answered, check_compared, without_answer
from rollback_drills.drill.checkers.before import check_not_rolled_back_yet, check_release_variable
from rollback_drills.drill.checkers.contents import Learnt, check_contents, learn_contents, sampled
from rollback_drills.drill.checkers.database import check_database_at, check_revision, check_rows, check_schema
from rollback_drills.drill.checkers.disabled import check_disabled
from rollback_drills.drill.checkers.fresh import check_fresh
from rollback_drills.drill.checkers.health import (
    check_health_while_frozen,
    check_healthy_means_serving,
    check_unusable,
)
from rollback_drills.drill.checkers.judge import Judge, Problems
from rollback_drills.drill.checkers.kept import check_kept, check_sequences
from rollback_drills.drill.checkers.reads import check_reads, check_same_reads
from rollback_drills.drill.checkers.refused import check_refusal_writes_nothing
from rollback_drills.drill.checkers.restored import check_restore_ends_well, check_restored
from rollback_drills.drill.checkers.serves import (
    check_answers,
    check_behaviours,
    check_deliveries,
    check_healthy,
    check_serves,
    check_stored,
    check_taken,
    check_version,
    check_write_probe,
)
from rollback_drills.drill.checkers.writes import check_writes

__all__ = [
    "Judge",
    "Learnt",
    "Problems",
    "check_answered",
    "check_answers",
    "check_behaviours",
    "check_compared",
    "check_contents",
    "check_database_at",
    "check_deliveries",
    "check_disabled",
    "check_fresh",
    "check_health_while_frozen",
    "check_healthy",
    "check_healthy_means_serving",
    "check_kept",
    "check_not_rolled_back_yet",
    "check_reads",
    "check_refusal_writes_nothing",
    "check_release_variable",
    "check_restore_ends_well",
    "check_restored",
    "check_revision",
    "check_rows",
    "check_same_reads",
    "check_schema",
    "check_sequences",
    "check_serves",
    "check_stored",
    "check_taken",
    "check_unusable",
    "check_version",
    "check_write_probe",
    "check_writes",
    "learn_contents",
    "sampled",
    "without_answer",
]

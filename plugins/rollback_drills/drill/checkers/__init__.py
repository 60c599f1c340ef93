"""What has to hold, each invariant once: used by the drills, by interrupted rollbacks and by random game days.

Every checker takes a `Judge` first. It asks the stack, and states what was expected and observed.
"""

from rollback_drills.drill.checkers.answered import check_answered, check_compared, without_answer
from rollback_drills.drill.checkers.database import check_database_at, check_revision, check_rows, check_schema
from rollback_drills.drill.checkers.disabled import check_disabled
from rollback_drills.drill.checkers.health import (
    check_health_while_frozen,
    check_healthy_means_serving,
    check_unusable,
)
from rollback_drills.drill.checkers.judge import Judge, Problems
from rollback_drills.drill.checkers.restored import check_restored
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
    "Problems",
    "check_answered",
    "check_answers",
    "check_behaviours",
    "check_compared",
    "check_database_at",
    "check_deliveries",
    "check_disabled",
    "check_health_while_frozen",
    "check_healthy",
    "check_healthy_means_serving",
    "check_restored",
    "check_revision",
    "check_rows",
    "check_schema",
    "check_serves",
    "check_stored",
    "check_taken",
    "check_unusable",
    "check_version",
    "check_write_probe",
    "check_writes",
    "without_answer",
]

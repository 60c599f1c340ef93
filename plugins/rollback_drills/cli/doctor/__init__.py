"""``rollback-drills doctor``: goes through a target step by step, and says of each what is wrong and how to mend it."""

from rollback_drills.cli.doctor.diagnosis import Diagnosis
from rollback_drills.cli.doctor.drills import examine_drills, where_they_are
from rollback_drills.cli.doctor.examination import examine

__all__ = ["Diagnosis", "examine", "examine_drills", "where_they_are"]

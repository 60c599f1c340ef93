"""``rollback-drills doctor``: checks a target step by step, with a remedy for each problem."""

from rollback_drills.cli.doctor.diagnosis import Diagnosis
from rollback_drills.cli.doctor.drills import examine_drills
from rollback_drills.cli.doctor.examination import examine

__all__ = ["Diagnosis", "examine", "examine_drills"]

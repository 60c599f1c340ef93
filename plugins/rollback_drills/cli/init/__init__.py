"""``rollback-drills init``: a first target file from what lies in a project: found, guessed, or to fill in."""

from rollback_drills.cli.init.survey import Survey, survey
from rollback_drills.cli.init.target_file import SCHEMA, StarterFile, starter_file

__all__ = ["SCHEMA", "StarterFile", "Survey", "starter_file", "survey"]

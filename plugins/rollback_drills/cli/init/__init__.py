"""``rollback-drills init``: drafts a target file from a project's files: found, guessed, or to fill in."""

from rollback_drills.cli.init.draft import SCHEMA, TargetDraft, draft_target
from rollback_drills.cli.init.survey import Survey, survey

__all__ = ["SCHEMA", "Survey", "TargetDraft", "draft_target", "survey"]

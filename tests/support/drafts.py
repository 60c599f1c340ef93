"""What `rollback-drills init` drafts for a project."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from rollback_drills.cli.init import TargetDraft, draft_target, survey
from rollback_drills.target.target import Target


def drafted(root: Path) -> tuple[TargetDraft, dict[str, Any], Target]:
    """The draft, its document, and its target."""
    draft = draft_target(survey(root))
    file = root.parent / f"{root.name}-target.toml"
    file.write_text(draft.text)
    return draft, tomllib.loads(draft.text), Target.load(file, {})

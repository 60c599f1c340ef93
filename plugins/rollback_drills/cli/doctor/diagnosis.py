"""What was looked at, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rollback_drills.core.errors import DrillError

Outcome = Literal["ok", "note", "problem", "not looked at"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A line of the table. ``note``: nothing that hinders a drill, and worth knowing."""

    title: str
    outcome: Outcome
    detail: str = ""
    fix: str = ""

    @classmethod
    def of(cls, title: str, error: DrillError) -> Diagnosis:
        detail = f"{error.what}\n{error.cause}".strip() if error.cause else error.what
        # The remedy was written for whoever runs pytest; here the same option has another name.
        return cls(title, "problem", detail, error.fix.replace("--drill-runtime=", "--runtime "))

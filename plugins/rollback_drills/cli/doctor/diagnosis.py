"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rollback_drills.core.errors import DrillError

Outcome = Literal["ok", "note", "problem", "not looked at"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A row of the doctor's table. A ``note`` does not prevent drills."""

    title: str
    outcome: Outcome
    detail: str = ""
    fix: str = ""

    @classmethod
    def of(cls, title: str, error: DrillError) -> Diagnosis:
        detail = f"{error.what}\n{error.cause}".strip() if error.cause else error.what
        # The remedy names pytest's option; here it has another name.
        return cls(title, "problem", detail, error.fix.replace("--drill-runtime=", "--runtime "))

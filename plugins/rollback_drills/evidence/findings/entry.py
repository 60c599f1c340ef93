"""One entry of the catalogue of findings."""

from __future__ import annotations

from dataclasses import dataclass

from rollback_drills.evidence.model import Severity


@dataclass(frozen=True, slots=True)
class FindingKind:
    """One kind of finding."""

    code: str
    severity: Severity
    title: str
    why: str
    remedy: str

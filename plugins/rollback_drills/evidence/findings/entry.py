"""One entry of the catalogue of findings."""

from __future__ import annotations

from dataclasses import dataclass

from rollback_drills.evidence.model import Severity


@dataclass(frozen=True, slots=True)
class FindingKind:
    """One kind of finding.

    Args:
        code: its name, in lower case with hyphens; unique in the catalogue.
        title: what is wrong, without a full stop.
        why: what it does on the night of the rollback.
        remedy: what to do about it.
    """

    code: str
    severity: Severity
    title: str
    why: str
    remedy: str

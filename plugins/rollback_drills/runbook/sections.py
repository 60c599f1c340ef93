"""The structure of a rollback runbook: the sections that drills prove, and the recovery checklist.

The names are those of the runbook itself; `drills/` has one module per section.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_ID = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class RunbookSection:
    """A section of the runbook that drills prove.

    Args:
        id: what drills name it by (``@pytest.mark.drill(…, runbook=id)``): lower-case letters, digits and hyphens.
        title: its heading in the report.
        after: the id of the section that precedes it; by default it comes last.
    """

    id: str
    title: str
    after: str | None = None


SECTIONS: dict[str, str] = {
    "quick-application": "Quick rollback 1: application",
    "quick-database": "Quick rollback 2: database",
    "quick-flags": "Quick rollback 3: feature flags",
    "scenario-a": "Scenario A: a new integration causes issues",
    "scenario-b": "Scenario B: a database migration failed",
    "scenario-c": "Scenario C: complete version rollback",
    "recovery-checklist": "Recovery checklist",
    "prevention": "Prevention",
    "reversibility": "Before a release: every migration",
}
"""The titles of the built-in sections by id, in the runbook's order."""


def with_added(added: Iterable[RunbookSection]) -> dict[str, str]:
    """The built-in sections and the added ones: titles by id, in the runbook's order.

    Raises:
        ValueError: an id has other characters, a title is empty, two sections share an id, or one follows a section
            that does not exist.
    """
    found = list(SECTIONS.items())
    for section in added:
        ids = [known for known, _ in found]
        if not _ID.fullmatch(section.id):
            raise ValueError(f"the section's id {section.id!r} is not of lower-case letters, digits and hyphens")
        if not section.title.strip():
            raise ValueError(f"the section {section.id!r} has no title")
        if section.id in ids:
            raise ValueError(f"there are two sections {section.id!r}")
        if section.after is not None and section.after not in ids:
            raise ValueError(f"the section {section.id!r} follows {section.after!r}, which is none of {', '.join(ids)}")
        place = len(found) if section.after is None else ids.index(section.after) + 1
        found.insert(place, (section.id, section.title))
    return dict(found)


CHECKLIST: dict[str, str] = {
    "stop-service": "Stop affected service",
    "root-cause": "Check logs for root cause",
    "disable-or-rollback": "Disable feature flag OR rollback code",
    "rollback-database": "Rollback database if needed",
    "restart-services": "Restart services",
    "verify-health": "Verify health endpoints",
    "error-rates": "Check error rates (dashboards or logs)",
    "monitor": "Monitor for 1 hour",
    "document": "Document incident",
    "post-mortem": "Schedule post-mortem",
}

BY_HAND: dict[str, str] = {
    "monitor": "watching for an hour is a person's task; the drill shows that the error rate can be watched",
    "document": "the drill writes the document; the analysis is a person's to fill in",
    "post-mortem": "calling a meeting is a person's task",
}
"""Checklist items that no drill can perform, and what the drill contributes to them."""

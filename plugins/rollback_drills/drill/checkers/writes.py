"""Writes are accounted for: none is lost, none is stored twice, none is stored although it was refused."""

from __future__ import annotations

from collections.abc import Sequence

from rollback_drills.clients.traffic.accounting import LISTED
from rollback_drills.drill.checkers.judge import Judge


def check_writes(judge: Judge, *, lost: Sequence[str], duplicated: Sequence[str], unexpected: Sequence[str]) -> None:
    """Judge what became of every delivery that was sent.

    Args:
        lost: acknowledged and not stored, beyond those that the procedure gives up (a restore: those after the backup).
        duplicated: stored more often than they were sent.
        unexpected: stored although they were refused, or although the procedure gives them up.
    """
    for title, ids, finding in (
        ("acknowledged writes that are lost, beyond those that the procedure gives up", lost, "writes-lost"),
        ("deliveries that are stored more often than they were sent", duplicated, "writes-duplicated"),
        ("deliveries that are stored although they were refused", unexpected, "writes-unexpected"),
    ):
        detail = f"{len(ids)} {title}: {_some(ids)}"
        judge.check(title, [*ids[:LISTED]], expected=[], finding=finding, detail=detail)


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return ", ".join(ids[:5]) + more

"""The table of all revisions: what rolling back past each of them does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rollback_drills.evidence.revisions import RevisionEvidence
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.text import one_line
from rollback_drills.report.views.limits import Limits


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One revision, as the report shows it."""

    revision: str
    title: str
    verdict: str
    reason: str
    losses: tuple[str, ...]
    locks: tuple[str, ...]
    up: str
    down: str
    findings: tuple[str, ...]
    accepted: frozenset[str] = frozenset()

    @property
    def destroys(self) -> tuple[str, ...]:
        """The losses without their examples."""
        return tuple(dict.fromkeys(loss.partition(", written")[0] for loss in self.losses))

    @property
    def tone(self) -> str:
        if set(self.findings) - self.accepted:
            return "failed"
        return "unknown" if self.verdict == "unproven" or self.findings else "passed"


def revision_rows(run: RunEvidence, limits: Limits) -> tuple[tuple[RevisionRow, ...], int]:
    """The rows that are shown, those with findings first where not all of them fit, and how many are left out."""
    rows = list(_rows(run, limits))
    room = max(limits.rows, 20)
    if len(rows) > room:
        chosen = sorted(range(len(rows)), key=lambda place: (not rows[place].findings, place))[:room]
        return tuple(rows[place] for place in sorted(chosen)), len(rows) - room
    return tuple(rows), 0


def _rows(run: RunEvidence, limits: Limits) -> Iterator[RevisionRow]:
    for drill in run.drills:
        failing = {finding.code for finding in drill.findings if finding.fails}
        accepted = {finding.code for finding in drill.accepted} - failing
        for revision in drill.revisions:
            codes = tuple(dict.fromkeys(revision.findings))
            yield RevisionRow(
                revision=one_line(revision.revision, limits.line),
                title=one_line(revision.doc, limits.line),
                verdict=revision.verdict,
                reason=one_line("; ".join(filter(None, (revision.reason, revision.restored))), limits.line),
                losses=tuple(_losses(revision, limits)),
                locks=tuple(_locks(revision, limits)),
                up=_milliseconds(revision.up_seconds),
                down=_milliseconds(revision.down_seconds),
                findings=codes,
                accepted=frozenset(codes) & accepted,
            )


def _losses(revision: RevisionEvidence, limits: Limits) -> Iterator[str]:
    """Those of the target's own rows come first: generated rows only show what may be lost."""
    for loss in revision.seed_losses[: limits.items]:
        yield f"of the target's own data: {one_line(loss.line, limits.line)}"
    for loss in revision.losses[: limits.items]:
        yield one_line(loss.line, limits.line)


def _locks(revision: RevisionEvidence, limits: Limits) -> Iterator[str]:
    """The locks that stop clients."""
    for lock in revision.locks[: limits.items]:
        if lock.blocks:
            work, step = f", {lock.work}" if lock.work else "", " (downgrade)" if lock.direction == "downgrade" else ""
            yield one_line(f"{lock.relation}: {lock.mode}{work}{step}", limits.line)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"

"""The table of all revisions: what rolling back past each of them does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from rollback_drills.evidence.model import RunEvidence
from rollback_drills.report.text import one_line
from rollback_drills.report.views.limits import Limits

FACT = "reversibility"
"""The fact of a drill that holds what was proven of revisions, each a table."""


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
        facts = drill.facts.get(FACT)
        failing = {finding.code for finding in drill.findings if finding.fails}
        for fact in facts if isinstance(facts, list) else [facts]:
            if not isinstance(fact, dict):
                continue
            codes = tuple(dict.fromkeys(str(code) for code in _list(fact, "findings")))
            yield RevisionRow(
                revision=one_line(_text(fact, "revision"), limits.line),
                title=one_line(_text(fact, "doc"), limits.line),
                verdict=_text(fact, "class"),
                reason=one_line("; ".join(filter(None, (_text(fact, "reason"), _text(fact, "restored")))), limits.line),
                losses=(*_seed_losses(fact, limits), *_of_each(fact, "losses", "line", limits)),
                locks=tuple(_locks(fact, limits)),
                up=_seconds(fact, "up_seconds"),
                down=_seconds(fact, "down_seconds"),
                findings=codes,
                accepted=frozenset(codes) & ({finding.code for finding in drill.accepted} - failing),
            )


def _locks(fact: Mapping[str, JsonValue], limits: Limits) -> Iterator[str]:
    """Those that stop clients; the others stop none."""
    for lock in _list(fact, "locks")[: limits.items]:
        if isinstance(lock, dict) and lock.get("blocks"):
            work = f", {lock['work']}" if lock.get("work") else ""
            yield one_line(f"{lock.get('relation')}: {lock.get('mode')}{work}", limits.line)


def _seed_losses(fact: Mapping[str, JsonValue], limits: Limits) -> Iterator[str]:
    """Those of the target's own rows come first: generated ones only show what may be lost."""
    for line in _of_each(fact, "seed_losses", "line", limits):
        yield f"of the target's own data: {line}"


def _of_each(fact: Mapping[str, JsonValue], name: str, key: str, limits: Limits) -> Iterator[str]:
    for each in _list(fact, name)[: limits.items]:
        if isinstance(each, dict):
            yield one_line(str(each.get(key, "")), limits.line)


def _list(fact: Mapping[str, JsonValue], name: str) -> list[JsonValue]:
    value = fact.get(name)
    return value if isinstance(value, list) else []


def _text(fact: Mapping[str, JsonValue], name: str) -> str:
    value = fact.get(name)
    return value if isinstance(value, str) else ""


def _seconds(fact: Mapping[str, JsonValue], name: str) -> str:
    value = fact.get(name)
    return f"{value * 1000:.0f} ms" if isinstance(value, int | float) else ""

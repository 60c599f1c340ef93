"""The card for the night: for each symptom the way back that worked best, its price, and what not to do.

A pure function of the evidence; what was not drilled is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from rollback_drills.evidence.model import DrillEvidence
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.text import enumerate_words, moment, one_line
from rollback_drills.report.views.ways import UNKNOWN_LOSS, Way, misleading, ways_of

MOST_WARNINGS: Final = 4
_SYMPTOMS: Final = (
    ("One integration misbehaves", ("flag", "release", "restore")),
    ("The new release misbehaves", ("release", "restore")),
    ("A migration fails", ("migration", "restore")),
    ("Rows are damaged or gone", ("restore",)),
)
"""What is seen, in the order of the decisions, and the ways that answer it, the least destructive first."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do about one symptom; ``otherwise`` is the next way that worked."""

    symptom: str
    way: Way
    otherwise: Way | None = None
    refuted: tuple[str, ...] = ()

    @property
    def price(self) -> str:
        """What it costs, in one line."""
        parts = [f"loses {self.way.lost}" if self.way.lost_writes != 0 else "loses no write"]
        if self.way.lost_writes is None:
            parts = [f"lost writes: {self.way.lost}"]
        unknown = [each for each in self.way.destroys if each.startswith(UNKNOWN_LOSS)]
        known = [each for each in self.way.destroys if each not in unknown]
        parts += [f"drops {enumerate_words(known, 3)}"] if known else []
        parts += [enumerate_words(unknown, 3)] if unknown else []
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Card:
    """Which way back, at what price."""

    target: str
    releases: str
    run: str
    when: str
    answers: tuple[Advice, ...]
    never: tuple[str, ...]


def card(run: RunEvidence) -> Card | None:
    """The card of a run; None where no drill of it asks for a way back, as in a walk through migrations."""
    if not any(drill.runbook in way.sections for drill in run.drills for way in ways_of(run).values()):
        return None
    ways = ways_of(run)
    return Card(
        target=one_line(run.target.name),
        releases=f"{one_line(run.target.current, 60)} back to {one_line(run.target.previous, 60)}",
        run=one_line(run.run),
        when=moment(run.started_at),
        answers=tuple(_answer(symptom, [ways[name] for name in names]) for symptom, names in _SYMPTOMS),
        never=tuple(dict.fromkeys(_never(run, ways)))[:MOST_WARNINGS],
    )


def _answer(symptom: str, candidates: list[Way]) -> Advice:
    working = [way for way in candidates if way.works]
    refuted = tuple(f"{way.do}: {way.why}" for way in candidates if way.state == "failed")
    if not working:
        return Advice(symptom, candidates[0], refuted=refuted)
    return Advice(symptom, working[0], working[1] if len(working) > 1 else None, refuted)


def _never(run: RunEvidence, ways: Mapping[str, Way]) -> Iterator[str]:
    """What the drills have shown to do harm, the worst first."""
    for way in ways.values():
        if way.state == "failed":
            yield f"{_lower(way.do)}: {_lower(way.why)}"
    for drill in run.drills:
        for revision in drill.revisions:
            if revision.verdict.startswith("irreversible"):
                yield f"downgrade past {one_line(revision.revision, 60)}: it cannot be undone"
    if any(_blind_downgrade(drill) for drill in run.drills):
        yield "answer a failed migration with `downgrade -1`: it exits 0 and undoes a good revision"
    if any(_restart_kept_the_flags(drill) for drill in run.drills):
        yield "merely restart after editing a flag: the gateway keeps its old environment"
    if commands := list(dict.fromkeys(misleading(run))):
        yield f"trust these commands, which misled in the drill: {enumerate_words(commands, 3)}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _blind_downgrade(drill: DrillEvidence) -> bool:
    """Whether a copy showed that `downgrade -1` after a failed migration leads to another revision."""
    for step in drill.steps:
        if "blind `downgrade -1`" not in step.title:
            continue
        for seen in step.observations:
            before, arrow, after = str(seen.value).partition(" → ")
            if seen.title == "revision" and arrow and before != after:
                return True
    return False


def _restart_kept_the_flags(drill: DrillEvidence) -> bool:
    for step in drill.steps:
        for seen in step.observations:
            if seen.title.startswith("answer of") and seen.title.endswith("after a restart"):
                status = seen.value.get("status") if isinstance(seen.value, dict) else None
                if isinstance(status, int) and status < 400:
                    return True
    return False

"""The verdict in one sentence, and the notes that follow it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rollback_drills.evidence.model import Acceptance, Severity, Verdict
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.text import count, enumerate_words, one_line
from rollback_drills.report.views.accepted import accepted_risks
from rollback_drills.report.views.coverage import SectionCoverage, coverage_sentence
from rollback_drills.report.views.limits import FULL
from rollback_drills.report.views.question import AS_FAR, Question, of_migrations_only
from rollback_drills.report.views.summary import Tone

_COMPOSE: Final = "compose"  # the capability that another runtime has
_WORDS: dict[Verdict, str] = {
    "failed": "failed",
    "error": "could not be carried out",
    "incomplete": "cut short",
    "not run": "not begun",
    "skipped": "not performed",
}


@dataclass(frozen=True, slots=True)
class Headline:
    """What to say to those who read one sentence; the notes are the next ones."""

    verdict: Verdict
    tone: Tone
    sentence: str
    notes: tuple[str, ...]


def headline(
    run: RunEvidence, answer: Question, covered: Sequence[SectionCoverage], slower: Sequence[str] = ()
) -> Headline:
    """The verdict of ``run``; ``slower`` are sentences about drills that took longer than before."""
    counted = of_migrations_only(run) or f"{AS_FAR}:" in answer.say  # the answer itself has the counts
    notes = (*_notes(run, () if counted else covered), *slower)
    return Headline(run.verdict, answer.tone, answer.sentence, notes)


def _notes(run: RunEvidence, covered: Sequence[SectionCoverage]) -> Iterator[str]:
    if covered and (sentence := coverage_sentence(covered)):
        yield sentence
    yield from _on_the_run(run)
    yield from _on_recoveries(run)
    yield from _on_clients(run)
    yield from _on_findings(run)
    yield from _on_accepted_risks(run)


def _on_the_run(run: RunEvidence) -> Iterator[str]:
    total = len(run.drills)
    if run.merged:
        sources = [one_line(source.run, 80) for source in run.merged]
        yield f"Merged from {count(len(sources), 'run')}: {enumerate_words(sources)}."
    passed = [drill for drill in run.drills if drill.verdict == "passed"]
    if later := sum(any(each.verdict != "passed" for each in drill.attempts) for drill in passed):
        yield f"{count(later, 'drill')} passed only in a later attempt: a procedure that failed once may fail again."
    if run.interrupted:
        yield f"The run was interrupted: {one_line(run.interrupted).rstrip('.')}."
    if total:
        others = [f"{number} {word}" for number, word in _others(run)]
        parts = [f"{sum(drill.verdict == 'passed' for drill in run.drills)} of {count(total, 'drill')} passed", *others]
        yield f"{enumerate_words(parts)}."


def measurements(run: RunEvidence) -> str:
    """What explains why pytest counts fewer tests than there are drills; empty if it does not."""
    total, shared = len(run.drills), sum(bool(drill.measured_for) for drill in run.drills)
    if not shared:
        return ""
    tests, each = count(total - shared, "test"), count(shared, "measurement")
    return f"{count(total, 'drill')}: {tests}, and {each} that several of them judge."


def _others(run: RunEvidence) -> Iterator[tuple[int, str]]:
    """How many drills have each other verdict; those that only need another runtime are counted apart."""
    elsewhere = sum(drill.verdict == "skipped" and _COMPOSE in drill.lacks for drill in run.drills)
    counts = Counter(drill.verdict for drill in run.drills)
    counts["skipped"] -= elsewhere
    for verdict, word in _WORDS.items():
        if counts[verdict]:
            yield counts[verdict], word
    if elsewhere:
        yield elsewhere, f"need{'s' if elsewhere == 1 else ''} --drill-runtime={_COMPOSE}"


def _on_recoveries(run: RunEvidence) -> Iterator[str]:
    """Only those that came to an end: one that broke off has measured nothing."""
    recoveries = [drill.recovery for drill in run.drills if drill.recovery]
    held = [each for each in recoveries if each.met is not None and each.seconds is not None]
    missed = sum(recovery.met is False for recovery in held)
    if missed:
        measured = count(len(held), "measured recovery", "measured recoveries")
        yield f"{missed} of {measured} missed the objective."
    elif held:
        yield f"Every recovery with an objective met it ({len(held)} of {len(held)})."


def _on_clients(run: RunEvidence) -> Iterator[str]:
    """Only what a drill has judged: one that broke off had not yet said which losses and which downtime it expects."""
    judged = [drill for drill in run.drills if drill.writes is None or drill.writes.judged]
    watched = [drill.traffic for drill in judged if drill.traffic]
    if late := sum(item.downtime_met is False for item in watched):
        yield f"{late} of {count(len(watched), 'measured downtime')} missed the objective."
    writes = [drill.writes for drill in judged if drill.writes]
    if unexpected := sum(max(0, item.all_lost - item.expected_lost) for item in writes):
        yield f"{count(unexpected, 'acknowledged write')} {'was' if unexpected == 1 else 'were'} lost unexpectedly."


def _on_findings(run: RunEvidence) -> Iterator[str]:
    severities = Counter(finding.severity for drill in run.drills for finding in drill.findings if finding.fails)
    if severities:
        worst_first: tuple[Severity, ...] = ("critical", "major", "minor")
        words = [f"{severities[severity]} {severity}" for severity in worst_first if severities[severity]]
        yield f"{count(severities.total(), 'finding')}: {enumerate_words(words)}."


def _on_accepted_risks(run: RunEvidence) -> Iterator[str]:
    """What fails no drill: accepted risks, those that need attention, and declared gaps."""
    accepted: dict[str, Acceptance] = {}
    for drill in run.drills:
        for finding in drill.accepted:
            assert finding.accepted is not None
            accepted.setdefault(one_line(finding.code, 80), finding.accepted)
    if accepted:
        words = [f"{code} ({one_line(each.owner, 60)}, until {each.until})" for code, each in accepted.items()]
        yield f"{count(len(accepted), 'accepted risk')}: {enumerate_words(words)}."
    for risk in accepted_risks(run, FULL):
        if risk.warn:
            only = f" ({risk.only})" if risk.only else ""
            yield f"Accepted risk {risk.code}{only} of {risk.owner}: {risk.said}."
    if gaps := sum(finding.severity == "info" for drill in run.drills for finding in drill.findings):
        yield f"{count(gaps, 'known gap')}."

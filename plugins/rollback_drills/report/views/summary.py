"""The verdict in a sentence, and the release manager's table: can we roll back, how fast, what is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rollback_drills.evidence.model import Acceptance, DrillEvidence, RunEvidence, Verdict
from rollback_drills.report.text import count, enumerate_words, humanise, one_line, seconds
from rollback_drills.report.views.accepted import accepted_risks
from rollback_drills.report.views.clients import rpo_text
from rollback_drills.report.views.coverage import SectionCoverage
from rollback_drills.report.views.groups import MEASURED_FOR, NOT_BEGUN, Group
from rollback_drills.report.views.limits import FULL

COMPOSE = "--drill-runtime=compose"
"""What the reason of a drill says that was skipped for want of a runtime with a compose file."""

Tone = Literal["passed", "failed", "unknown"]
_WORDS: dict[Verdict, str] = {
    "passed": "passed", "error": "could not be carried out", "incomplete": "cut short", "not run": "not run",
    "skipped": "skipped",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Headline:
    """What to say if only one sentence is read; the notes are the next ones."""

    verdict: Verdict
    tone: Tone
    sentence: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One drill of the summary table; a section without a drill has a row too (``anchor`` is empty)."""

    section: str
    title: str
    cases: str
    anchor: str
    verdict: Verdict | None
    answer: str
    why: str
    tone: Tone
    recovery: str
    objective: str
    met: bool | None
    downtime: str
    downtime_met: bool | None
    writes: str
    rpo: str
    rpo_met: bool | None
    findings: int
    accepted: int = 0
    gaps: int = 0

    @property
    def found(self) -> str:
        """How much was found, what fails nothing apart; empty where nothing was."""
        parts = [f"{self.findings}"] if self.findings else []
        parts += [f"{self.accepted} accepted"] if self.accepted else []
        parts += [count(self.gaps, "known gap")] if self.gaps else []
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Objective:
    """An objective and how the drills that were held against it did."""

    name: str
    limit: str
    measured: str
    met: bool | None
    drills: int
    missed: int


def headline(run: RunEvidence, covered: Sequence[SectionCoverage], slower: Sequence[str] = ()) -> Headline:
    """The verdict of ``run`` for somebody who reads nothing else; ``slower`` are sentences on regressions."""
    counts = Counter(drill.verdict for drill in run.drills)
    total = len(run.drills)
    verdict = run.verdict
    match verdict:
        case "failed":
            sentence = f"Do not rely on this runbook: {counts['failed']} of {count(total, 'drill')} failed."
        case "error":
            sentence = f"Not proven: {counts['error']} of {count(total, 'drill')} could not be carried out."
        case "incomplete" if counts["incomplete"]:
            sentence = f"Not proven: {counts['incomplete']} of {count(total, 'drill')} were cut short."
        case "incomplete":
            sentence = f"Not proven: the run ended early, after {_of(total - counts['not run'], total)}."
        case "skipped":
            sentence = "Nothing was proven: " + ("every drill was skipped." if total else "no drill was performed.")
        case _ if all(section.proof == "proven" for section in covered):
            sentence = f"The runbook holds{_with_risks(run)}: {_all(total)} passed."
        case _:
            sentence = (
                f"What was drilled holds{_with_risks(run)}: {counts['passed']} of {count(total, 'drill')} passed."
            )
    tone: Tone = "failed" if verdict == "failed" else "passed" if verdict == "passed" else "unknown"
    return Headline(verdict, tone, sentence, (*_notes(run, counts, covered), *slower))


def _with_risks(run: RunEvidence) -> str:
    """Nobody may read a verdict without them."""
    risks = {finding.code for drill in run.drills for finding in drill.accepted}
    return f", with {count(len(risks), 'accepted risk')}" if risks else ""


def _of(begun: int, total: int) -> str:
    return count(total, "drill") if begun == total else f"{begun} of {count(total, 'drill')}"


def _all(total: int) -> str:
    return "the one drill" if total == 1 else f"all {total} drills"


def _notes(run: RunEvidence, counts: Counter[Verdict], covered: Sequence[SectionCoverage]) -> list[str]:
    notes = []
    if run.merged:
        sources = [one_line(source.run, 80) for source in run.merged]
        notes.append(f"Merged from {count(len(sources), 'run')}: {enumerate_words(sources)}.")
    later = sum(drill.verdict == "passed" and any(each.verdict != "passed" for each in drill.attempts)
                for drill in run.drills)  # fmt: skip
    if later:
        notes.append(f"{count(later, 'drill')} passed in a later attempt only: what failed once may fail that night.")
    if run.interrupted:
        notes.append(f"The run was interrupted: {one_line(run.interrupted).rstrip('.')}.")
    others = [f"{number} {word}" for number, word in _others(run, counts)]
    if others and len(counts) > 1:
        notes.append(f"Of the others, {enumerate_words(others)}.")
    shared = sum(MEASURED_FOR in drill.facts for drill in run.drills)
    if shared:
        tests, each = count(len(run.drills) - shared, "test"), count(shared, "measurement")
        notes.append(f"{count(len(run.drills), 'drill')}: {tests}, and {each} that several of them judge.")
    held = [drill.recovery for drill in run.drills if drill.recovery and drill.recovery.met is not None]
    missed = sum(recovery.met is False for recovery in held)
    if missed:
        notes.append(
            f"{missed} of {count(len(held), 'measured recovery', 'measured recoveries')} missed the objective."
        )
    elif held:
        notes.append(f"Every recovery with an objective met it ({len(held)} of {len(held)}).")
    notes += _clients_notes(run)
    severities = Counter(finding.severity for drill in run.drills for finding in drill.findings if finding.fails)
    if severities:
        words = [f"{severities[severity]} {severity}" for severity in ("critical", "major", "minor")
                 if severities[severity]]  # fmt: skip
        notes.append(f"{count(severities.total(), 'finding')}: {enumerate_words(words)}.")
    notes += _known_notes(run)
    gaps = sum(section.proof in ("not proven", "in part") for section in covered)
    if gaps:
        notes.append(f"{gaps} of {count(len(covered), 'section')} of the runbook not, or only in part, proven.")
    return notes


def _others(run: RunEvidence, counts: Counter[Verdict]) -> Iterator[tuple[int, str]]:
    """How many drills have each of the other verdicts; what only needs another runtime is told apart."""
    elsewhere = sum(drill.verdict == "skipped" and COMPOSE in drill.reason for drill in run.drills)
    for verdict, word in _WORDS.items():
        number = counts[verdict] - (elsewhere if verdict == "skipped" else 0)
        if number and verdict != run.verdict:
            yield number, word
    if elsewhere:
        yield elsewhere, f"need{'s' if elsewhere == 1 else ''} {COMPOSE}"


def _known_notes(run: RunEvidence) -> list[str]:
    """What fails nothing: accepted risks, those that need a look, and declared gaps."""
    notes = []
    accepted: dict[str, Acceptance] = {}
    for drill in run.drills:
        for finding in drill.accepted:
            assert finding.accepted is not None
            accepted.setdefault(one_line(finding.code, 80), finding.accepted)
    if accepted:
        words = [f"{code} ({one_line(each.owner, 60)}, until {each.until})" for code, each in accepted.items()]
        notes.append(f"{count(len(accepted), 'accepted risk')}: {enumerate_words(words)}.")
    for risk in accepted_risks(run, FULL):
        if risk.warn:
            only = f" ({risk.only})" if risk.only else ""
            notes.append(f"Accepted risk {risk.code}{only} of {risk.owner}: {risk.said}.")
    gaps = sum(finding.severity == "info" for drill in run.drills for finding in drill.findings)
    if gaps:
        notes.append(f"{count(gaps, 'known gap')}, as the target file declares.")
    return notes


def _clients_notes(run: RunEvidence) -> list[str]:
    watched = [drill.traffic for drill in run.drills if drill.traffic]
    unexpected = sum(max(0, drill.writes.all_lost - drill.writes.expected_lost) for drill in run.drills if drill.writes)
    notes = []
    if late := sum(item.downtime_met is False for item in watched):
        notes.append(f"{late} of {count(len(watched), 'measured downtime')} missed the objective.")
    if unexpected:
        verb = "was" if unexpected == 1 else "were"
        notes.append(f"{count(unexpected, 'acknowledged write')} {verb} lost that nobody expected to lose.")
    return notes


def rows(groups: Sequence[Group], covered: Sequence[SectionCoverage]) -> tuple[Row, ...]:
    """One row per drill in the order of the runbook; sections for which nothing was drilled in their place."""
    result: list[Row] = []
    for section in covered:
        mine = [group for group in groups if group.runbook == section.id]
        result += [_row(group, section.title) for group in mine]
        if not mine:
            result.append(_undrilled(section))
    known = {section.id for section in covered}
    result += [_row(group, _foreign(group.runbook)) for group in groups if group.runbook not in known]
    return tuple(result)


def _undrilled(section: SectionCoverage) -> Row:
    return Row(
        section=section.title, title="", cases="", anchor="", verdict=None, answer="Not proven",
        why=one_line(section.why, 120),
        tone="unknown", recovery="", objective="", met=None, downtime="", downtime_met=None, writes="", rpo="",
        rpo_met=None, findings=0,
    )  # fmt: skip


def _foreign(runbook: str) -> str:
    return f"{humanise(one_line(runbook))} (not in the runbook)" if runbook else "Not in the runbook"


def _row(group: Group, section: str) -> Row:
    answer, tone = _answer(group)
    held = [drill for drill in group.drills if drill.recovery and drill.verdict not in NOT_BEGUN]
    recovery, objective, met = recovery_of(held)
    downtime, downtime_met = downtime_of(group.drills)
    lost, rpo, rpo_met = writes_of(group.drills)
    found = [finding for drill in group.drills for finding in drill.findings]
    return Row(
        section=section, title=group.title if group.parametrised else group.full_title, cases=group.cases,
        anchor=group.anchor, verdict=group.verdict, answer=answer, tone=tone,
        why=_why(group) if tone == "unknown" else "",
        recovery=recovery, objective=objective, met=met,
        downtime=downtime, downtime_met=downtime_met, writes=lost, rpo=rpo, rpo_met=rpo_met,
        findings=sum(finding.fails for finding in found), accepted=sum(bool(each.accepted) for each in found),
        gaps=sum(finding.severity == "info" for finding in found),
    )  # fmt: skip


def _why(group: Group) -> str:
    """Why nobody knows: every reason once, of what was skipped, not run or cut short."""
    reasons = dict.fromkeys(one_line(drill.reason, 200) for drill in group.drills if drill.verdict != "passed")
    return enumerate_words([reason for reason in reasons if reason], 2)


def _answer(group: Group) -> tuple[str, Tone]:
    """Can we roll back?"""
    counts = Counter(drill.verdict for drill in group.drills)
    total = len(group.drills)
    of = f" ({{}} of {total})" if group.parametrised else ""
    risks = ", with accepted risks" if any(drill.accepted for drill in group.drills) else ""
    if any(finding.fails for drill in group.drills for finding in drill.findings):
        risks = ", with findings"
    if counts["failed"]:
        return "No" + (of.format(counts["failed"]) if counts["failed"] < total else ""), "failed"
    if counts["passed"] == total:
        return f"Yes{risks}", "passed"
    if counts["passed"] and counts["passed"] + counts["skipped"] == total:
        return f"Yes{of.format(counts['passed'])}{risks}", "passed"
    return "Not proven" + (of.format(total - counts["passed"]) if counts["passed"] else ""), "unknown"


def recovery_of(drills: Sequence[DrillEvidence]) -> tuple[str, str, bool | None]:
    """Recovery time (the longest of several), the objective, and whether it was met; all empty if not measured."""
    measured = [drill.recovery for drill in drills if drill.recovery]
    if not measured:
        return "not measured", "", None
    objectives = [item.objective_seconds for item in measured if item.objective_seconds is not None]
    reached = [item.seconds for item in measured if item.seconds is not None]
    missing = len(measured) - len(reached)
    if missing:
        text = "not reached" + (f" ({missing} of {len(measured)})" if len(measured) > 1 else "")
    else:
        text = ("up to " if len(measured) > 1 else "") + seconds(max(reached))
    return text, seconds(min(objectives)) if objectives else "", _worst(item.met for item in measured)


def downtime_of(drills: Sequence[DrillEvidence]) -> tuple[str, bool | None]:
    """The longest downtime of one kind of request with its objective, and whether it was met."""
    traffic = [drill.traffic for drill in drills if drill.traffic]
    if not traffic:
        return "not measured", None
    worst = max(traffic, key=lambda item: item.longest_downtime)
    limits = [item.downtime_objective_seconds for item in traffic if item.downtime_objective_seconds is not None]
    text = ("up to " if len(traffic) > 1 else "") + (seconds(worst.longest_downtime) if worst.downtime else "none")
    text += f" of {seconds(min(limits))}" if limits else ""
    return text, _worst(item.downtime_met for item in traffic)


def writes_of(drills: Sequence[DrillEvidence]) -> tuple[str, str, bool | None]:
    """Lost of acknowledged writes over all cases; the age of the oldest of them (RPO), and whether that is allowed."""
    writes = [drill.writes for drill in drills if drill.writes]
    if not writes:
        return "not measured", "", None
    lost = sum(item.all_lost for item in writes)
    expected = sum(item.expected_lost for item in writes)
    known = f", {expected:,} expected" if expected else ""
    text = f"{lost:,} of {sum(item.acknowledged for item in writes):,}{known}"
    oldest = max(writes, key=lambda item: (item.rpo_seconds or 0.0, item.rpo_objective_seconds is not None))
    return text, rpo_text(oldest) if lost else "", _worst(item.rpo_met for item in writes)


def _worst(verdicts: Iterable[bool | None]) -> bool | None:
    found = set(verdicts)
    return False if False in found else True if True in found else None


def objectives(run: RunEvidence) -> tuple[Objective, ...]:
    """Every objective of the target, those that only a drill names, then downtime and data loss: the worst of each."""
    limits: dict[str, float | None] = dict(run.target.objectives)
    for drill in run.drills:
        if drill.recovery and drill.recovery.objective:
            limits.setdefault(drill.recovery.objective, drill.recovery.objective_seconds)
    clients = (
        _of_clients("Downtime of one kind of request", run, downtime_of, lambda drill: (
            drill.traffic.downtime_objective_seconds if drill.traffic else None,
            drill.traffic.downtime_met if drill.traffic else None)),
        _of_clients("Age of the oldest lost write (RPO)", run, lambda drills: writes_of(drills)[1:], lambda drill: (
            drill.writes.rpo_objective_seconds if drill.writes else None,
            drill.writes.rpo_met if drill.writes else None)),
    )  # fmt: skip
    return (*(_objective(name, limit, run) for name, limit in limits.items()), *filter(None, clients))


def _objective(name: str, limit: float | None, run: RunEvidence) -> Objective:
    held = [drill for drill in run.drills if drill.recovery and drill.recovery.objective == name]
    measured, _, met = recovery_of(held)
    missed = sum(drill.recovery is not None and drill.recovery.met is False for drill in held)
    text = "no limit" if limit is None else seconds(limit)
    return Objective(humanise(one_line(name)), text, measured, met, len(held), missed)


def _of_clients(
    name: str,
    run: RunEvidence,
    measure: Callable[[Sequence[DrillEvidence]], tuple[str, bool | None]],
    judge: Callable[[DrillEvidence], tuple[float | None, bool | None]],
) -> Objective | None:
    """An objective that is held against what clients saw; None where no drill has it."""
    judged = {drill.id: judge(drill) for drill in run.drills}
    held = [drill for drill in run.drills if judged[drill.id][0] is not None]
    if not held:
        return None
    limits = sorted({seconds(limit) for limit, _ in judged.values() if limit is not None})
    measured, met = measure(held)
    measured = measured.partition(" of ")[0] or "nothing lost"
    missed = sum(judged[drill.id][1] is False for drill in held)
    return Objective(name, ", ".join(limits), measured, met, len(held), missed)

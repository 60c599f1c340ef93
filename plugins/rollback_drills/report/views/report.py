"""The view model of a report: the evidence, condensed to what a page, a ticket or a terminal shows.

All of it is frozen plain text; a renderer decides on looks, never on content.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rollback_drills.evidence.model import DrillEvidence
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.filing.history import History, PastRun
from rollback_drills.report.text import NOT_MEASURED, count, moment, one_line, paragraphs, seconds
from rollback_drills.report.views.accepted import AcceptedView, accepted_risks
from rollback_drills.report.views.card import Card, card
from rollback_drills.report.views.causes import Cause, ToDo, causes, to_do
from rollback_drills.report.views.coverage import ChecklistItem, SectionCoverage, checklist, coverage_sentence, sections
from rollback_drills.report.views.groups import NOT_BEGUN, Group, group_drills
from rollback_drills.report.views.headline import Headline, headline, measurements
from rollback_drills.report.views.limits import FULL, Limits
from rollback_drills.report.views.objectives import Objective, objectives, recovery_of
from rollback_drills.report.views.problems import Problem, problems
from rollback_drills.report.views.question import Question, of_migrations_only, question
from rollback_drills.report.views.revisions import RevisionRow, revision_rows
from rollback_drills.report.views.scope import ScopeTable, scope
from rollback_drills.report.views.sections import SectionRow, section_rows
from rollback_drills.report.views.since import Since, former_run, since
from rollback_drills.report.views.steps import CaseView, File, case_view
from rollback_drills.report.views.summary import Row, rows
from rollback_drills.report.views.trends import TrendView, slower, trends

_PASSED_CASES = 2  # whose steps are shown


@dataclass(frozen=True, slots=True)
class Case:
    """One row in the table of a parametrised drill."""

    param: str
    verdict: str
    recovery: str
    met: bool | None
    lasted: str
    findings: int
    reason: str
    anchor: str


@dataclass(frozen=True, slots=True)
class DrillView:
    """One drill with all its cases."""

    anchor: str
    title: str
    section: str
    verdict: str
    summary: tuple[str, ...]
    id: str
    cases_text: str
    facts: tuple[tuple[str, str], ...]
    problems: tuple[Problem, ...]
    cases: tuple[Case, ...]
    shown: tuple[CaseView, ...]
    not_shown: int
    trend: TrendView | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a report says."""

    run: str
    target: str
    releases: str
    runtime: str
    runtime_reason: str
    when: str
    began: str
    lasted: str
    headline: Headline
    answer: Question
    section_rows: tuple[SectionRow, ...]
    causes: tuple[Cause, ...]
    to_do: tuple[ToDo, ...]
    card: Card | None
    migrations_only: bool
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    scope: tuple[ScopeTable, ...]
    objectives: tuple[Objective, ...]
    drills: tuple[DrillView, ...]
    sections: tuple[SectionCoverage, ...]
    checklist: tuple[ChecklistItem, ...]
    findings: int
    accepted: tuple[AcceptedView, ...] = ()
    revisions: tuple[RevisionRow, ...] = ()
    revisions_more: int = 0
    history_note: str = ""
    measurements: str = ""
    since: Since | None = None
    files: tuple[File, ...] = ()
    files_more: int = 0

    @property
    def failures(self) -> tuple[Problem, ...]:
        """The problems for which a drill has not passed, in their order."""
        return tuple(problem for problem in self.problems if problem.fails)

    @property
    def known(self) -> tuple[Problem, ...]:
        """The problems that fail nothing: accepted risks and declared gaps."""
        return tuple(problem for problem in self.problems if not problem.fails)

    @property
    def findings_hint(self) -> str:
        """How many causes there are, and what fails nothing."""
        if not self.problems:
            return "none"
        known = count(len(self.known), "accepted risk or known gap", "accepted risks and known gaps")
        return count(len(self.causes), "cause") + (f", {known}" if self.known else "")

    @property
    def drills_text(self) -> str:
        return count(sum(max(1, len(drill.cases)) for drill in self.drills), "drill")

    @property
    def checklist_hint(self) -> str:
        """How many items were performed, and how many are for people."""
        done, left = sum(item.done for item in self.checklist), sum(item.open for item in self.checklist)
        return f"{done} of {len(self.checklist)} performed, {left} for people" if self.checklist else "none"

    @property
    def coverage(self) -> str:
        """How many sections are fully proven; empty if all of them are."""
        return coverage_sentence(self.sections)

    @property
    def unproven(self) -> tuple[SectionCoverage, ...]:
        return tuple(section for section in self.sections if section.proof in ("not proven", "in part"))

    def with_files(self, files: Sequence[File], limits: Limits) -> Report:
        """This report with the run's files, as they are on disk."""
        return replace(self, files=tuple(files[: limits.rows]), files_more=max(0, len(files) - limits.rows))


class Reports:
    """The reports of one run, each built once: a renderer takes the one within its limits.

    Args:
        run: the evidence.
        history: the former runs, for the trends.
        against: the run that it is compared with; the last comparable one of ``history`` by default.
    """

    def __init__(self, run: RunEvidence, history: History | None = None, against: PastRun | None = None) -> None:
        self.run, self._history, self._against = run, history or History(), against
        self._built: dict[Limits, Report] = {}

    def within(self, limits: Limits) -> Report:
        """The report that keeps as much of long texts and lists as ``limits`` allow."""
        if limits not in self._built:
            self._built[limits] = build_report(self.run, self._history, limits, self._against)
        return self._built[limits]


def build_report(
    run: RunEvidence, history: History | None = None, limits: Limits = FULL, against: PastRun | None = None
) -> Report:
    """The report of ``run``; renderers share those that `Reports` has built.

    Args:
        against: the run that it is compared with; the last comparable one of ``history`` by default.
    """
    history = history or History()
    groups = group_drills(run)
    shown = {group.number: list(_worth_showing(group, limits)) for group in _first_the_failed(groups)[: limits.groups]}
    anchors = {
        drill.id: _case_anchor(group, index) for group in groups for index, drill, _ in shown.get(group.number, ())
    }
    found = problems(groups, anchors, limits)
    covered = sections(run, groups, limits)
    revisions, revisions_more = revision_rows(run, limits)
    former = trends(groups, run, history)
    table, ticked = rows(groups, covered), checklist(run, groups, anchors, limits)
    front = section_rows(run, groups, covered, table)
    answer, found_causes, only = question(run, front), causes(found), of_migrations_only(run)
    return Report(
        run=one_line(run.run),
        target=one_line(run.target.name),
        releases=f"{one_line(run.target.current, 80)} → {one_line(run.target.previous, 80)}",
        runtime=one_line(run.runtime.name),
        runtime_reason=one_line(run.runtime.reason),
        when=moment(run.started_at),
        began=one_line(run.started_at, 40),
        lasted=seconds(run.seconds),
        headline=headline(run, answer, covered, slower(groups, former)),
        answer=answer,
        section_rows=() if only else front,
        causes=found_causes,
        to_do=to_do(found_causes, () if only else front, () if only else ticked, run),
        card=card(run),
        migrations_only=only,
        measurements=measurements(run),
        rows=table,
        problems=found,
        scope=tuple(scope(run, limits)),
        objectives=objectives(run),
        drills=tuple(
            replace(_drill(group, shown.get(group.number, []), anchors, found, limits), trend=former.get(group.number))
            for group in groups
            if not (only and group.verdict in NOT_BEGUN)
        ),
        sections=covered,
        checklist=ticked,
        findings=sum(len(drill.findings) for drill in run.drills),
        accepted=accepted_risks(run, limits),
        revisions=revisions,
        revisions_more=revisions_more,
        history_note=_history_note(history),
        since=None if only else since(run, front, against or former_run(run, history)),
    )


def _history_note(history: History) -> str:
    if not history.unreadable:
        return ""
    return f"{count(history.unreadable, 'line')} of history.jsonl could not be read and {_were(history)} left out."


def _were(history: History) -> str:
    return "was" if history.unreadable == 1 else "were"


def _first_the_failed(groups: Sequence[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: not group.failed)


def _case_anchor(group: Group, index: int) -> str:
    return f"{group.anchor}-{index}" if group.parametrised else f"{group.anchor}-0"


def _worth_showing(group: Group, limits: Limits) -> Iterator[tuple[int, DrillEvidence, tuple[str, ...]]]:
    """The cases whose steps differ from those of another: index, case, and parameters of those that are alike.

    Cases that failed come first, and each of them is worth showing while there is room.
    """
    alike: dict[tuple[str, ...], list[int]] = {}
    for index, (param, drill) in enumerate(zip(group.params, group.drills, strict=True)):
        steps = (f"{step.outcome} {step.title.replace(param, '*') if param else step.title}" for step in drill.steps)
        codes = (finding.code for finding in drill.findings)
        if drill.steps or not group.parametrised:
            alike.setdefault((drill.verdict, *codes, *steps), []).append(index)
    failed_first = sorted(
        alike.values(), key=lambda indices: group.drills[indices[0]].verdict in ("passed", *NOT_BEGUN)
    )
    passed = 0
    for first, *others in failed_first[: limits.cases]:
        passed += group.drills[first].verdict == "passed"
        if passed > _PASSED_CASES:
            return
        yield first, group.drills[first], tuple(one_line(group.params[other], 60) for other in others)


def _drill(
    group: Group,
    shown: Sequence[tuple[int, DrillEvidence, tuple[str, ...]]],
    anchors: dict[str, str],
    found: Sequence[Problem],
    limits: Limits,
) -> DrillView:
    cases = tuple(
        case_view(
            drill,
            group.params[index],
            _case_anchor(group, index),
            same,
            limits.calm if drill.verdict == "passed" else limits,
        )
        for index, drill, same in shown
    )
    return DrillView(
        anchor=group.anchor,
        title=group.title if group.parametrised else group.full_title,
        section=one_line(group.runbook, limits.line),
        verdict=group.verdict,
        summary=paragraphs(group.drills[0].summary, limits.value),
        id=one_line(group.base if group.parametrised else group.drills[0].id, limits.line),
        cases_text=group.cases,
        facts=tuple(_facts(group)),
        problems=tuple(problem for problem in found if f"#{group.anchor}" in problem.hrefs),
        cases=tuple(_cases(group, anchors, limits)),
        shown=cases,
        not_shown=len(group.drills) - sum(1 + len(case.same_steps) for case in cases),
    )


def _cases(group: Group, anchors: dict[str, str], limits: Limits) -> Iterator[Case]:
    """The rows of a parametrised drill's table."""
    if not group.parametrised:
        return
    for param, drill in zip(group.params, group.drills, strict=True):
        recovery, _, met = recovery_of([drill])
        yield Case(
            one_line(param, limits.line),
            drill.verdict,
            recovery,
            met,
            seconds(drill.seconds),
            len(drill.findings),
            one_line(drill.reason, limits.line),
            anchors.get(drill.id, ""),
        )


def _facts(group: Group) -> Iterator[tuple[str, str]]:
    """When, how long, and against which objective."""
    starts = sorted(drill.started_at for drill in group.drills)
    total = sum(drill.seconds for drill in group.drills)
    target = sum(min(drill.target_seconds, drill.seconds) for drill in group.drills)
    yield "Began", moment(starts[0])
    yield (
        "Lasted",
        f"{seconds(total)} (target {seconds(target)}, harness {seconds(max(0.0, total - target))})",
    )
    recovery, objective, met = recovery_of([drill for drill in group.drills if drill.verdict not in NOT_BEGUN])
    if recovery != NOT_MEASURED:
        judged = {True: ", met", False: ", missed", None: ""}[met]
        yield (
            "Recovery",
            f"{recovery}, objective {objective}{judged}" if objective else f"{recovery}, no objective",
        )
    workers = sorted({drill.worker for drill in group.drills})
    if workers != ["main"]:
        yield "Performed by", one_line(", ".join(workers), 120)

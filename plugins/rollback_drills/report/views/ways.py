"""The ways back that a run drilled: whether each worked, how long it took, what it lost and what it destroys.

A way is never better than its drills: of several recoveries the longest counts, a drill that failed is a caution or
refutes the way, and a figure that no drill measured is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rollback_drills.evidence.model import DrillEvidence, Step
from rollback_drills.evidence.revisions import RevisionEvidence
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.text import NOT_MEASURED, count, enumerate_words, one_line, seconds
from rollback_drills.report.views.groups import INTERRUPTED, LITERAL, NOT_BEGUN, Group, group_drills

State = Literal["works", "failed", "not proven"]
UNKNOWN_LOSS: Final = "what the downgrade"
_ACTIONS: Final = ("stop-service", "disable-or-rollback", "rollback-database", "restart-services")
_START, _END = "database revision at the start", "database revision at the end"


@dataclass(frozen=True, slots=True)
class Way:
    """One way back, as it was drilled.

    Attributes:
        do: what is done, in one line.
        steps: the steps that the drill performed between the decision and the verification.
        recovery: the longest of its recovery times, in words.
        recovery_seconds: the same in seconds; None where it was never reached or not measured.
        lost: acknowledged writes that it lost in the drill, in words.
        lost_writes: their number; None where it is unknown.
        grows: what each further minute since the deploy or the backup costs; empty where it costs nothing.
        destroys: data that going back drops, by table and column; and what is unknown of it, in a sentence that begins
            with ``UNKNOWN_LOSS``.
        needs: what has to be there.
        cautions: what failed beside the way itself.
        why: of a way that does not work, the reason.
    """

    name: str
    do: str
    state: State
    sections: tuple[str, ...]
    steps: tuple[str, ...] = ()
    recovery: str = NOT_MEASURED
    recovery_seconds: float | None = None
    lost: str = NOT_MEASURED
    lost_writes: int | None = None
    grows: str = ""
    destroys: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    sure: str = ""
    why: str = ""

    @property
    def works(self) -> bool:
        return self.state == "works"


@dataclass(frozen=True, slots=True)
class _Kind:
    """A way that runbooks have: its name, the sections that drill it, what is done and what it needs.

    Attributes:
        each_alone: a case is a choice, as a flag is: one that failed says nothing of another. The cases of other ways
            are circumstances, which nobody chooses: one that failed refutes the way.
    """

    name: str
    sections: tuple[str, ...]
    do: Callable[[RunEvidence], str]
    needs: Callable[[RunEvidence], tuple[str, ...]]
    each_alone: bool = False


_KINDS: Final = (
    _Kind(
        "flag",
        ("quick-flags", "scenario-a"),
        lambda run: "Turn its flag off",
        lambda run: ("a flag of its own",),
        each_alone=True,
    ),
    _Kind(
        "release",
        ("quick-application",),
        lambda run: f"Start release {one_line(run.target.previous, 60)}",
        lambda run: (f"release {one_line(run.target.previous, 60)}, still there to be started",),
    ),
    _Kind(
        "migration",
        ("scenario-b",),
        lambda run: "Undo only what it left, start the last good release",
        lambda run: ("the last good release", "the revision that the database reports"),
    ),
    _Kind(
        "restore",
        ("scenario-c",),
        lambda run: f"Restore the backup, start release {one_line(run.target.previous, 60)}",
        lambda run: ("a complete backup from before the damage", f"release {one_line(run.target.previous, 60)}"),
    ),
    _Kind(
        "database",
        ("quick-database",),
        lambda run: "Downgrade the database",
        lambda run: ("the migrations of the newer release",),
    ),
)


def ways_of(run: RunEvidence) -> dict[str, Way]:
    """Every way by its name, whether it was drilled or not."""
    groups = group_drills(run)
    return {kind.name: _way(kind, [each for each in groups if each.runbook in kind.sections], run) for kind in _KINDS}


def _way(kind: _Kind, groups: Sequence[Group], run: RunEvidence) -> Way:
    mine = [each for each in groups if not each.literal and not all(drill.measured_for for drill in each.drills)]
    measured = [each for each in mine if any(drill.recovery for drill in each.drills)]
    state, why = _state(mine, measured, each_alone=kind.each_alone)
    tried = [drill for group in measured for drill in group.drills if _tried(drill)]
    held = [drill for drill in tried if drill.verdict == "passed"]
    if state != "works":
        return Way(kind.name, kind.do(run), state, kind.sections, why=why)
    times = [drill.recovery.seconds for drill in tried if drill.recovery and drill.recovery.seconds is not None]
    writes = [drill.writes for drill in tried if drill.writes is not None]
    lost, number = _lost(tried)
    return Way(
        kind.name,
        kind.do(run),
        state,
        kind.sections,
        steps=_steps(held),
        recovery=seconds(max(times)),
        recovery_seconds=max(times),
        lost=lost,
        lost_writes=number,
        grows=_grows([each.all_lost / each.rpo_seconds for each in writes if each.all_lost and each.rpo_seconds]),
        destroys=tuple(dict.fromkeys(line for drill in tried for line in _destroyed(drill, run))),
        needs=(*kind.needs(run), *_revisions(held)),
        cautions=tuple(_cautions(mine)),
        sure=_sure(mine),
    )


def _state(groups: Sequence[Group], measured: Sequence[Group], *, each_alone: bool) -> tuple[State, str]:
    """Whether a way works: each drill that measures it passed; of cases that stand alone, more than half did."""
    begun = [each for each in groups if each.verdict not in NOT_BEGUN]
    if not begun:
        return "not proven", _reason([drill for each in groups for drill in each.drills]) or "not drilled"
    for group in measured:
        begun_cases = [drill for drill in group.drills if drill.verdict not in NOT_BEGUN]
        failed = [drill for drill in group.drills if drill.verdict == "failed"]
        refuted = not each_alone and any(map(_tried, failed))
        if refuted or 2 * sum(map(_recovered, group.drills)) <= len(begun_cases):
            if failed:
                first = next(filter(_tried, failed), failed[0])
                return "failed", next((each.title for each in first.findings if each.fails), "") or _reason([first])
            if group.verdict not in NOT_BEGUN:
                return "not proven", _reason(group.drills) or "the steady state was not reached"
    if not any(_recovered(drill) for each in measured for drill in each.drills):
        return "not proven", _reason([drill for each in begun for drill in each.drills]) or "no recovery was measured"
    return "works", ""


def _tried(drill: DrillEvidence) -> bool:
    """Whether the way was gone, and judged; a drill that broke off says nothing of it."""
    return drill.verdict in ("passed", "failed") and drill.recovery is not None


def _recovered(drill: DrillEvidence) -> bool:
    return drill.verdict == "passed" and drill.recovery is not None and drill.recovery.seconds is not None


def _reason(drills: Sequence[DrillEvidence]) -> str:
    reasons = dict.fromkeys(one_line(drill.reason, 160) for drill in drills if drill.verdict != "passed")
    return next(filter(None, reasons), "")


def _steps(held: Sequence[DrillEvidence]) -> tuple[str, ...]:
    """What the first of the drills did after the decision, in its own words."""
    first = held[0]
    assert first.recovery is not None
    ended = first.recovery.ended or first.seconds
    steps = [step for step in first.steps if first.recovery.started - 0.01 <= step.at <= ended and _acts(step)]
    return tuple(one_line(step.title, 120) for step in steps[:5])


def _acts(step: Step) -> bool:
    return step.checklist in _ACTIONS or step.title.startswith(("Restore", "Put", "Deploy", "Re-create"))


def _lost(tried: Sequence[DrillEvidence]) -> tuple[str, int | None]:
    """What was lost, in cases that failed as well: they lose the most."""
    writes = [drill.writes for drill in tried]
    if any(each is None for each in writes):
        return NOT_MEASURED, None
    known = [each for each in writes if each is not None]
    if not all(each.judged for each in known):
        return "not judged", None
    lost, sent = sum(each.all_lost for each in known), sum(each.acknowledged for each in known)
    if not sent:
        return "no write was under way", None
    return (f"{lost:,} of {count(sent, 'write')}" if lost else "nothing"), lost


def _grows(rates: Sequence[float]) -> str:
    """Writes lost per further minute, at the load of the drill, which is not production's."""
    if not rates:
        return ""
    return f"every write since the backup: {60 * max(rates):,.0f} a minute at the drill's load"


def _destroyed(drill: DrillEvidence, run: RunEvidence) -> Iterator[str]:
    """What the downgrades of a drill drop, as the revisions that it went back past have shown."""
    start, end = drill.facts.get(_START), drill.facts.get(_END)
    if not (isinstance(start, str) and isinstance(end, str)) or start == end:
        return
    known = {each.revision: each for other in run.drills for each in other.revisions}
    passed = _between(start, end, known)
    if passed is None:
        yield f"{UNKNOWN_LOSS} from {one_line(start, 60)} to {one_line(end, 60)} destroys was not drilled"
        return
    for revision in passed:
        losses = (*revision.seed_losses, *revision.losses)
        if revision.verdict == "unproven" or (revision.verdict.startswith("irreversible") and not losses):
            yield f"{UNKNOWN_LOSS} past {one_line(revision.revision, 60)} destroys is not proven"
        for loss in losses:
            yield one_line(f"{loss.table}.{loss.column}" if loss.column else f"rows of {loss.table}", 80)


def _between(start: str, end: str, known: dict[str, RevisionEvidence]) -> list[RevisionEvidence] | None:
    """The revisions from ``start`` down to above ``end``; None where one of them was not drilled."""
    passed: dict[str, RevisionEvidence] = {}
    pending = [start]
    while pending:
        name = pending.pop()
        if name == end or name in passed:
            continue
        revision = known.get(name)
        if revision is None:
            return None
        passed[name] = revision
        pending += revision.down
    return list(passed.values())


def _revisions(held: Sequence[DrillEvidence]) -> Iterator[str]:
    ends = {str(drill.facts[_END]) for drill in held if drill.facts.get(_END) not in (None, drill.facts.get(_START))}
    for name in sorted(ends):
        yield f"the database at revision {one_line(name, 60)}, before that release starts"


def _cautions(groups: Sequence[Group]) -> Iterator[str]:
    """What did not hold beside the way itself: cases that failed, interruptions that cannot be repeated, risks."""
    for group in groups:
        risks = dict.fromkeys(each.title for drill in group.drills for each in drill.accepted)
        if risks:
            yield f"accepted risk: {enumerate_words(list(risks), 2)}"
        bad = [(param, drill) for param, drill in group.failed if not _recovered(drill)]
        if not bad:
            continue
        titles = dict.fromkeys(each.title for _, drill in bad for each in drill.findings if each.fails)
        what = enumerate_words(list(titles), 2) or _reason([drill for _, drill in bad]) or "it did not hold"
        names = enumerate_words([one_line(param, 40) for param, _ in bad], 4) if group.parametrised else ""
        yield f"{names or group.title}: {what}"


def _sure(groups: Sequence[Group]) -> str:
    """``drilled in 27 cases, 1 of them not passed; also interrupted``."""
    drills = [drill for each in groups for drill in each.drills if drill.verdict not in NOT_BEGUN]
    failed = sum(drill.verdict != "passed" for drill in drills)
    words = f"drilled {count(len(drills), 'time')}"
    if failed:
        words += f", {failed} of them did not hold"
    if any(each.title.startswith(INTERRUPTED) and each.verdict == "passed" for each in groups):
        words += ", also interrupted"
    return words


def misleading(run: RunEvidence) -> Iterator[str]:
    """The commands that were drilled to the letter and misled, in the words of their drills."""
    for drill in run.drills:
        told = (seen.value is True for step in drill.steps for seen in step.observations if "misleads" in seen.title)
        if drill.title.startswith(LITERAL) and any(told):
            yield one_line(drill.title.removeprefix(LITERAL), 100)

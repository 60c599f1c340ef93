"""The question that a run was to answer, and its answer in words; colour never says more than they do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.text import count, enumerate_words, one_line
from rollback_drills.report.views.groups import NOT_BEGUN
from rollback_drills.report.views.sections import MIGRATIONS, SectionRow
from rollback_drills.report.views.summary import Tone

_WITHOUT: Final = {
    "quick-database": "its database",
    "quick-flags": "its feature flags",
    "scenario-a": "one integration at a time",
    "scenario-b": "after a failed migration",
    "scenario-c": "from a backup",
    "recovery-checklist": "by its checklist",
    "prevention": "with its safeguards",
    "reversibility": "past every migration",
}
AS_FAR: Final = "as far as it was drilled"
_RELEASE: Final = "quick-application"
_MANY: Final = 3  # exceptions beyond which a "Yes" would mislead


@dataclass(frozen=True, slots=True)
class Question:
    """``Can orders-api 2.4 go back to 2.3?`` and ``Yes, but not its database.``"""

    ask: str
    say: str
    tone: Tone

    @property
    def sentence(self) -> str:
        return f"{self.ask} {self.say}"


def of_migrations_only(run: RunEvidence) -> bool:
    """Whether nothing but migrations was drilled."""
    begun = [drill for drill in run.drills if drill.verdict not in NOT_BEGUN]
    return bool(run.drills) and all(drill.runbook == MIGRATIONS for drill in begun or run.drills)


def question(run: RunEvidence, rows: Sequence[SectionRow]) -> Question:
    """What was asked of the target, and what the run answers."""
    if of_migrations_only(run):
        return of_migrations(run)
    name = one_line(run.target.name, 80)
    ask = f"Can {name} {one_line(run.target.current, 60)} go back to {one_line(run.target.previous, 60)}?"
    say, tone = _broken_off(run) or _answer(run, rows)
    return Question(ask, say, tone)


def _broken_off(run: RunEvidence) -> tuple[str, Tone] | None:
    """The answer of a run that proved nothing, or did not come to its end; None for others."""
    counts = Counter(drill.verdict for drill in run.drills)
    total = len(run.drills)
    of = f"{{}} of {count(total, 'drill')}"
    match run.verdict:
        case "error":
            return f"Not proven: {of.format(counts['error'])} could not be carried out.", "unknown"
        case "incomplete" if counts["incomplete"]:
            were = "was" if counts["incomplete"] == 1 else "were"
            return f"Not proven: {of.format(counts['incomplete'])} {were} cut short.", "unknown"
        case "incomplete":
            begun = total - counts["not run"]
            after = count(total, "drill") if begun == total else of.format(begun)
            return f"Not proven: the run ended early, after {after}.", "unknown"
        case "skipped":
            return f"Not proven: {'every drill was skipped' if total else 'no drill was performed'}.", "unknown"
        case _:
            return None


def _answer(run: RunEvidence, rows: Sequence[SectionRow]) -> tuple[str, Tone]:
    failed = [row for row in rows if row.can == "No"]
    if run.verdict == "failed":
        return _exceptions(rows, failed), "failed"
    risks = {finding.code for drill in run.drills for finding in drill.accepted}
    with_risks = f" with {count(len(risks), 'accepted risk')}" if risks else ""
    holding = [row for row in rows if row.can in ("Yes", "In part")]
    certain = [row for row in holding if row.sure == "Drilled" and row.can == "Yes"]
    if rows and len(certain) == len(rows):
        return f"Yes{',' if risks else ''}{with_risks}.", "unknown" if risks else "passed"
    if any(row.id == _RELEASE and row.can == "Yes" for row in rows):
        accepted = f"{with_risks}," if risks else ""
        part = len(holding) - len(certain)
        only = "" if not part else ", in part" if len(holding) == 1 else f", {part} of them in part"
        return f"Yes,{accepted} {AS_FAR}: {_of(holding, rows)} {_hold(holding)}{only}.", "unknown"
    if holding:
        return f"Not proven: its release was not drilled; {_of(holding, rows)} {_hold(holding)}{with_risks}.", "unknown"
    return "Not proven: no section of the runbook was drilled; what was drilled passed.", "unknown"


def _of(some: Sequence[SectionRow], rows: Sequence[SectionRow]) -> str:
    return f"{len(some)} of {count(len(rows), 'section')}"


def _hold(some: Sequence[SectionRow]) -> str:
    return "holds" if len(some) == 1 else "hold"


def _exceptions(rows: Sequence[SectionRow], failed: Sequence[SectionRow]) -> str:
    """The answer of a run in which something failed."""
    release = next((row for row in rows if row.id == _RELEASE), None)
    if not failed:
        return "No: a drill outside the runbook failed."
    if release is None or release.can not in ("Yes", "In part") or len(failed) > _MANY:
        return f"No: {_of(failed, rows)} {'fails' if len(failed) == 1 else 'fail'}."
    words = [_WITHOUT.get(row.id, f"“{row.title}”") for row in failed]
    without = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    certain = all(row.sure == "Drilled" and row.can != "Unknown" for row in rows)
    return f"Yes, {'' if certain else f'{AS_FAR}, '}but not {without}."


def of_migrations(run: RunEvidence) -> Question:
    """Whether the migrations that ``run`` walked can be undone."""
    name = one_line(run.target.name, 80)
    ask = f"Can the migrations of {name.removeprefix('migrations of ')} be undone?"
    say, tone = _broken_off(run) or _walked(run)
    return Question(ask, say, tone)


def _walked(run: RunEvidence) -> tuple[str, Tone]:
    """How many migrations can be undone, and what that loses."""
    revisions = [(drill, each) for drill in run.drills for each in drill.revisions]
    total = len(revisions)
    bad = [each.revision for drill, each in revisions if drill.verdict == "failed"]
    if bad:
        names = enumerate_words([one_line(each, 60) for each in bad], 3)
        return f"No: {len(bad)} of {total} {'has' if len(bad) == 1 else 'have'} findings ({names}).", "failed"
    if run.verdict == "failed":
        return "No: the history as a whole has findings.", "failed"
    if not total:
        return "Not proven: no migration was walked.", "unknown"
    unproven = sum(each.verdict == "unproven" for _, each in revisions)
    final = sum(each.verdict.startswith("irreversible") for _, each in revisions)
    lossy = sum(bool(each.losses or each.seed_losses) for _, each in revisions)
    risks = {finding.code for drill in run.drills for finding in drill.accepted}
    parts = [
        f"{total - unproven - final} of {total}" + (f", with {count(len(risks), 'accepted risk')}" if risks else "")
    ]
    parts += [f"{final} irreversible by design"] if final else []
    parts += [f"{unproven} could not be proven"] if unproven else []
    parts += [f"{lossy} {'loses' if lossy == 1 else 'lose'} data when undone"] if lossy else []
    whole = not (unproven or final)
    tone: Tone = "passed" if whole and not risks else "unknown"
    return f"{'Yes,' if whole else 'In part:'} {'; '.join(parts)}.", tone

"""The first page: the question and its answer, a row for each section, and what to do next."""

from __future__ import annotations

import pytest
from support import evidence_builder as build
from support import evidence_samples as samples

from rollback_drills.evidence.model import DrillEvidence, Recovery, Verdict, Writes
from rollback_drills.evidence.revisions import RevisionEvidence, RowLoss
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.formats.html import GAME_DAY_BYTES, MIGRATIONS_BYTES, render_html
from rollback_drills.report.formats.markdown import render_markdown
from rollback_drills.report.views.report import Report, Reports, build_report
from rollback_drills.report.views.sections import SectionRow

ALL = [*build.SECTIONS, "reversibility"]


def day(**verdicts: Verdict) -> Report:
    """A run with one drill for each section; those that are named have another verdict than passed."""
    drills = [
        build.drill(
            f"t.py::test_{section}", verdicts.get(section.replace("-", "_"), "passed"), title=section, runbook=section
        )
        for section in ALL
    ]
    return build_report(build.run(*drills, sections=ALL))


@pytest.mark.parametrize(
    ("verdicts", "say", "tone"),
    [
        ({}, "Yes.", "passed"),
        ({"quick_database": "failed"}, "Yes, but not its database.", "failed"),
        (
            {"quick_database": "failed", "reversibility": "failed"},
            "Yes, but not its database or past every migration.",
            "failed",
        ),
        ({"quick_application": "failed"}, "No: 1 of 9 sections fails.", "failed"),
        ({"quick_application": "skipped", "scenario_a": "failed"}, "No: 1 of 9 sections fails.", "failed"),
        (
            {"quick_database": "failed", "scenario_a": "failed", "scenario_b": "failed", "scenario_c": "failed"},
            "No: 4 of 9 sections fail.",
            "failed",
        ),
        (
            {"prevention": "skipped", "scenario_c": "failed"},
            "Yes, as far as it was drilled, but not from a backup.",
            "failed",
        ),
        ({"prevention": "skipped"}, "Yes, as far as it was drilled: 8 of 9 sections hold.", "unknown"),
        (
            {"quick_application": "skipped"},
            "Not proven: its release was not drilled; 8 of 9 sections hold.",
            "unknown",
        ),
        ({"quick_flags": "error"}, "Not proven: 1 of 9 drills could not be carried out.", "unknown"),
    ],
)
def test_the_answer_names_its_exception_and_its_colour_says_no_more(
    verdicts: dict[str, Verdict], say: str, tone: str
) -> None:
    report = day(**verdicts)
    assert (report.answer.say, report.answer.tone) == (say, tone)


def row(*drills: DrillEvidence) -> SectionRow:
    return build_report(build.run(*drills, sections=["quick-application"])).section_rows[0]


def test_can_we_and_how_sure_are_two_axes() -> None:
    assert (row(build.drill()).can, row(build.drill()).sure) == ("Yes", "Drilled")
    part = row(build.drill(gaps=["no metrics"]))
    assert (part.can, part.sure, part.sure_why) == ("Yes", "In part", "no metrics")
    failed = row(build.drill(verdict="failed"))
    assert (failed.can, failed.sure) == ("No", "Drilled")
    broken = row(build.drill(), build.drill("t.py::test_b", "error"))
    assert (broken.can, broken.note) == ("Unknown", "1 drill broke off")
    skipped = row(build.drill(verdict="skipped", reason="no backup"))
    assert (skipped.can, skipped.sure) == ("Unknown", "Not drilled")
    shown = row(build.drill(title="To the letter: x"))
    assert shown.can == "Unknown"  # it asks nothing
    elsewhere = row(build.drill(), build.drill("t.py::test_b", "skipped", lacks=["compose"]))
    assert (elsewhere.sure, elsewhere.sure_why) == ("In part", "1 drill; 1 needs compose")


def test_a_row_says_how_long_of_what_and_what_was_lost() -> None:
    good = row(build.drill(recovery=build.recovery(2.1), writes=Writes(acknowledged=55)))
    assert (good.long, good.long_of, good.lost, good.lost_of) == ("2.1 s", "of 2 min", "nothing", "of 55 writes")
    assert (good.share, good.bold) == (pytest.approx(2.1 / 120), frozenset())
    never = row(
        build.drill(
            verdict="failed",
            recovery=Recovery(objective=None, objective_seconds=5, started=0, seconds=None),
            writes=Writes(acknowledged=50, lost=("a", "b"), judged=False),
        )
    )
    assert (never.long, never.lost, never.lost_of) == (
        "not reached",
        "2 writes",
        "of 50; whether expected was not reached",
    )
    assert never.bold == {"long", "lost"}
    given_up = row(build.drill(writes=Writes(acknowledged=50, lost=("a", "b"), expected_lost=2)))
    assert (given_up.lost, given_up.lost_of, given_up.bold) == ("2 writes", "of 50, all expected", frozenset())


def test_one_repair_is_one_thing_to_do() -> None:
    found = [build.finding("rows-lost", f"{number} rows are gone") for number in (13, 14)]
    drills = [
        build.drill(f"t.py::test_{number}", "failed", title=f"Drill {number}", findings=[each])
        for number, each in enumerate(found)
    ]
    report = build_report(build.run(*drills))
    (cause,) = report.causes
    assert (cause.where, cause.more, cause.what) == ("Drill 0 and Drill 1", 1, "13 rows are gone")
    assert cause.again == "pytest t.py::test_0"
    assert report.to_do[0].what == f"{cause.title}."
    assert report.to_do[0].href == f"#{cause.anchor}"


def test_what_is_not_proven_and_what_is_a_persons_is_to_do_too() -> None:
    report = build_report(build.run(build.drill(), build.drill("t.py::test_b", "skipped", lacks=["compose"])))
    said = [each.what for each in report.to_do]
    assert said[:2] == ["Drill 7 more sections.", "Drill with --drill-runtime=compose as well."]
    assert said[2].startswith("Tick ")


NAME = "drills/test_reversibility.py::test_reversibility"
LOSS = RowLoss(table="public.t", column="c", rows=5, written="after", line="values of public.t.c")


def walked(*revisions: RevisionEvidence, verdict: Verdict = "passed") -> RunEvidence:
    drills = [
        build.drill(f"{NAME}[{each.revision}]", verdict, title="A migration", runbook="reversibility", revisions=[each])
        for each in revisions
    ]
    return build.run(*drills, sections=ALL)


def revision(name: str, verdict: str = "lossless", **fields: object) -> RevisionEvidence:
    return RevisionEvidence.model_validate({"revision": name, "verdict": verdict, **fields})


@pytest.mark.parametrize(
    ("run", "say", "tone"),
    [
        (walked(revision("a"), revision("b")), "Yes, 2 of 2.", "passed"),
        (
            walked(revision("a"), revision("b", "lossy by design", losses=(LOSS,))),
            "Yes, 2 of 2; 1 loses data when undone.",
            "passed",
        ),
        (
            walked(revision("a"), revision("b", "irreversible by design")),
            "In part: 1 of 2; 1 irreversible by design.",
            "unknown",
        ),
        (walked(revision("a"), revision("b", "unproven")), "In part: 1 of 2; 1 could not be proven.", "unknown"),
        (walked(revision("a", "irreversible"), verdict="failed"), "No: 1 of 1 has findings (a).", "failed"),
        (walked(), "Not proven: no drill was performed.", "unknown"),
    ],
)
def test_migrations_alone_have_a_question_of_their_own(run: RunEvidence, say: str, tone: str) -> None:
    answer = build_report(run).answer
    assert (answer.say, answer.tone) == (say, tone)
    if run.drills:
        assert answer.ask == "Can the migrations of reference gateway be undone?"


def test_a_document_of_migrations_speaks_of_nothing_else_and_is_small() -> None:
    run = walked(*(revision(f"{number:04d}_some_change", losses=(LOSS,)) for number in range(16)))
    page, text = render_html(Reports(run)), render_markdown(Reports(run))
    body = page[page.index("</style>") : page.index("<script>")]
    for word in ("runbook", "flag", "webhook", "Do not rely", "checklist"):
        assert word not in body.lower(), word
        assert word not in text.lower(), word
    assert body.count("_some_change") >= 16
    assert len(page.encode()) < MIGRATIONS_BYTES


def test_a_game_day_of_eighty_drills_is_small() -> None:
    run = samples.large(80, "a line of a log\n" * 40, steps=8)
    assert len(render_html(Reports(run)).encode()) < GAME_DAY_BYTES

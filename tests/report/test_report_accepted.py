"""Accepted risks and known gaps in every form of the report: told, never hidden, and never what failed."""

from __future__ import annotations

import re

import pytest
from support import evidence_builder as build

from rollback_drills.evidence.model import (
    Acceptance,
    Check,
    DrillEvidence,
    Finding,
)
from rollback_drills.evidence.run import (
    AcceptedRisk,
    RunEvidence,
)
from rollback_drills.report.formats.html import render_html
from rollback_drills.report.formats.markdown import render_markdown
from rollback_drills.report.formats.terminal import terminal_lines
from rollback_drills.report.views.report import Reports, build_report

OWNER = "payments <b>team</b>"
ACCEPTANCE = Acceptance(reason="the vendor mends it", owner=OWNER, until="2026-12-31")


def accepted(code: str = "flag-ignored") -> Finding:
    return build.finding(code, "github answers 200", step="Turn it off").model_copy(update={"accepted": ACCEPTANCE})


def gap() -> Finding:
    return build.finding("integration-without-flag", "jira has none").model_copy(update={"severity": "info"})


def drill(*findings: Finding) -> DrillEvidence:
    check = Check(title="off", expected=True, observed=False, passed=False, at=1, finding="flag-ignored", accepted=True)
    return build.drill("t.py::test_a", findings=findings, steps=[build.step(1, "Turn it off", 0, 1, check)])


def risk(state: str = "used", days_left: int = 38, **changes: object) -> AcceptedRisk:
    return AcceptedRisk.model_validate(
        {"finding": "flag-ignored", "acceptance": ACCEPTANCE, "found": 1, "days_left": days_left, "state": state}
        | changes
    )


def run_of(*drills: DrillEvidence, risks: tuple[AcceptedRisk, ...] = ()) -> RunEvidence:
    return build.run(*drills, sections=["quick-application"]).model_copy(update={"accepted": risks})


def test_a_run_with_accepted_risks_passes_and_nobody_can_overlook_them():
    report = build_report(run_of(drill(accepted()), risks=(risk(),)))
    assert report.headline.verdict == "passed"
    assert report.headline.sentence == "Can reference gateway 0.5.0 go back to 0.4.0? Yes, with 1 accepted risk."
    assert any("flag-ignored (payments" in note and "until 2026-12-31" in note for note in report.headline.notes)
    assert (report.rows[0].answer, report.rows[0].found) == ("Yes, with accepted risks", "1 accepted")
    assert report.failures == ()
    assert [(each.severity, each.accepted[:11]) for each in report.known] == [("accepted", "accepted by")]


def test_known_gaps_are_told_and_are_no_risk_that_somebody_accepted():
    report = build_report(run_of(drill(gap())))
    assert report.answer.say == "Yes."
    assert "1 known gap." in report.headline.notes
    assert (report.rows[0].answer, report.rows[0].found, report.failures) == ("Yes", "1 known gap", ())


def test_what_fails_comes_first_beside_what_is_accepted():
    failed = build.drill("t.py::test_b", "failed", findings=[build.finding("flag-ignored", "jira answers 200")])
    report = build_report(run_of(drill(accepted(), gap()), failed))
    assert [problem.severity for problem in report.problems] == ["critical", "accepted", "info"]
    assert [problem.worst_detail for problem in report.failures] == ["jira answers 200"]


def test_a_plain_failure_beside_an_accepted_risk_is_not_hidden_by_it():
    broken = drill(accepted()).model_copy(update={"verdict": "failed", "reason": "a plain check"})
    assert [problem.code for problem in build_report(run_of(broken)).failures] == ["failed-check"]


@pytest.mark.parametrize(
    ("given", "said", "warn"),
    [
        (risk(), "found 1 time", False),
        (risk(days_left=14), "found 1 time; expires in 14 days", True),
        (risk(days_left=15), "found 1 time", False),
        (risk(days_left=0), "found 1 time; expires today", True),
        (risk("expired", -1), "found 1 time; expired 1 day ago and fails drills again", True),
        (risk("not needed", found=0), "not needed: not found, remove it from the target file", True),
        (risk("not judged", found=0), "not judged: this run did not look for it everywhere", False),
    ],
)
def test_what_is_said_of_each(given: AcceptedRisk, said: str, warn: bool):
    report = build_report(run_of(drill(accepted()), risks=(given,)))
    assert [(each.said, each.warn) for each in report.accepted] == [(said, warn)]
    assert any(said in note for note in report.headline.notes) == warn


def test_every_form_shows_them_escaped():
    run = run_of(drill(accepted(), gap()), risks=(risk(), risk("not needed", found=0, subject="<i>")))
    page, text = render_html(Reports(run)), render_markdown(Reports(run))
    lines = "\n".join(line for line, _ in terminal_lines(Reports(run), "r"))
    assert '<h2 id="accepted">Accepted risks</h2>' in page
    assert "payments &lt;b&gt;team&lt;/b&gt;" in page
    assert "<b>team" not in page
    assert "<i>" not in page.replace("<i>✓", "").replace("<i>!", "")
    assert "1 accepted</span>" not in page
    assert "## Accepted risks and known gaps" in text
    assert "## To do first" not in text
    assert "<b>" not in text
    assert re.search(r"accepted   .*\[flag-ignored\]", lines)
    assert re.search(r"known gap  .*\[integration-without-flag\]", lines.replace("\n           ", " "))
    assert "Yes, with 1 accepted risk." in lines
    assert "not needed" in lines

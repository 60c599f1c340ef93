"""The comment of ``--drill-markdown``: its title never says more than the walk has proven."""

from __future__ import annotations

import pytest
from support import evidence_builder as build

from rollback_drills.evidence.model import Acceptance, DrillEvidence, Verdict
from rollback_drills.evidence.revisions import RevisionEvidence
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.pytest_plugin.walk_markdown import markdown_of

ASK = "Can the migrations of reference gateway be undone?"
RISK = build.finding("rows-lost", "0002: a row is gone").model_copy(
    update={"accepted": Acceptance(reason="known", owner="the team", until="2027-01-01")}
)


def walked(name: str, verdict: Verdict = "passed", revision: str = "lossless", reason: str = "") -> DrillEvidence:
    revisions = [RevisionEvidence(revision=name, verdict=revision)] if revision else []
    identifier = f"drills/test_reversibility.py::test_reversibility[{name}]"
    return build.drill(identifier, verdict, runbook="reversibility", reason=reason, revisions=revisions)


GOOD = walked("0001")
SHORT = walked("0002", "incomplete", "", "interrupted (Ctrl-C)")
LEFT_OUT = walked("0002", "not run", "", "interrupted (Ctrl-C)")


@pytest.mark.parametrize(
    ("run", "title"),
    [
        (build.run(GOOD), f"✅ {ASK} Yes, 1 of 1."),
        (build.run(GOOD, build.drill(verdict="failed")), f"✅ {ASK} Yes, 1 of 1."),
        (
            build.run(GOOD, walked("0002", revision="irreversible by design")),
            f"⚠️ {ASK} In part: 1 of 2; 1 irreversible by design.",
        ),
        (
            build.run(GOOD, walked("0002", revision="unproven")),
            f"⚠️ {ASK} In part: 1 of 2; 1 could not be proven.",
        ),
        (build.run(GOOD, SHORT), f"⚠️ {ASK} Not proven: 1 of 2 drills was cut short."),
        (build.run(GOOD, LEFT_OUT), f"⚠️ {ASK} Not proven: the run ended early, after 1 of 2 drills."),
        (build.run(GOOD, interrupted="Ctrl-C"), f"⚠️ {ASK} Not proven: the run ended early, after 1 drill."),
        (
            build.run(GOOD, walked("0002").model_copy(update={"findings": (RISK,)})),
            f"⚠️ {ASK} Yes, 2 of 2, with 1 accepted risk.",
        ),
        (build.run(walked("0001", "error", "", "no engine")), f"⚠️ {ASK} Not proven: 1 of 1 drill could not be carried"),
    ],
    ids=["good", "another drill", "irreversible", "unproven", "cut short", "not run", "interrupted", "risk", "error"],
)
def test_the_title_is_the_answer_of_the_document(run: RunEvidence, title: str) -> None:
    assert markdown_of(run).startswith(f"### {title}")


@pytest.mark.parametrize(("left", "verdict"), [(SHORT, "incomplete"), (LEFT_OUT, "not run")])
def test_what_cut_the_walk_short_is_said(left: DrillEvidence, verdict: Verdict) -> None:
    assert left.verdict == verdict
    assert markdown_of(build.run(GOOD, left)).endswith("\n\nNot proven: interrupted (Ctrl-C)\n")


def test_nothing_new_is_not_said_of_a_run_that_was_cut_short() -> None:
    skipped = walked("0001", "skipped", "")
    assert markdown_of(build.run(skipped), "no revision is newer").startswith("### ✅ Migrations: none is new\n")
    cut = markdown_of(build.run(skipped, interrupted="Ctrl-C"), "no revision is newer")
    assert cut.startswith(f"### ⚠️ {ASK} Not proven: the run ended early")

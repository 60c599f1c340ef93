"""Accepted risks: what is accepted today, what no longer, what was never needed; and gaps that fail nothing."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from rollback_drills.core.errors import TargetError
from rollback_drills.core.meter import Meter
from rollback_drills.core.redaction import Redactor
from rollback_drills.drill.acceptance import Acceptances, matches
from rollback_drills.drill.drill import Drill
from rollback_drills.drill.plan import (
    AcceptedRiskError,
    CheckFailedError,
    Plan,
)
from rollback_drills.evidence.model import DrillEvidence
from rollback_drills.target.accepted import Accepted
from rollback_drills.target.target import Target

TODAY = date(2026, 11, 23)
REFERENCE = Path(__file__).parents[2] / "fixtures" / "targets" / "reference.toml"


def accept(finding: str = "flag-ignored", until: date = TODAY, **narrowed: Any) -> Accepted:
    return Accepted(finding=finding, reason="its vendor mends it", owner="payments team", until=until, **narrowed)


@pytest.fixture
def make(tmp_path: Path, reference_target: Target):
    def make(*accepted: Accepted, id: str = "drills/test_a.py::test_flag[github]") -> Drill:
        return Drill(
            Plan(id=id, title="t", runbook="scenario-a"),
            target=reference_target,
            meter=Meter(),
            redactor=Redactor(),
            directory=tmp_path,
            acceptances=Acceptances(accepted, TODAY),
        )

    return make


def perform(drill: Drill, *findings: str, **options: Any) -> DrillEvidence:
    """A drill in which a check fails for each of these findings, and which ends with one that holds."""
    with drill, drill.step("Look"):
        for each in findings:
            drill.check("it holds", False, finding=each, **options)
        drill.check("the end is reached", True)
    return drill.evidence()


def test_a_check_whose_finding_is_accepted_is_recorded_and_the_drill_goes_on(make: Any):
    evidence = perform(make(accept()), "flag-ignored")
    assert (evidence.verdict, evidence.reason) == ("passed", "")
    assert [(check.passed, check.accepted) for check in evidence.steps[0].checks] == [(False, True), (True, False)]
    assert evidence.steps[0].outcome == "passed"
    (found,) = evidence.accepted
    assert found.accepted is not None
    assert (found.accepted.owner, found.accepted.until) == ("payments team", "2026-11-23")


def perform_together(drill: Drill, *findings: str, **options: Any) -> None:
    with drill, drill.step("Look"), drill.together():
        for each in findings:
            drill.check("it holds", False, finding=each, **options)


@pytest.mark.parametrize(
    "narrowed",
    [{}, {"drill": "*::test_flag*"}, {"drill": "*::test_flag[github]"}, {"subject": "git*"}, {"subject": "githu?"}],
)
def test_it_may_be_narrowed_to_drills_and_subjects(make: Any, narrowed: dict[str, str]):
    assert perform(make(accept(**narrowed)), "flag-ignored").verdict == "passed"


@pytest.mark.parametrize(
    "accepted",
    [
        [],
        [accept("neighbour-affected")],
        [accept(drill="*::test_other*")],
        [accept(subject="gitlab")],
        [accept(subject="git")],
        [accept(until=date(2026, 11, 22))],
    ],
    ids=["none", "another code", "another drill", "another subject", "a part of the subject", "expired"],
)
def test_what_is_not_accepted_fails_as_ever(make: Any, accepted: list[Accepted]):
    drill = make(*accepted)
    with pytest.raises(CheckFailedError):
        perform(drill, "flag-ignored")
    assert drill.evidence().verdict == "failed"


def test_the_day_after_the_last_one_the_finding_says_whose_acceptance_has_expired(make: Any):
    drill = make(accept(until=date(2026, 11, 22)))
    with pytest.raises(CheckFailedError, match="flag-ignored"):
        perform(drill, "flag-ignored")
    (found,) = drill.evidence().findings
    assert found.detail.endswith(
        "this risk was accepted until 2026-11-22 by payments team (its vendor mends it), and is so no longer"
    )
    assert (found.accepted, found.expired is not None, found.fails) == (None, True, True)


def test_of_several_acceptances_the_one_that_lasts_longest_counts(make: Any):
    assert perform(make(accept(until=date(2026, 1, 1)), accept(until=TODAY)), "flag-ignored").verdict == "passed"


def test_one_that_is_not_accepted_fails_the_drill_beside_one_that_is(make: Any):
    drill = make(accept())
    with pytest.raises(CheckFailedError) as failure:
        perform_together(drill, "flag-ignored", "neighbour-affected")
    assert "flag-ignored" not in str(failure.value)
    assert [finding.fails for finding in drill.evidence().findings] == [False, True]
    assert "flag-ignored" not in drill.evidence().reason


def test_a_finding_without_a_check_is_accepted_as_well(make: Any):
    with make(accept("objective-missed")) as drill:
        assert not drill.find("objective-missed", "too slow").fails
    assert drill.evidence().verdict == "passed"


def test_a_vital_check_ends_the_drill_and_nothing_more_is_proven(make: Any):
    drill = make(accept())
    with pytest.raises(AcceptedRiskError):
        perform(drill, "flag-ignored", vital=True)
    evidence = drill.evidence()
    assert (evidence.verdict, len(evidence.steps[0].checks)) == ("skipped", 1)
    assert "flag-ignored" in evidence.reason
    assert "not proven" in evidence.reason


def test_a_vital_check_does_not_hide_what_failed_before_it(make: Any):
    drill = make(accept())
    with pytest.raises(CheckFailedError):
        perform_together(drill, "neighbour-affected", "flag-ignored", vital=True)
    assert drill.evidence().verdict == "failed"


def test_a_gap_is_told_and_never_fails(make: Any):
    with make() as drill, drill.step("Look"):
        drill.note_gap("integration-without-flag", "github has no flag, and need not have one", subject="github")
    evidence = drill.evidence()
    assert (evidence.verdict, evidence.accepted) == ("passed", ())
    assert [(each.severity, each.subject, each.fails) for each in evidence.findings] == [("info", "github", False)]


def states(accepted: list[Accepted], *drills: DrillEvidence, full: bool = True) -> list[str]:
    return [each.state for each in Acceptances(accepted, TODAY).account(drills, full=full)]


def test_what_a_run_says_of_each_accepted_risk(make: Any):
    accepted = [accept(), accept("neighbour-affected"), accept("flag-ignored", until=date(2026, 11, 1), subject="x")]
    evidence = perform(make(*accepted), "flag-ignored")
    assert states(accepted, evidence) == ["used", "not needed", "not needed"]
    assert states(accepted, evidence, full=False) == ["used", "not judged", "expired"]


def test_what_skipped_drills_might_have_found_is_not_said_to_be_needless(make: Any):
    ended, skipped = perform(make()), make(id="drills/test_a.py::test_other").skip("no flags")
    assert states([accept()], ended, skipped) == ["not judged"]
    assert states([accept(drill="*test_flag*")], ended, skipped) == ["not needed"]
    assert states([accept()], skipped) == ["not judged"]


def test_a_check_that_held_says_that_an_acceptance_is_not_needed_whatever_was_skipped(make: Any):
    with make() as drill, drill.step("Look"):
        drill.check("it holds", True, finding="flag-ignored")
    skipped = make(id="drills/test_a.py::test_other").skip("no flags")
    assert states([accept()], drill.evidence(), skipped) == ["not needed"]


def test_brackets_of_a_pattern_mean_themselves():
    assert matches("*::test_x[a]", "m.py::test_x[a]")
    assert not matches("*::test_x[a]", "m.py::test_xa")
    assert matches("a*c", "a\nc")


def load(tmp_path: Path, text: str) -> Target:
    file = tmp_path / "target.toml"
    file.write_text(f"{text}\n{REFERENCE.read_text()}")
    return Target.load(file, {"BASE_IMAGE": "x"})


def test_the_table_of_a_target_file(tmp_path: Path):
    target = load(
        tmp_path,
        "accepted = [{finding = 'flag-ignored', reason = 'known', owner = 'me', until = 2026-12-31, subject = 'jira'}]",
    )
    assert target.accepted[0].until == date(2026, 12, 31)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("finding = 'flag-ignord', reason = 'known', owner = 'me', until = 2026-12-31", "flag-ignored"),
        ("finding = 'flag-ignored', reason = 'known', owner = 'me', until = 'soon'", "accepted[0].until"),
        ("finding = 'flag-ignored', reason = 'known', until = 2026-12-31", "needs the key 'owner'"),
        ("finding = 'flag-ignored', reason = '', owner = 'me', until = 2026-12-31", "accepted[0].reason"),
        ("finding = 'flag-ignored', reason = 'known', owner = 'me', untill = 2026-12-31", "did you mean 'until'?"),
    ],
)
def test_mistakes_in_it_are_told(tmp_path: Path, table: str, said: str):
    with pytest.raises(TargetError) as refusal:
        load(tmp_path, f"accepted = [{{{table}}}]")
    assert said in str(refusal.value)

"""The card for the night: the way back that worked best, its price, and never better than what was drilled."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import evidence_builder as build
from support import evidence_samples as samples

from rollback_drills.cli import main
from rollback_drills.evidence.model import Acceptance, DrillEvidence, Finding, Observation, Verdict, Writes
from rollback_drills.evidence.revisions import RevisionEvidence, RowLoss
from rollback_drills.report.filing.filing import write_report
from rollback_drills.report.formats.card_lines import card_lines
from rollback_drills.report.views.card import Advice, Card, card
from rollback_drills.report.views.report import Reports

INTEGRATION, RELEASE, MIGRATION, DATA = range(4)


def drilled(
    name: str,
    runbook: str,
    verdict: Verdict = "passed",
    *,
    seconds: float | None = 2.0,
    lost: int = 0,
    judged: bool = True,
    **rest: object,
) -> DrillEvidence:
    """A drill that measures a way back."""
    writes = Writes(
        acknowledged=40,
        lost=tuple(map(str, range(lost))),
        expected_lost=lost,
        rpo_seconds=lost / 10,
        judged=judged,
    )
    title = f"{runbook}: {name}"
    return build.drill(
        f"t.py::test_{name}", verdict, runbook=runbook, title=title, recovery=build.recovery(seconds), writes=writes
    ).model_copy(update=rest)


def made(*drills: DrillEvidence) -> Card:
    found = card(build.run(*drills))
    assert found is not None
    return found


def answer(place: int, *drills: DrillEvidence) -> Advice:
    return made(*drills).answers[place]


def test_the_least_destructive_way_that_worked_is_the_answer_and_the_next_one_is_named() -> None:
    drills = [
        drilled("flag", "quick-flags", seconds=1.4),
        drilled("release", "quick-application"),
        drilled("restore", "scenario-c", lost=12),
    ]
    found = made(*drills)
    assert [each.way.name for each in found.answers] == ["flag", "release", "restore", "restore"]
    assert found.answers[INTEGRATION].otherwise is not None
    assert found.answers[INTEGRATION].otherwise.name == "release"
    assert [each.price for each in found.answers[:2]] == ["loses no write", "loses no write"]
    data = found.answers[DATA]
    assert (data.price, data.way.grows) == (
        "loses 12 of 40 writes",
        "every write since the backup: 600 a minute at the drill's load",
    )


def test_the_longest_of_several_recoveries_counts() -> None:
    drills = [drilled("one", "quick-flags", seconds=1.0), drilled("two", "scenario-a", seconds=7.5)]
    assert answer(INTEGRATION, *drills).way.recovery == "7.5 s"


@pytest.mark.parametrize(
    ("verdict", "seconds", "state"),
    [
        ("failed", 2.0, "failed"),
        ("failed", None, "failed"),
        ("error", None, "not proven"),
        ("incomplete", None, "not proven"),
        ("skipped", None, "not proven"),
        ("not run", None, "not proven"),
        ("passed", None, "not proven"),
    ],
)
def test_a_way_that_did_not_pass_is_never_offered(verdict: Verdict, seconds: float | None, state: str) -> None:
    found = answer(RELEASE, drilled("release", "quick-application", verdict, seconds=seconds))
    assert (found.way.works, found.way.state) == (False, state)


def test_a_way_that_failed_gives_way_to_the_next_and_is_what_not_to_do() -> None:
    findings = (build.finding("rows-lost", "13 rows"),)
    drills = [
        drilled("release", "quick-application", "failed", findings=findings),
        drilled("restore", "scenario-c", lost=3),
    ]
    found = made(*drills)
    assert found.answers[RELEASE].way.name == "restore"
    assert found.never[0].startswith("start release 0.4.0: rows that should survive")


def test_one_failed_drill_refutes_a_way_although_another_of_it_passed() -> None:
    drills = [drilled("one", "quick-flags"), drilled("two", "quick-flags", "failed")]
    assert not answer(INTEGRATION, *drills).way.works


def test_flags_that_failed_are_cautions_for_the_others() -> None:
    found = answer(INTEGRATION, *samples.scenario_a("slack"))
    assert (found.way.works, found.way.recovery) == (True, "1.3 s")
    assert found.way.cautions == ("slack: A disabled integration still answers",)
    assert "1 of them did not hold" in found.way.sure


def test_a_way_that_failed_for_most_cases_is_none() -> None:
    assert not answer(INTEGRATION, *samples.scenario_a(*build.INTEGRATIONS[:11])).way.works
    assert answer(INTEGRATION, *samples.scenario_a(*build.INTEGRATIONS[:10])).way.works


def case(name: str, verdict: Verdict = "passed", **rest: object) -> DrillEvidence:
    """One of the ways in which a migration fails."""
    return drilled("migration", "scenario-b", verdict, **rest).model_copy(  # type: ignore[arg-type]
        update={"id": f"t.py::test_migration[{name}]", "title": "Scenario B: a migration fails"}
    )


def test_one_case_that_failed_refutes_a_way_whose_circumstances_nobody_chooses() -> None:
    findings = (build.finding("rows-lost", "13 rows"),)
    passed = [case(str(number)) for number in range(5)]
    found = made(*passed, case("late", "failed", lost=13, findings=findings))
    assert (found.answers[MIGRATION].way.works, found.answers[MIGRATION].way.state) == (False, "failed")
    assert found.never[0].startswith("undo only what it left, start the last good release: rows that should survive")
    broken_off = made(*passed, case("late", "error").model_copy(update={"recovery": None}))
    assert broken_off.answers[MIGRATION].way.works  # nothing is known of that case, which is a caution
    assert broken_off.answers[MIGRATION].way.cautions[0].startswith("late: ")


def test_what_a_flag_that_failed_has_lost_and_taken_counts() -> None:
    flags = [
        drilled(name, "scenario-a", verdict, lost=lost, seconds=seconds).model_copy(
            update={"id": f"t.py::test_flag[{name}]", "title": "Scenario A: a flag"}
        )
        for name, verdict, lost, seconds in (("a", "passed", 0, 1.0), ("b", "passed", 0, 1.0), ("c", "failed", 4, 9.0))
    ]
    found = answer(INTEGRATION, *flags)
    assert (found.way.works, found.price, found.way.recovery) == (True, "loses 4 of 120 writes", "9 s")
    unknown = answer(INTEGRATION, *flags[:2], flags[2].model_copy(update={"writes": None}))
    assert unknown.price == "lost writes: not measured"


def test_what_was_not_measured_or_not_judged_is_not_called_nothing() -> None:
    unjudged = drilled("release", "quick-application", lost=4, judged=False)
    assert answer(RELEASE, unjudged).price == "lost writes: not judged"
    unmeasured = unjudged.model_copy(update={"writes": None})
    assert answer(RELEASE, unmeasured).price == "lost writes: not measured"
    silent = unjudged.model_copy(update={"writes": Writes(acknowledged=0)})
    assert answer(RELEASE, silent).price == "lost writes: no write was under way"


def test_an_accepted_risk_is_a_caution() -> None:
    finding = Finding.model_validate(
        build.finding("rows-lost", "1 row").model_dump()
        | {"accepted": Acceptance(reason="r", owner="o", until="2027-01-01").model_dump()}
    )
    found = answer(RELEASE, drilled("release", "quick-application", findings=(finding,)))
    assert found.way.works
    assert found.way.cautions[0].startswith("accepted risk: Rows that should survive")


FACTS = {"database revision at the start": "0003", "database revision at the end": "0001"}


def test_what_going_back_drops_is_taken_from_the_migrations_that_it_passes() -> None:
    loss = RowLoss(table="public.t", column="c", rows=5, written="after", line="values of public.t.c")
    other = loss.model_copy(update={"table": "public.never", "column": "x"})
    revisions = (
        RevisionEvidence(revision="0001", verdict="lossy", losses=(other,)),
        RevisionEvidence(revision="0002", down=("0001",), verdict="lossless"),
        RevisionEvidence(revision="0003", down=("0002",), verdict="lossy", losses=(loss,)),
    )
    walk = build.drill("t.py::test_walk", runbook="reversibility", revisions=revisions)
    release = drilled("release", "quick-application", facts=FACTS)
    assert answer(RELEASE, release, walk).price == "loses no write; drops public.t.c"
    alone = answer(RELEASE, release)
    assert alone.price == "loses no write; what the downgrade from 0003 to 0001 destroys was not drilled"


@pytest.mark.parametrize("verdict", ["unproven", "irreversible", "irreversible by design"])
def test_what_no_walk_has_proven_of_a_migration_is_not_called_nothing(verdict: str) -> None:
    loss = RowLoss(table="public.t", column="c", rows=5, written="after", line="values of public.t.c")
    revisions = (
        RevisionEvidence(revision="0002", down=("0001",), verdict=verdict),
        RevisionEvidence(revision="0003", down=("0002",), verdict="lossy", losses=(loss,)),
    )
    walk = build.drill("t.py::test_walk", runbook="reversibility", revisions=revisions)
    found = answer(RELEASE, drilled("release", "quick-application", facts=FACTS), walk)
    unknown = "what the downgrade past 0002 destroys is not proven"
    assert found.price == f"loses no write; drops public.t.c; {unknown}"
    shown = revisions[0].model_copy(update={"losses": (loss,)})
    walk = build.drill("t.py::test_walk", runbook="reversibility", revisions=(shown, revisions[1]))
    known = answer(RELEASE, drilled("release", "quick-application", facts=FACTS), walk)
    assert (unknown in known.price) == (verdict == "unproven")


def test_what_the_drills_have_shown_to_do_harm_is_what_not_to_do() -> None:
    shown = Observation(title="revision", value="0012 → 0011", at=1.0)
    same = shown.model_copy(update={"value": "0012 → 0012"})
    title = "On a copy: what a blind `downgrade -1` would have destroyed"

    def blind(seen: Observation) -> Card:
        step = build.step(1, title, 1.0, 1.0, observations=[seen])
        return made(drilled("way", "scenario-b").model_copy(update={"steps": (step,)}))

    assert any("downgrade -1" in warning for warning in blind(shown).never)
    assert not blind(same).never
    misled = Observation(title="the command misleads", value=True, at=1.0)
    letter = build.drill(
        "t.py::test_letter",
        title="To the letter: dropdb under a gateway that runs",
        runbook="scenario-c",
        steps=[build.step(1, "x", 0.1, 0.1, observations=[misled])],
    )
    assert made(letter).never == ("trust these commands, which misled in the drill: dropdb under a gateway that runs",)
    assert not made(letter).answers[DATA].way.works  # it shows what a command does, and restores nothing


def test_a_walk_through_migrations_has_no_card() -> None:
    assert card(build.run(build.drill(runbook="reversibility"))) is None


def test_it_is_printed_at_three_in_the_morning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_report(Reports(samples.game_day()), tmp_path)
    assert main(["card", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "1  ONE INTEGRATION MISBEHAVES\n   do     Turn its flag off: 1.3 s\n" in said
    assert "no way back is proven" in said
    assert "DO NOT\n   - downgrade the database" in said
    assert max(map(len, said.splitlines())) <= 80
    assert main(["card", str(tmp_path / "nowhere")]) == 2


@pytest.mark.parametrize("width", [60, 80, 120])
def test_its_lines_fit_and_nothing_is_cut(width: int) -> None:
    lines = list(card_lines(made(*samples.game_day().drills), width))
    assert all(len(text) <= width for text, _ in lines)
    assert not any("…" in text for text, _ in lines)

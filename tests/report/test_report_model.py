"""What the report says: verdict, grouping, coverage, checklist, findings."""

from __future__ import annotations

import re

import pytest
from support import evidence_builder as build
from support import evidence_samples as samples

from rollback_drills.evidence.model import DrillEvidence, Recovery, Verdict, Writes
from rollback_drills.evidence.run import NotSelected
from rollback_drills.report.formats.junit import properties
from rollback_drills.report.text import cut, humanise, moment, seconds, visible
from rollback_drills.report.views.groups import group_drills, split_id
from rollback_drills.report.views.limits import Limits
from rollback_drills.report.views.report import build_report
from rollback_drills.report.views.timeline import ticks, timeline
from rollback_drills.report.views.values import Diff, Items, Pairs, Plain, view

VERDICTS: tuple[Verdict, ...] = ("passed", "failed", "error", "skipped", "incomplete", "not run")


def of(*verdicts: Verdict) -> tuple[DrillEvidence, ...]:
    return tuple(
        build.drill(f"t.py::test_{index}", verdict, reason=f"because {index}") for index, verdict in enumerate(verdicts)
    )


@pytest.mark.parametrize(
    ("verdicts", "interrupted", "tone", "says"),
    [
        (("passed",), "", "passed", "Yes."),
        (("passed", "passed"), "", "passed", "Yes."),
        (("passed", "skipped"), "", "unknown", "Yes, as far as it was drilled: 1 of 1 section holds, in part."),
        (("passed", "failed", "error"), "", "failed", "No: 1 of 1 section fails."),
        (("failed",), "Ctrl-C", "failed", "No: 1 of 1 section fails."),
        (("passed", "error", "incomplete"), "", "unknown", "Not proven: 1 of 3 drills could not be carried out."),
        (("passed", "incomplete"), "", "unknown", "Not proven: 1 of 2 drills was cut short."),
        (("passed", "passed"), "Ctrl-C", "unknown", "Not proven: the run ended early, after 2 drills."),
        (
            ("passed", "not run", "not run"),
            "Ctrl-C",
            "unknown",
            "Not proven: the run ended early, after 1 of 3 drills.",
        ),
        (("passed", "not run"), "", "unknown", "Not proven: the run ended early, after 1 of 2 drills."),
        (("skipped", "skipped"), "", "unknown", "Not proven: every drill was skipped."),
        ((), "", "unknown", "Not proven: no drill was performed."),
    ],
)
def test_verdict_of_every_mix(verdicts: tuple[Verdict, ...], interrupted: str, tone: str, says: str) -> None:
    run = build.run(*of(*verdicts), interrupted=interrupted, sections=["quick-application"])
    report = build_report(run)
    headline = report.headline
    assert (headline.verdict, headline.tone, report.answer.say) == (run.verdict, tone, says)
    assert headline.sentence == f"Can reference gateway 0.5.0 go back to 0.4.0? {says}"
    assert any("Ctrl-C" in note for note in headline.notes) == bool(interrupted)


def test_a_measurement_that_is_no_test_is_told_so_that_pytests_count_can_be_understood() -> None:
    shared = build.drill("t.py::rounds", "passed", measured_for="several drills")
    report = build_report(build.run(*of("passed", "skipped"), shared))
    assert report.measurements == "3 drills: 2 tests, and 1 measurement that several of them judge."
    assert build_report(build.run(*of("passed"))).measurements == ""


def test_what_another_runtime_would_prove_is_counted_apart_and_every_row_says_why() -> None:
    reason = "the runbook's commands need another runtime"
    letter = [
        build.drill(f"t.py::test_letter_{number}", "skipped", reason=reason, lacks=["compose"]) for number in range(8)
    ]
    report = build_report(build.run(*of("passed", "skipped"), *letter, sections=["quick-application"]))
    assert "1 of 10 drills passed, 1 not performed and 8 need --drill-runtime=compose." in report.headline.notes
    assert [row.why for row in report.rows if row.anchor] == ["", "because 1", *[reason] * 8]
    assert all(row.why for row in report.rows if row.tone == "unknown")


def test_the_words_of_a_reason_count_for_nothing() -> None:
    wordy = build.drill("t.py::test_x", "skipped", reason="not worth --drill-runtime=compose")
    assert "1 of 2 drills passed and 1 not performed." in build_report(build.run(*of("passed"), wordy)).headline.notes


def test_what_several_drills_found_in_the_same_words_is_one_entry() -> None:
    same = [build.finding("rows-lost", "13 rows of deliveries are gone"), build.finding("health-hangs", "")]
    other = build.finding("rows-lost", "1 row of deliveries is gone")
    drills = [
        build.drill(f"t.py::test_{number}", "failed", title=f"Drill {number}", findings=found)
        for number, found in enumerate((same, same[:1], [other]))
    ]
    report = build_report(build.run(*drills))
    assert [(each.code, each.where) for each in report.problems] == [
        ("rows-lost", "Drill 0 and 1 more"),
        ("rows-lost", "Drill 2"),
        ("health-hangs", "Drill 0"),
    ]
    assert [each.text for each in report.problems[0].others] == ["Drill 1"]
    assert [len(drill.problems) for drill in report.drills] == [2, 1, 1]


def test_an_interrupted_procedure_follows_the_procedure() -> None:
    titles = ["Interrupted: a flag", "Quick rollback: a flag", "Another"]
    drills = [
        build.drill(f"t.py::test_{number}", "passed", title=title, runbook="quick-flags")
        for number, title in enumerate(titles)
    ]
    assert [row.title for row in build_report(build.run(*drills)).rows if row.anchor] == [*titles[1:], titles[0]]


def test_the_breakdown_of_findings_adds_up() -> None:
    found = [build.finding(code, code) for code in ("rows-lost", "integration-ungated")]
    found += [build.finding("deliveries-rate-limited", "429")]
    notes = build_report(build.run(build.drill("t.py::test_x", "failed", findings=found))).headline.notes
    told = [note for note in notes if "finding" in note or "gap" in note]
    assert told[0].startswith("2 findings: ")
    assert sum(map(int, re.findall(r"(\d+) (?:critical|major|minor)", told[0]))) == 2
    assert told[1] == "1 known gap."


def test_what_a_passed_drill_could_not_prove_leaves_its_section_in_part() -> None:
    drill = build.drill("t.py::test_x", "passed", gaps=["the error rate: no [metrics]"])
    report = build_report(build.run(drill, sections=["quick-application"]))
    assert [(each.proof, each.why) for each in report.sections] == [("in part", "the error rate: no [metrics]")]
    assert report.answer.say == "Yes, as far as it was drilled: 1 of 1 section holds, in part."
    assert report.answer.tone == "unknown"


def test_a_gap_in_the_coverage_is_never_called_a_holding_runbook() -> None:
    answer = build_report(build.run(*of("passed"))).answer
    assert (answer.say, answer.tone) == ("Yes, as far as it was drilled: 1 of 8 sections holds.", "unknown")
    flag = build.drill("t.py::test_flag", runbook="quick-flags")
    alone = build_report(build.run(flag))
    assert alone.answer.say == "Not proven: its release was not drilled; 1 of 8 sections holds."
    assert "Of 8 runbook sections, 1 holds, 7 not drilled." in alone.headline.notes


def test_every_section_is_counted_once_and_a_worse_run_never_reads_better() -> None:
    sections = ["quick-application", "quick-database", "quick-flags", "scenario-a", "scenario-b", "scenario-c"]
    verdicts: list[list[Verdict]] = [
        ["passed"],
        ["failed", "passed"],
        ["passed", "skipped"],
        ["error"],
        ["skipped"],
        [],
    ]
    drills = [
        build.drill(f"t.py::test_{section}_{number}", verdict, runbook=section, reason="because")
        for section, each in zip(sections, verdicts, strict=True)
        for number, verdict in enumerate(each)
    ]
    note = build_report(build.run(*drills, sections=sections)).headline.notes[0]
    assert note == ("Of 6 runbook sections, 1 holds, 1 fails, 1 in part, 1 could not be proven, 2 not drilled.")
    assert sum(map(int, re.findall(r"\b(\d+) (?!runbook)", note))) == 6


def test_what_the_selection_leaves_out_of_a_section_is_named() -> None:
    drill = build.drill("t.py::test_x[github]", "passed")
    other = {"title": "To the letter", "runbook": "quick-application"}
    left = [NotSelected(id=f"t.py::test_{name}", **other) for name in ("y[1]", "y[2]", "x[jira]")]
    run = build.run(drill, sections=["quick-application"]).model_copy(update={"not_selected": tuple(left)})
    report = build_report(run)
    assert [(each.proof, each.why) for each in report.sections] == [
        ("in part", "0 of 2 drills performed in whole; not selected: To the letter and 1 case of To the letter")
    ]
    assert report.answer.say.startswith("Yes, as far as it was drilled")
    elsewhere = run.model_copy(update={"not_selected": (left[0].model_copy(update={"runbook": "scenario-b"}),)})
    assert [each.proof for each in build_report(elsewhere).sections] == ["proven"]


def test_a_row_that_shows_what_a_command_does_never_says_that_we_can_roll_back() -> None:
    shown, failed = (
        build.drill(f"t.py::test_{verdict}", verdict, title=f"To the letter: {verdict}")
        for verdict in ("passed", "failed")
    )
    rows = [row for row in build_report(build.run(shown, failed)).rows if row.anchor]
    assert [(row.answer, row.tone) for row in rows] == [("Not asked", "unknown"), ("No", "failed")]
    assert rows[0].why == "it shows what the command does"


def test_figures_of_a_drill_that_broke_off_are_in_no_headline() -> None:
    """It stopped before it said which losses a restore gives up: whether they were expected is unknown."""
    writes = Writes(
        acknowledged=40, lost=("a", "b"), lost_more=20, rpo_seconds=9, rpo_objective_seconds=1, judged=False
    )
    broken = build.drill(
        "t.py::test_x",
        "failed",
        writes=writes,
        recovery=Recovery(objective=None, started=1, seconds=None, objective_seconds=5),
    )
    run = build.run(broken)
    report = build_report(run)
    assert not [note for note in report.headline.notes if "lost" in note or "recover" in note]
    (row,) = (row for row in report.rows if row.anchor)
    assert (row.writes, row.rpo_met) == ("22 of 40, not judged", None)
    assert "drill_lost_writes" not in dict(properties(broken))
    judged = build.drill("t.py::test_x", "failed", writes=writes.model_copy(update={"judged": True}))
    assert "22 acknowledged writes were lost unexpectedly." in build_report(build.run(judged)).headline.notes


@pytest.mark.parametrize(
    ("identifier", "base", "param"),
    [
        ("a.py::test_x", "a.py::test_x", ""),
        ("a.py::test_x[github]", "a.py::test_x", "github"),
        ("a.py::test_x[a[0]]", "a.py::test_x", "a[0]"),
        ("a.py::test_x[github]@scenario-a", "a.py::test_x", "github"),
        ("a.py::test_x[line\nbreak]", "a.py::test_x", "line\nbreak"),
    ],
)
def test_ids_are_split(identifier: str, base: str, param: str) -> None:
    assert split_id(identifier) == (base, param)


def test_cases_of_one_drill_are_one_row() -> None:
    report = build_report(build.run(*samples.scenario_a("datadog", "slack", skipped=["ecs"])))
    (row,) = [row for row in report.rows if row.anchor]
    assert (row.title, row.cases) == ("Scenario A: a new integration causes issues", "21 integrations")
    assert (row.answer, row.tone, row.met, row.findings) == ("No (2 of 21)", "failed", False, 2)
    assert row.recovery == "not reached (2 of 20)"
    (drill,) = report.drills
    assert [case.param for case in drill.cases] == list(build.INTEGRATIONS)
    # Alike cases are shown once, the failed ones first; the skipped one has no steps to show.
    assert [(case.param, len(case.same_steps)) for case in drill.shown] == [("slack", 1), ("github", 17)]
    assert drill.not_shown == 1


def test_the_noun_of_cases_comes_from_their_facts_and_their_title_is_what_is_common() -> None:
    drills = [build.drill(f"t.py::test_it[{name}]", title=f"Scenario B: {name}", facts={}) for name in ("lock", "data")]
    (group,) = group_drills(build.run(*drills))
    assert (group.title, group.cases, group.full_title) == ("Scenario B", "2 cases", "Scenario B (2 cases)")
    (single,) = group_drills(build.run(build.drill("t.py::test_it[lock]", title="Scenario B")))
    assert (single.full_title, single.parametrised) == ("Scenario B (lock)", False)


def test_rows_follow_the_runbook_and_name_what_was_not_drilled() -> None:
    foreign = build.drill("t.py::test_own", title="Our own", runbook="our-page")
    report = build_report(build.run(foreign, samples.skipped(), samples.application()))
    assert [row.section for row in report.rows] == [
        "Quick application",
        "Quick database",
        "Quick flags",
        "Scenario a",
        "Scenario b",
        "Scenario c",
        "Recovery checklist",
        "Prevention",
        "Our page (not in the runbook)",
    ]
    assert [row.answer for row in report.rows if row.anchor] == ["Yes", "Not proven", "Yes"]


def test_release_managers_row() -> None:
    row = build_report(build.run(samples.application())).rows[0]
    assert (row.recovery, row.objective, row.met) == ("1.9 s", "2 min", True)
    assert (row.downtime, row.downtime_met) == ("1.4 s of 5 s", True)
    assert (row.writes, row.rpo, row.rpo_met) == ("0 of 140", "", True)
    row = build_report(build.run(samples.failed_database())).rows[1]
    assert (row.downtime, row.downtime_met) == ("5 min 51 s of 5 s", False)
    assert (row.writes, row.rpo, row.rpo_met) == ("48 of 9,120", "12.4 s of 5 s", False)
    bare = build_report(build.run(build.drill())).rows[0]
    assert (bare.recovery, bare.objective, bare.met) == ("not measured", "", None)
    assert (bare.downtime, bare.downtime_met, bare.writes, bare.rpo, bare.rpo_met) == (
        "not measured",
        None,
        "not measured",
        "",
        None,
    )


def test_the_worst_of_all_cases_is_what_the_row_shows() -> None:
    cases = [
        build.drill(
            f"t.py::test_it[{name}]",
            traffic=build.traffic(down=down, objective=objective),
            writes=Writes(acknowledged=100, lost=("a",) * lost, expected_lost=1, rpo_seconds=lost * 1.5),
        )
        for name, down, objective, lost in (("a", 0.5, 5.0, 0), ("b", 2.0, 1.0, 2), ("c", 1.0, None, 1))
    ]
    row = build_report(build.run(*cases)).rows[0]
    assert (row.downtime, row.downtime_met) == ("up to 2 s of 1 s", False)
    assert (row.writes, row.rpo, row.rpo_met) == ("3 of 300, 3 expected", "3 s", None)


def test_downtime_and_data_loss_are_objectives_too() -> None:
    found = {item.name: item for item in build_report(samples.game_day()).objectives}
    down = found["Downtime of one kind of request"]
    assert (down.limit, down.measured, down.met, down.drills, down.missed) == ("5 s", "up to 5 min 51 s", False, 2, 1)
    lost = found["Age of the oldest lost write (RPO)"]
    assert (lost.limit, lost.measured, lost.met, lost.drills, lost.missed) == ("0 s, 5 s", "12.4 s", False, 2, 1)
    notes = build_report(samples.game_day()).headline.notes
    assert "1 of 2 measured downtimes missed the objective." in notes
    assert "48 acknowledged writes were lost unexpectedly." in notes


def test_objectives_that_nothing_was_held_against_are_listed() -> None:
    found = {
        item.name: item for item in build_report(build.run(samples.application(), samples.failed_database())).objectives
    }
    assert found["Application rollback"].met is True
    assert (found["Database rollback"].met, found["Database rollback"].missed) == (False, 1)
    assert (found["Feature flag"].met, found["Feature flag"].measured) == (None, "not measured")


def test_coverage_says_what_is_not_proven_and_why() -> None:
    report = build_report(samples.game_day())
    assert {section.id: section.proof for section in report.sections} == {
        "quick-application": "proven",
        "quick-database": "failed",
        "quick-flags": "not proven",
        "scenario-a": "failed",
        "scenario-b": "not proven",
        "scenario-c": "not proven",
        "recovery-checklist": "not proven",
        "prevention": "not proven",
    }
    why = {section.id: section.why for section in report.unproven}
    assert why["quick-flags"] == "no drill of it was performed"
    assert "the target has no backup command" in why["scenario-c"]
    assert "lock error: the gateway did not answer within 10 s" in why["scenario-b"]
    partly = build_report(build.run(*samples.scenario_a(skipped=["ecs", "heroku"])))
    section = next(section for section in partly.sections if section.id == "scenario-a")
    assert (section.proof, section.why) == ("in part", "ecs and heroku skipped: the integration has no flag")


def test_checklist_has_evidence_or_an_empty_box() -> None:
    odd = build.drill("t.py::test_odd", steps=[build.step(1, "Odd", 0.1, 0.1, checklist="brew-tea")])
    items = {item.id: item for item in build_report(build.run(*samples.game_day().drills, odd)).checklist}
    assert list(items) == [*build.CHECKLIST, "brew-tea"]
    assert [name for name, item in items.items() if not item.performed] == ["monitor", "document", "post-mortem"]
    assert items["brew-tea"].in_runbook is False
    (stopped,) = items["stop-service"].performed
    assert (stopped.where.text, stopped.at) == ("Quick rollback 1: application, step 2", "2.4 s")
    assert items["stop-service"].done


def test_what_is_a_persons_stays_open() -> None:
    watched = build.drill("t.py::test_it", steps=[build.step(1, "Watch", 0.1, 0.1, checklist="monitor")])
    items = {item.id: item for item in build_report(build.run(watched)).checklist}
    assert items["monitor"].performed
    assert not items["monitor"].done
    assert items["monitor"].open
    assert items["monitor"].by_hand == "an hour of watching is a person's"


def test_a_case_that_failed_is_what_the_checklist_shows() -> None:
    items = {item.id: item for item in build_report(samples.game_day()).checklist}
    # 21 cases performed it in the same step: one line, and it failed if it failed in one of them.
    failed, performed = items["disable-or-rollback"].performed
    assert (failed.ok, performed.ok, items["disable-or-rollback"].done) == (False, True, False)
    assert "(21 integrations), step 2" in failed.where.text


def test_findings_are_sorted_by_severity_and_grouped() -> None:
    report = build_report(samples.game_day())
    assert [(problem.code, problem.severity) for problem in report.problems] == [
        ("schema-residue", "critical"),
        ("rows-lost", "critical"),
        ("flag-ignored", "critical"),
        ("drill-error", "unclassified"),
        ("drill-incomplete", "unclassified"),
        ("objective-missed", "major"),
    ]
    ignored = report.problems[2]
    assert ignored.params == ("slack", "datadog")
    assert len(ignored.occurrences) == 2
    step = ignored.occurrences[0].step
    assert step is not None
    assert (step.text, step.href) == (
        "step 2: Turn slack off and re-create the gateway",
        f"{ignored.drill.href}-5-step-2",
    )
    assert report.findings == 5


def test_a_failure_without_a_finding_is_a_problem_too() -> None:
    failed = build.drill(
        "t.py::test_x", "failed", steps=[build.step(1, "Look", 0.1, 0.2, build.check("it holds", 1, 2))]
    )
    (problem,) = build_report(build.run(failed)).problems
    assert (problem.code, problem.worst_detail) == ("failed-check", "it holds")
    assert problem.repeat == "pytest t.py::test_x"


def test_a_passed_drill_with_findings_says_so() -> None:
    drill = build.drill(findings=[build.finding("flag-not-restored", "0.4.0 does not know 0020.")])
    report = build_report(build.run(drill))
    assert (report.rows[0].answer, report.headline.tone) == ("Yes, with findings", "unknown")
    assert (report.section_rows[0].can, report.section_rows[0].note) == ("In part", "1 finding")
    assert "1 finding: 1 major." in report.headline.notes


def test_data_integrity_per_relation() -> None:
    drill = next(
        drill for drill in build_report(samples.game_day()).drills if drill.title == "Quick rollback 2: database"
    )
    integrity = drill.shown[0].integrity
    assert integrity is not None
    assert [(row.name, row.same) for row in integrity.relations] == [("deliveries", False), ("integrations", True)]
    assert integrity.relations[0].observed == "1,187 rows, 01de01de01de…"


def test_timeline_is_to_scale() -> None:
    line = timeline(samples.application(), "x", Limits())
    assert line is not None
    bars = line.lanes[0].bars
    assert (bars[0].start, bars[0].width, bars[0].kind) == (pytest.approx(100 * 0.1 / 6, abs=0.01), 28.5, "target")
    assert (bars[1].width, bars[1].kind) == (pytest.approx(100 * 0.19 / 6, abs=0.01), "harness")
    assert line.lanes[0].alternative == "from 0.1 s: target 1.71 s, harness 0.19 s"
    recovery, *down = line.lanes[-3:]
    assert (recovery.label, recovery.bars[0].start) == ("Recovery", 40.0)
    assert [(lane.label, lane.text, lane.bars[0].start, lane.bars[0].width) for lane in down] == [
        ("Downtime: delivery", "1.4 s", 40.0, 23.33),
        ("Downtime: health", "1.4 s", 40.0, 23.33),
    ]
    assert down[0].alternative == "no good answer to delivery from 2.4 s for 1.4 s (ConnectError)"
    assert [(mark.text, mark.position) for mark in line.marks] == [
        ("decision to roll back", 40.0),
        ("steady state verified", 71.67),
    ]
    assert timeline(samples.skipped(), "x", Limits()) is None
    late = timeline(build.drill(steps=[build.step(1, "a", 0.0, 0.0)], seconds=1.0), "x", Limits())
    assert late is not None
    assert late.lanes[0].bars[0].width > 0


@pytest.mark.parametrize("total", [0.004, 0.9, 1, 7, 61, 179, 200, 4000, 90_000])
def test_axis_has_a_few_round_marks(total: float) -> None:
    marks = ticks(total)
    assert 2 <= len(marks) <= 5
    assert marks[0].position == 0
    assert all(mark.position <= 94 for mark in marks)


def test_values_are_laid_out_by_their_shape() -> None:
    limits = Limits(items=2, value=20)
    assert view(None, limits) == Plain("none", literal=True)
    assert view(False, limits) == Plain("false", literal=True)
    assert view("", limits) == Plain("(empty)", literal=True)
    assert view("text", limits) == Plain("text", literal=False)
    assert view([1, "b", None], limits) == Items(("1", "b"), 1)
    assert view({"a": 1, "b": [2], "c": 3}, limits) == Pairs((("a", "1"), ("b", "[2]")), 1)
    assert isinstance(view({"left_over": 3}, limits), Pairs)
    diff = view(samples.SCHEMA_DIFF, Limits())
    assert isinstance(diff, Diff)
    assert [(line.sign, line.name) for line in diff.lines] == [
        ("left over", "type public.delivery_state"),
        ("missing", "index public.ix_deliveries_received_at"),
        ("changed", "column public.deliveries.attempts"),
        ("changed", "constraint public.deliveries.ck_status"),
    ]
    assert (diff.lines[2].before, diff.lines[2].after) == ("integer NOT NULL DEFAULT 0", "integer NOT NULL")
    loose = view({"changed": {"t": ["a", "b"]}, "missing": {"x": 1}, "left_over": [["y", "z"], 7]}, Limits())
    assert isinstance(loose, Diff)
    assert [(line.name, line.before, line.after) for line in loose.lines] == [
        ("y", "", "z"),
        ("7", "", ""),
        ("x", "1", ""),
        ("t", "a", "b"),
    ]


def test_text_helpers() -> None:
    assert visible("a\x1b[31m\x00\x7f\u202e\ud800\nb\tc") == "a␛[31m␀␡<U+202E><U+D800>\nb\tc"
    assert cut("a" * 5000, 100) == "a" * 66 + " [… 4,900 characters left out …] " + "a" * 34
    assert [seconds(value) for value in (None, 0, 0.004, 0.34, 1.9, 45.24, 59.99, 120, 125, 3840)] == [
        "not measured",
        "0 s",
        "< 0.01 s",
        "0.34 s",
        "1.9 s",
        "45.2 s",
        "1 min",
        "2 min",
        "2 min 5 s",
        "1 h 4 min",
    ]
    assert (humanise("scenario-b"), humanise("root-cause"), humanise("")) == ("Scenario B", "Root cause", "")
    assert moment("2026-11-22T04:04:05+01:00") == "2026-11-22 03:04:05 UTC"
    assert moment("whenever") == "whenever"

"""What changed since a former run, and the forms that other tools take: a comment, Prometheus' text format."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support import evidence_builder as build
from support import evidence_samples as samples
from support.hostile_evidence import HOSTILE, hostile_run

from rollback_drills.cli import main
from rollback_drills.evidence.model import DrillEvidence, Verdict
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.filing.filing import write_report
from rollback_drills.report.filing.history import History, PastRun, past_of
from rollback_drills.report.formats.comment import render_comment
from rollback_drills.report.formats.html import render_html
from rollback_drills.report.formats.prometheus import render_prometheus
from rollback_drills.report.formats.terminal import terminal_lines
from rollback_drills.report.views.report import Reports, build_report


def day(**sections: tuple[Verdict, float]) -> RunEvidence:
    """A run with one drill for each of ``sections``: its verdict and its recovery time in seconds."""
    drills = [
        build.drill(f"t.py::test_{name}", verdict, title=name, runbook=name, recovery=build.recovery(seconds))
        for name, (verdict, seconds) in sections.items()
    ]
    return build.run(*drills, sections=list(sections))


def former(of: RunEvidence, **changes: object) -> PastRun:
    return past_of(of).model_copy(update={"run": "former", "finished_at": "2026-11-20T03:04:05+00:00", **changes})


BEFORE = day(a=("passed", 2.0), b=("failed", 2.0), c=("passed", 2.0), d=("passed", 9.0), gone=("passed", 1.0))
NOW = day(a=("failed", 2.0), b=("passed", 2.0), c=("passed", 2.5), d=("passed", 2.0), new=("passed", 1.0))


def test_what_got_better_worse_is_new_or_gone() -> None:
    found = build_report(NOW, History((former(BEFORE),))).since
    assert found is not None
    assert found.sections == {"a": "worse", "b": "better", "c": "same", "d": "better", "new": "new"}
    assert found.why == {"d": "recovery 2 s, was 9 s"}
    assert (found.new, found.gone) == (("new",), ("test_gone",))
    assert found.sentence == (
        "Since 20 Nov 2026: 1 section worse, 2 better, 1 the same, 1 new, 1 drill new, 1 drill gone."
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "another"},
        {"runtime": "docker"},
        {"complete": False},
        {"run": NOW.run},
        {"drills": {}},
    ],
)
def test_only_a_run_that_can_be_compared_is(changes: dict[str, object]) -> None:
    assert build_report(NOW, History((former(BEFORE, **changes),))).since is None
    assert build_report(NOW).since is None


def test_only_what_both_runs_did_is_compared() -> None:
    both = build.drill("t.py::test_a", title="a", runbook="a")
    failing = build.drill("t.py::test_more", "failed", title="more", runbook="a")

    def run(*drills: DrillEvidence) -> RunEvidence:
        return build.run(*drills, sections=["a"])

    found = build_report(run(both, failing), History((former(run(both)),))).since
    assert found is not None
    assert (found.sections, found.new) == ({"a": "same"}, ("more",))


def test_every_form_says_it_and_the_last_run_is_the_default() -> None:
    older = former(NOW, run="older")
    reports = Reports(NOW, History((older, former(BEFORE))))
    sentence = "Since 20 Nov 2026: 1 section worse"
    assert sentence in render_html(reports)
    assert "worse than on 20 Nov 2026" in render_html(reports)
    assert sentence in render_comment(reports)
    assert any(sentence in line for line, _ in terminal_lines(reports, "r"))


def test_two_runs_are_compared_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, run in (("before", BEFORE), ("now", NOW)):
        write_report(Reports(run.model_copy(update={"run": name})), tmp_path / name)
    arguments = ["report", str(tmp_path / "now"), "--against", str(tmp_path / "before")]
    assert main(arguments) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == [
        "worse: A",
        "better: B",
        "better: D (recovery 2 s, was 9 s)",
        "new: new",
        "gone: test_gone",
    ]
    assert main([*arguments, "--output", str(tmp_path / "again")]) == 0
    assert "1 section worse" in (tmp_path / "again" / "incident.html").read_text()
    assert main(["report", str(tmp_path / "now")]) == 2  # nothing says where to write, or what


def test_a_comment_is_short_and_begins_with_its_marker() -> None:
    text = render_comment(Reports(samples.game_day()))
    lines = text.splitlines()
    assert lines[0] == "<!-- rollback-drills: reference gateway -->"
    assert lines[1].startswith(
        "### ❌ Can reference gateway 0.5.0 go back to 0.4.0? Yes, as far as it was drilled, but"
    )
    assert "1. **The downgrade does not restore the schema** (`schema-residue`)" in text
    assert "6. 1 more in incident.html" in text
    assert len(text) < 4_000


@pytest.mark.parametrize("text", HOSTILE)
def test_a_comment_and_figures_of_hostile_evidence_stay_what_they_are(text: str) -> None:
    run = hostile_run(text)
    said = render_comment(Reports(run))
    assert said.count("<!-- rollback-drills:") == 1
    assert "-->" in said.splitlines()[0]
    assert "<script" not in re.sub("`[^`]*`", "", said)  # in a code span it is text
    assert list(text_string_to_metric_families(render_prometheus(run)))


def test_figures_are_read_by_prometheus_own_parser() -> None:
    text = render_prometheus(samples.game_day())
    found = {family.name: family for family in text_string_to_metric_families(text)}
    assert {family.type for family in found.values()} == {"gauge"}
    assert all(name.startswith("rollback_drills_") for name in found)
    assert all(
        sample.labels["target"] == "reference gateway" and sample.labels["runtime"] == "embedded"
        for family in found.values()
        for sample in family.samples
    )

    def value(name: str, **labels: str) -> float:
        (one,) = (each for each in found[name].samples if labels.items() <= each.labels.items())
        return float(one.value)

    assert value("rollback_drills_passed") == 0
    assert value("rollback_drills_drills", verdict="passed") == 19
    assert value("rollback_drills_findings", severity="critical") == 4
    assert value("rollback_drills_writes_lost", drill="drills/test_quick_rollback.py::test_database") == 48
    assert value("rollback_drills_recovery_seconds", drill="drills/test_quick_rollback.py::test_application") == 1.9
    assert value("rollback_drills_way_back", symptom="Rows are damaged or gone") == 0
    times = [each for each in found["rollback_drills_recovery_seconds"].samples if "slack" in each.labels["drill"]]
    assert not times  # it was never reached, which is no number

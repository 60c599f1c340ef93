"""The index of all runs beside them: newest first, linked while they are there, with their figures over time."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import evidence_builder as build
from support import evidence_samples as samples
from support.hostile_evidence import HOSTILE

from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.filing.filing import INDEX, file_report, write_index
from rollback_drills.report.filing.history import HISTORY, History, past_of
from rollback_drills.report.formats.html import render_index
from rollback_drills.report.views.runs import runs_of


def named(run: RunEvidence, number: int) -> RunEvidence:
    return run.model_copy(
        update={"run": f"2026112{number}-030405-aaaa", "finished_at": f"2026-11-2{number}T03:04:49+00:00"}
    )


def test_each_filed_run_is_in_the_index_and_an_old_one_loses_its_link_only(tmp_path: Path) -> None:
    for number, run in enumerate((samples.good_day(), samples.game_day())):
        file_report(named(run, number), tmp_path / f"2026112{number}-030405-aaaa")
    page = (tmp_path / INDEX).read_text()
    assert page.index("20261121-030405-aaaa") < page.index("20261120-030405-aaaa")
    assert 'href="20261120-030405-aaaa/incident.html"' in page
    (tmp_path / "20261120-030405-aaaa" / "incident.html").unlink()
    again = write_index(tmp_path).read_text()
    assert 'href="20261120-030405-aaaa' not in again
    assert "20261120-030405-aaaa" in again
    assert "<polyline" in again
    assert "<script" not in again


def test_verdicts_and_figures_of_a_run() -> None:
    shown = runs_of(History((past_of(named(samples.good_day(), 0)), past_of(named(samples.game_day(), 1)))), bool)
    bad, good = shown.lines
    assert (good.mark, good.verdict, good.drills, good.recovery) == ("yes", "passed", "28 of 28 drills", "1.9 s")
    assert (bad.mark, bad.verdict, bad.recovery, bad.downtime, bad.lost) == (
        "no",
        "failed",
        "6 min 4 s",
        "5 min 51 s",
        "48",
    )
    early = past_of(named(build.run(build.drill(), interrupted="Ctrl-C"), 2))
    assert runs_of(History((early,)), bool).lines[0].verdict == "not proven"
    assert [curve.highest for curve in shown.curves] == ["6 min 4 s", "5 min 51 s"]


def test_a_page_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text("<title>Ours</title>")
    file_report(named(samples.good_day(), 0), tmp_path / "run")
    assert (tmp_path / INDEX).read_text() == "<title>Ours</title>"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_text_and_lead_nowhere(text: str, tmp_path: Path) -> None:
    past = past_of(samples.good_day()).model_copy(update={"run": text, "target": text})
    page = render_index(runs_of(History((past, past)), lambda run: False))
    assert "<script" not in page
    assert "<img" not in page
    (tmp_path / HISTORY).write_text(
        past.model_copy(update={"run": "../outside", "target": "x"}).model_dump_json() + "\n"
    )
    (tmp_path.parent / "outside").mkdir(exist_ok=True)
    (tmp_path.parent / "outside" / "incident.html").touch()
    assert 'href="../' not in write_index(tmp_path).read_text()

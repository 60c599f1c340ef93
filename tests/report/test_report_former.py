"""Evidence of 0.1.0 is read and shown as before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollback_drills.evidence.model import DrillEvidence
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.filing.rerender import report_again
from rollback_drills.report.formats.html import render_html
from rollback_drills.report.formats.markdown import render_markdown
from rollback_drills.report.formats.terminal import terminal_lines
from rollback_drills.report.views.report import Reports, build_report

FORMER = Path(__file__).parent / "data" / "evidence-0.1.0.json"


@pytest.fixture
def former() -> RunEvidence:
    return RunEvidence.model_validate_json(FORMER.read_bytes())


def drill_of(run: RunEvidence, name: str) -> DrillEvidence:
    return next(drill for drill in run.drills if name in drill.id)


def test_what_were_facts_are_fields(former: RunEvidence) -> None:
    raw = json.loads(FORMER.read_text())
    assert (raw["schema_version"], len(former.drills)) == ("1.3", len(raw["drills"]))
    assert drill_of(former, "::rounds").measured_for == "several drills, which judge it"
    assert [revision.revision for drill in former.drills for revision in drill.revisions] == [
        fact["revision"] for drill in raw["drills"] for fact in drill["facts"].get("reversibility", ())
    ]
    lossy = drill_of(former, "0001_deliveries").revisions[0]
    assert (lossy.verdict, lossy.losses[0].table) == ("lossy by design", "public.deliveries")
    assert drill_of(former, "test_letter_restart").lacks == ("compose",)
    assert drill_of(former, "test_random_game_days").lacks == ()
    assert not {"reversibility", "measured for"} & {name for drill in former.drills for name in drill.facts}


def test_every_form_of_the_report_shows_them(former: RunEvidence) -> None:
    reports = Reports(former)
    page, text = render_html(reports), render_markdown(reports)
    lines = "\n".join(line for line, _ in terminal_lines(reports, "r"))
    assert 'id="revisions"' in page
    assert "0001\\_deliveries" in text
    for form in (page, text, lines):
        assert "need --drill-runtime=compose" in form
    assert "1 measurement that several of them judge" in page


@pytest.mark.parametrize(
    ("key", "value", "gap"),
    [
        ("not proven", "the error rate: no [metrics]", "the error rate: no [metrics]"),
        (
            "not proven: cut off in 'Restore', where PostgreSQL is killed",
            "it was over before the accident could happen",
            "cut off in 'Restore', where PostgreSQL is killed: it was over before the accident could happen",
        ),
    ],
)
def test_a_gap_of_former_evidence_leaves_its_section_proven_in_part(key: str, value: str, gap: str) -> None:
    raw = json.loads(FORMER.read_text())
    raw["drills"] = [each for each in raw["drills"] if "test_scenario_c_full_restore" in each["id"]]
    raw["drills"][0]["facts"][key] = value
    report = build_report(RunEvidence.model_validate(raw))
    assert {section.id: (section.proof, section.why) for section in report.sections}["scenario-c"] == ("in part", gap)


def test_a_run_of_0_1_0_is_rendered_again(tmp_path: Path) -> None:
    source = tmp_path / "20261101-030405-7f3a"
    source.mkdir()
    (source / "evidence.json").write_bytes(FORMER.read_bytes())
    reports, _ = report_again([source], tmp_path / "again")
    assert reports.run.schema_version == "1.4"
    written = json.loads((tmp_path / "again" / "evidence.json").read_text())
    assert written["schema_version"] == "1.4"
    assert RunEvidence.model_validate(written) == reports.run

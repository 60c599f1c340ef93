"""A planted fault that is an accepted risk is found as ever, and the drill goes on to its end and passes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rollback_drills.evidence import RunEvidence

ROOT = Path(__file__).resolve().parents[2]
FAULTS = ROOT / "fixtures" / "faults"


@pytest.mark.parametrize(
    ("fault", "finding", "drills", "subject"),
    [
        ("migration-leaves-enum", "schema-residue", "test_reversibility and 0007", "0007*"),
        ("disabled-answers-differently", "disabled-answer-differs", "test_quick_flags", "*"),
    ],
)
def test_accepted(fault: str, finding: str, drills: str, subject: str, tmp_path: Path) -> None:
    target, reports = tmp_path / "target.toml", tmp_path / "reports"
    subprocess.run([sys.executable, FAULTS / "plant.py", "target", FAULTS / f"{fault}.toml", target], check=True)
    accepted = f'{{finding = "{finding}", reason = "known", owner = "we", until = 2999-12-31, subject = "{subject}"}}'
    target.write_text(f"accepted = [{accepted}]\n{target.read_text()}")
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "drills", "-k", drills, "--drill-target", target,
            "--drill-runtime", "embedded", "--drill-report-dir", reports,
            "-p", "no:cacheprovider", "-p", "no:html", "-p", "no:xdist", "-q",
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    run = RunEvidence.model_validate_json((reports / "latest" / "evidence.json").read_bytes())
    assert {found.code for drill in run.drills for found in drill.accepted} == {finding}
    assert {drill.verdict for drill in run.drills} == {"passed"}
    assert run.accepted[0].state == "used"
    assert all(step.outcome == "passed" for drill in run.drills for step in drill.steps)

"""Faults in a compose file or a runbook's commands: each is caught by its drills, with the right finding."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rollback_drills.evidence.run import RunEvidence
from rollback_drills.runtimes.docker.engine import Engine

ROOT = Path(__file__).resolve().parents[2]
FAULTS = ROOT / "fixtures" / "faults"
FILES = [file for file in sorted(FAULTS.glob("*.toml")) if tomllib.loads(file.read_text()).get("runtime") == "compose"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_fault_is_caught(file: Path, tmp_path: Path, engine: Engine) -> None:
    fault = tomllib.loads(file.read_text())
    target, reports = tmp_path / "target.toml", tmp_path / "reports"
    subprocess.run([sys.executable, FAULTS / "plant.py", "target", file, target], check=True, timeout=60)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "drills",
            "-k",
            fault["drill"],
            "--drill-target",
            target,
            "--drill-runtime",
            "compose",
            "--drill-report-dir",
            reports,
            "-p",
            "no:cacheprovider",
            "-p",
            "no:html",
            "-p",
            "no:xdist",
            "-q",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    run = RunEvidence.model_validate_json((reports / "latest" / "evidence.json").read_bytes())
    drills = {drill.id.rpartition("::")[2]: drill for drill in run.drills}
    assert set(drills) == set(fault["findings"]), "-k selects exactly the drills that must catch the fault"
    for name, codes in fault["findings"].items():
        drill = drills[name]
        assert drill.verdict == "failed", (name, drill.verdict, drill.reason)
        assert {finding.code for finding in drill.findings} == set(codes), (name, drill.findings)

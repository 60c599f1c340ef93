"""Gateways unlike the reference that do all that their target file says: no drill finds anything but declared gaps."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rollback_drills.evidence import RunEvidence

ROOT = Path(__file__).resolve().parents[2]
PLANT = ROOT / "fixtures" / "faults" / "plant.py"
VARIANTS = sorted((ROOT / "fixtures" / "variants").glob("*.toml"))


@pytest.mark.parametrize("file", VARIANTS, ids=lambda file: file.stem)
def test_variant_passes(file: Path, tmp_path: Path) -> None:
    variant = tomllib.loads(file.read_text())
    target, reports = tmp_path / "target.toml", tmp_path / "reports"
    subprocess.run([sys.executable, PLANT, "target", file, target], check=True, timeout=60)
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "drills", "-k", variant["drill"], "--drill-target", target,
            "--drill-runtime", "embedded",
            "--drill-report-dir", reports, "-p", "no:cacheprovider", "-p", "no:html", "-p", "no:xdist", "-q",
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr

    run = RunEvidence.model_validate_json((reports / "latest" / "evidence.json").read_bytes())
    assert run.drills, "the expression selects no drill"
    assert {drill.verdict for drill in run.drills} == {"passed"}
    for secret in variant.get("secrets", ()):
        assert secret in target.read_text(), "the target file has it"
        told = [each for each in reports.rglob("*") if each.is_file() and secret.encode() in each.read_bytes()]
        assert told == []
        assert secret not in done.stdout + done.stderr
    for secret in variant.get("secrets", ()):
        assert secret in target.read_text(), "the target file has it"
        told = [each for each in reports.rglob("*") if each.is_file() and secret.encode() in each.read_bytes()]
        assert told == []
        assert secret not in done.stdout + done.stderr
    assert {finding.code for drill in run.drills for finding in drill.findings} == set(variant.get("gaps", ()))

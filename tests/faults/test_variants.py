"""Gateways that differ from the reference as their target file says: drills find only declared gaps."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from support.planting import ROOT, evidence, perform, plant

from rollback_drills.report.views.report import build_report

VARIANTS = sorted((ROOT / "fixtures" / "variants").glob("*.toml"))


@pytest.mark.parametrize("file", VARIANTS, ids=lambda file: file.stem)
def test_variant_passes(file: Path, tmp_path: Path) -> None:
    variant = tomllib.loads(file.read_text())
    target = plant(file, tmp_path)
    done = perform(target, variant["drill"])
    assert done.returncode == 0, done.stdout + done.stderr

    run = evidence(target)
    assert run.drills, "the expression selects no drill"
    assert {drill.verdict for drill in run.drills} == {"passed"}
    told = " ".join(section.why for section in build_report(run).unproven if section.drills)
    assert variant.get("not_proven", "") in told
    for secret in variant.get("secrets", ()):
        assert secret in target.read_text(), "the target file has it"
        told = [
            each
            for each in (tmp_path / "reports").rglob("*")
            if each.is_file() and secret.encode() in each.read_bytes()
        ]
        assert told == []
        assert secret not in done.stdout + done.stderr
    assert {finding.code for drill in run.drills for finding in drill.findings} == set(variant.get("gaps", ()))

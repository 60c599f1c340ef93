"""Healthy gateways that differ from the reference, or look like a fault: no drill has a finding against them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from support.planting import ROOT, evidence, perform, plant

from rollback_drills.report.views.report import build_report

FILES = sorted((ROOT / "fixtures" / "healthy").glob("*.toml"))
EMBEDDED = [file for file in FILES if "runtime" not in tomllib.loads(file.read_text())]  # the others: tests/docker


@pytest.mark.parametrize("file", EMBEDDED, ids=lambda file: file.stem)
def test_healthy_variant_has_no_finding(
    file: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    variant = tomllib.loads(file.read_text())
    record_property("healthy", file.stem)
    target = plant(file, tmp_path)
    done = perform(target, variant["drill"], arguments=variant.get("arguments", ()))
    assert done.returncode == 0, done.stdout + done.stderr

    run = evidence(target)
    assert run.drills, "the expression selects no drill"
    assert {drill.id: drill.reason for drill in run.drills if drill.verdict != "passed"} == {}
    assert {finding.code for drill in run.drills for finding in drill.findings} == set(variant.get("gaps", ()))
    unproven = " ".join(section.why for section in build_report(run).unproven if section.drills)
    assert variant.get("not_proven", "") in unproven
    for secret in variant.get("secrets", ()):
        assert secret in target.read_text(), "the target file has it"
        files = [each for each in (tmp_path / "reports").rglob("*") if each.is_file()]
        assert [each for each in files if secret.encode() in each.read_bytes()] == []
        assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_healthy_variant_says_what_it_is(file: Path) -> None:
    variant = tomllib.loads(file.read_text())
    assert variant["title"]
    assert variant["why"].endswith("."), "why this is healthy: a sentence, for the page of healthy variants"
    assert not {"finding", "findings", "also"} & variant.keys(), "a variant with a finding is a fault"

"""Faults in a compose file or a runbook's commands are caught, with the right finding; healthy variants have none."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from support.planting import FAULTS, ROOT, evidence, perform, plant

from rollback_drills.runtimes.docker.engine import Engine


def on_compose(directory: Path) -> list[Path]:
    files = sorted(directory.glob("*.toml"))
    return [file for file in files if tomllib.loads(file.read_text()).get("runtime") == "compose"]


@pytest.mark.parametrize("file", on_compose(FAULTS), ids=lambda file: file.stem)
def test_fault_is_caught(file: Path, tmp_path: Path, engine: Engine) -> None:
    fault = tomllib.loads(file.read_text())
    target = plant(file, tmp_path)
    done = perform(target, fault["drill"], runtime="compose")
    assert done.returncode == 1, done.stdout + done.stderr
    drills = {drill.id.rpartition("::")[2]: drill for drill in evidence(target).drills}
    assert set(drills) == set(fault["findings"]), "-k selects exactly the drills that must catch the fault"
    for name, codes in fault["findings"].items():
        drill = drills[name]
        assert drill.verdict == "failed", (name, drill.verdict, drill.reason)
        assert {finding.code for finding in drill.findings} == set(codes), (name, drill.findings)


@pytest.mark.parametrize("file", on_compose(ROOT / "fixtures" / "healthy"), ids=lambda file: file.stem)
def test_healthy_variant_has_no_finding(file: Path, tmp_path: Path, engine: Engine) -> None:
    variant = tomllib.loads(file.read_text())
    target = plant(file, tmp_path)
    done = perform(target, variant["drill"], runtime="compose")
    assert done.returncode == 0, done.stdout + done.stderr
    drills = evidence(target).drills
    assert drills, "the expression selects no drill"
    assert {drill.id: drill.reason for drill in drills if drill.verdict != "passed"} == {}
    assert {finding.code for drill in drills for finding in drill.findings} == set(variant.get("gaps", ()))

"""A target file with a wrong directory of scripts: an error, not a finding about the gateway."""

from __future__ import annotations

from pathlib import Path

from support.planting import ROOT, evidence, perform

TARGETS = ROOT / "fixtures" / "targets"


def test_a_wrong_directory_of_scripts_is_not_a_finding(tmp_path: Path) -> None:
    text, gateway = (TARGETS / "reference.toml").read_text(), str(TARGETS.parent / "gateway")
    text = text.replace("{here}/../gateway", gateway).replace("../gateway", gateway)
    target = tmp_path / "target.toml"
    target.write_text(text.replace('versions = "migrations/versions"', 'versions = "migrations"'))
    done = perform(target, "failed_migration and (transaction or lock) or interrupted_scenario_b")
    assert done.returncode == 1, done.stdout + done.stderr
    run = evidence(target)
    assert len(run.drills) == 4
    assert [finding.code for drill in run.drills for finding in drill.findings] == []
    assert {drill.verdict for drill in run.drills} == {"error"}
    assert all("alembic does not read the directory 'migrations'" in drill.reason for drill in run.drills)
    assert "To fix this: correct versions under [migrations]" in done.stdout

"""A planted fault that is an accepted risk is found, and the drill continues to its end and passes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.planting import FAULTS, evidence, perform, plant


@pytest.mark.parametrize(
    ("fault", "finding", "drills", "subject"),
    [
        ("migration-leaves-enum", "schema-residue", "test_reversibility and 0007", "0007*"),
        ("disabled-answers-differently", "disabled-answer-differs", "test_quick_flags", "*"),
    ],
)
def test_accepted(fault: str, finding: str, drills: str, subject: str, tmp_path: Path) -> None:
    target = plant(FAULTS / f"{fault}.toml", tmp_path)
    accepted = f'{{finding = "{finding}", reason = "known", owner = "we", until = 2999-12-31, subject = "{subject}"}}'
    target.write_text(f"accepted = [{accepted}]\n{target.read_text()}")
    done = perform(target, drills)
    assert done.returncode == 0, done.stdout + done.stderr
    run = evidence(target)
    assert {found.code for drill in run.drills for found in drill.accepted} == {finding}
    assert {drill.verdict for drill in run.drills} == {"passed"}
    assert run.accepted[0].state == "used"
    assert all(step.outcome == "passed" for drill in run.drills for step in drill.steps)

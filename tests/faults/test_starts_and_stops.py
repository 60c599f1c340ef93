"""Unusual gateways: a start that always migrates, a stop with an unusual exit code."""

from __future__ import annotations

from pathlib import Path

from support.planting import FAULTS, evidence, perform, plant

from rollback_drills.evidence.run import RunEvidence


def drilled(tmp_path: Path, fault: str, drills: str, *changes: tuple[str, str]) -> RunEvidence:
    """Drills on the target of a planted fault, with changes to its text."""
    target = plant(FAULTS / f"{fault}.toml", tmp_path)
    text = target.read_text()
    for old, new in changes:
        assert text.count(old) == 1, (old, text)
        text = text.replace(old, new)
    target.write_text(text)
    perform(target, drills)
    return evidence(target)


def test_a_start_that_always_migrates_is_rolled_back_in_the_order_that_it_needs(tmp_path: Path) -> None:
    """Without the key, the same gateway is the fault `start-migrates-again`: a restart undoes the rollback."""
    run = drilled(
        tmp_path,
        "start-migrates-again",
        "quick_database or quick_application or (scenario_b and in-a-transaction)",
        ('[gateway.migrate_on_start]\nMIGRATE_ON_START = "true"\n', ""),
        ("[gateway]\n", "[gateway]\nalways_migrates = true\n"),
    )
    verdicts = {drill.id.split("::")[1]: (drill.verdict, drill.reason) for drill in run.drills}
    assert verdicts["test_quick_database_named_revision"] == ("passed", "")
    assert verdicts["test_quick_application"] == ("passed", "")
    assert verdicts["test_scenario_b_failed_migration[in-a-transaction]"] == ("passed", "")
    verdict, reason = verdicts["test_quick_database_one_step"]
    assert verdict == "skipped"
    assert "gateway.always_migrates" in reason


def test_an_exit_code_that_the_target_calls_normal_is_no_finding(tmp_path: Path) -> None:
    run = drilled(
        tmp_path,
        "stop-exits-with-an-error",
        "test_quick_application",
        ("[gateway]\n", "[gateway]\nnormal_exit_codes = [3]\n"),
    )
    assert [(drill.verdict, drill.findings) for drill in run.drills] == [("passed", ())]

"""The downgrade drills on unusual histories: no migration between the releases, several heads, branches."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import history_tree
from support.history_tree import OLD
from support.planting import FAULTS, evidence, perform, plant

from rollback_drills.evidence.model import DrillEvidence


def drilled(tmp_path: Path, plan: str, drills: str, more: str = "") -> dict[str, DrillEvidence]:
    """Drills on the reference gateway with the history of a plan."""
    fault = FAULTS / "version-unchanged.toml"  # for a target file with absolute paths; its tree is replaced
    target = plant(fault, tmp_path)
    text = target.read_text()
    start = text.index("[releases]")
    end = text.index("\n[", start + 1)
    command = f'command = ["{{python}}", "{history_tree.__file__}", "{{release}}", "{{tree}}", "{plan}"]'
    target.write_text(f"{text[:start]}[releases]\n{command}\n{text[end:]}\n{more}")
    perform(target, drills)
    run = evidence(target)
    return {drill.id.split("::")[1]: drill for drill in run.drills}


def test_releases_without_a_migration_between_them_prove_no_downgrade(tmp_path: Path) -> None:
    drills = drilled(tmp_path, "same", "quick_database")
    for name in ("test_quick_database_one_step", "test_quick_database_named_revision"):
        assert drills[name].verdict == "skipped", drills[name].reason
        assert f"both releases end at the revision {OLD}" in drills[name].reason


@pytest.mark.parametrize("begin", [OLD, "0005_routes"], ids=["from the head", "from below the head"])
def test_a_named_downgrade_is_drilled_instead(tmp_path: Path, begin: str) -> None:
    pair = f'[migrations.downgrade]\nfrom = "{begin}"\nto = "0003_comments_and_lookup"\n'
    drills = drilled(tmp_path, "same", "quick_database", pair)
    named = drills["test_quick_database_named_revision"]
    assert (named.verdict, named.reason) == ("passed", "")
    assert named.facts["revision"] == f"{begin} → 0003_comments_and_lookup"
    assert drills["test_quick_database_one_step"].verdict == "passed"


def test_a_downgrade_to_a_higher_revision_is_an_error(tmp_path: Path) -> None:
    pair = '[migrations.downgrade]\nfrom = "0003_comments_and_lookup"\nto = "0005_routes"\n'
    drill = drilled(tmp_path, "same", "quick_database_named", pair)["test_quick_database_named_revision"]
    assert drill.verdict == "error"
    assert "is not a downgrade in release 0.5.0" in drill.reason


@pytest.mark.parametrize("plan", ["merged", "heads"])
def test_a_branch_of_the_current_release_alone_is_rolled_back_too(tmp_path: Path, plan: str) -> None:
    drills = drilled(tmp_path, plan, "quick_database or quick_application or order_guard or (scenario_b and not-null)")
    told = {name: (drill.verdict, drill.reason) for name, drill in drills.items()}
    assert told["test_quick_database_named_revision"] == ("passed", "")
    assert told["test_quick_application"] == ("passed", "")
    assert told["test_reversibility_order_guard"] == ("passed", "")
    assert told["test_scenario_b_failed_migration[not-null-on-data]"] == ("passed", "")
    verdict, reason = told["test_quick_database_one_step"]
    if plan == "heads":
        assert verdict == "skipped"
        assert "ambiguous" in reason

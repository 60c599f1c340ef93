"""The downgrade drills on histories that are no line: releases without a migration between them, heads, branches."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.planting import FAULTS, ROOT, evidence, perform, plant

from rollback_drills.evidence.model import DrillEvidence

GATEWAY = ROOT / "fixtures" / "gateway"
HEAD, OLD = "0012_delivery_volume_by_status", "0006_delivery_volume"

ASSEMBLE = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(GATEWAY)!r})
from assemble import assemble
release, tree, plan = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
assemble(release, tree)
versions, label = tree / "migrations" / "versions", tree / "gateway" / "_release.py"

def script(name, down, up="pass", undo="pass"):
    (versions / (name + ".py")).write_text(
        f"from alembic import op\\nrevision = {{name!r}}\\ndown_revision = {{down!r}}\\n"
        f"branch_labels = depends_on = None\\ndef upgrade(): {{up}}\\ndef downgrade(): {{undo}}\\n")

def table(name):
    return f'op.execute("CREATE TABLE {{name}} (id integer PRIMARY KEY)")', f'op.execute("DROP TABLE {{name}}")'

def expect(revision):
    text = label.read_text()
    label.write_text(text.replace(text.split('EXPECTED_REVISION = "')[1].split('"')[0], revision))

if plan == "same":  # the newer release brought no migration
    for path in versions.glob("*.py"):
        if path.name[:4] > "0006":
            path.unlink()
    expect({OLD!r})
elif release == "0.5.0":
    script("x1", {OLD!r}, *table("x1"))
    if plan == "merged":
        script("m", ({HEAD!r}, "x1"))
        expect("m")
    else:
        expect("{HEAD},x1")
"""


def drilled(tmp_path: Path, plan: str, drills: str, more: str = "") -> dict[str, DrillEvidence]:
    """Drills on the reference gateway whose releases have the migrations of a plan."""
    (tmp_path / "assemble_plan.py").write_text(ASSEMBLE)
    fault = FAULTS / "version-unchanged.toml"  # for a target file with absolute paths; its tree is replaced
    target = plant(fault, tmp_path)
    text = target.read_text()
    start = text.index("[releases]")
    end = text.index("\n[", start + 1)
    command = f'command = ["{{python}}", "{tmp_path}/assemble_plan.py", "{{release}}", "{{tree}}", "{plan}"]'
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


def test_a_named_downgrade_that_leads_nowhere_is_a_mistake(tmp_path: Path) -> None:
    pair = '[migrations.downgrade]\nfrom = "0003_comments_and_lookup"\nto = "0005_routes"\n'
    drill = drilled(tmp_path, "same", "quick_database_named", pair)["test_quick_database_named_revision"]
    assert drill.verdict == "error"
    assert "is no way down in release 0.5.0" in drill.reason


@pytest.mark.parametrize("plan", ["merged", "heads"])
def test_a_branch_that_the_previous_release_does_not_have_is_rolled_back_as_well(tmp_path: Path, plan: str) -> None:
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

"""Every planted fault is caught by its drill, with the right finding and no misleading one."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from support.planting import FAULTS, ROOT, evidence, perform, plant

FILES = sorted(FAULTS.glob("*.toml"))
EMBEDDED = [file for file in FILES if "runtime" not in tomllib.loads(file.read_text())]  # the others: tests/docker


@pytest.mark.parametrize("file", EMBEDDED, ids=lambda file: file.stem)
def test_fault_is_caught(file: Path, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    fault = tomllib.loads(file.read_text())
    record_property("fault", file.stem)
    record_property("finding", fault["finding"])
    target = plant(file, tmp_path)
    done = perform(target, fault["drill"], arguments=fault.get("arguments", ()))
    assert done.returncode == 1, done.stdout + done.stderr

    run = evidence(target)
    judged = [drill for drill in run.drills if not drill.id.endswith("::rounds")]
    record_property("caught by", sorted(drill.id.split("::")[-1] for drill in judged if drill.findings))
    assert judged, "the expression selects no drill"
    allowed = {fault["finding"], *fault.get("also", ())}
    for drill in judged:
        found = [finding.code for finding in drill.findings]
        assert drill.verdict == "failed", (drill.id, drill.verdict, drill.reason)
        assert fault["finding"] in found, (drill.id, found, drill.reason)
        assert set(found) <= allowed, (drill.id, found, drill.reason)


def test_every_drill_has_a_fault_that_it_must_catch() -> None:
    drills = {
        node.name
        for module in (ROOT / "drills").glob("test_*.py")
        for node in ast.parse(module.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert len(drills) > 10
    faults = [tomllib.loads(file.read_text()) for file in FILES]
    words = {word for fault in faults for word in re.findall(r"\w+", fault["drill"])}
    words |= {name for fault in faults for name in fault.get("findings", {})}
    named = words - {"and", "or", "not"}
    assert {drill for drill in drills if not any(word in drill for word in named if "_" in word)} == set()

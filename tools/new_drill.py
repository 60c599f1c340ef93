"""Lays out the files of a new drill: ``make new-drill NAME=roll_forward``.

drills/test_roll_forward.py           a drill that works, to be changed into the one that is meant
fixtures/faults/roll-forward.toml     a fault that it catches, to be changed with it
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

DRILL = '''\
"""{title}: what the drills of this module prove, in one line."""

from __future__ import annotations

import pytest

from rollback_drills import Drill, Stack


@pytest.mark.drill("{title}", runbook="quick-application", objective="application_rollback")
def test_{name}(stack: Stack, drill: Drill) -> None:
    """What it proves, in the words of the runbook; the report quotes this."""
    current, previous = stack.target.current, stack.target.previous
    goal = stack.alembic.head(previous)
    with drill.recovery():
        with drill.step("Stop the gateway", checklist="stop-service"):
            stack.gateway.stop()
        with drill.step(f"Downgrade to {{goal}}", checklist="rollback-database"):
            stack.alembic.downgrade(current, goal)
            drill.check("the revision", stack.database.revision(), expected=goal, finding="revision-wrong")
        with drill.step(f"Deploy release {{previous}}", checklist="disable-or-rollback"):
            outcome = stack.gateway.deploy(previous)
            drill.check("it starts", outcome.started, finding="release-not-serving", detail=outcome.why, vital=True)
        with drill.step("Verify that it serves", checklist="verify-health"):
            drill.check("it is healthy", stack.client.healthy(), finding="release-not-serving")
'''

FAULT = """\
title = "{title}: the previous release needs a library that was withdrawn"
drill = "test_{name}"
finding = "release-not-serving"

[[edit]]
releases = ["0.4.0"]
file = "gateway/__main__.py"
find = 'import uvicorn'
replace = 'import a_library_that_was_withdrawn as uvicorn'
"""

NEXT = """\
next:
  perform it            pytest drills -k test_{name} -v
  see it catch a fault  pytest tests/faults -k {dashed} -n 0
  a finding of its own  plugins/rollback_drills/evidence/findings/
  the generated pages   make docs
"""


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Write the files, or say why not.

    Returns:
        0: written. 2: nothing was written, because the name is bad or taken.
    """
    name = " ".join(arguments)
    dashed, words = name.replace("_", "-"), name.replace("_", " ")
    files = {
        root / "drills" / f"test_{name}.py": DRILL,
        root / "fixtures" / "faults" / f"{dashed}.toml": FAULT,
    }
    refusal = objection(name) or taken(name, root) or next((exists(path, root) for path in files if path.exists()), "")
    if refusal:
        print(f"new-drill: {refusal}", file=sys.stderr)
        return 2
    for path, text in files.items():
        path.write_text(text.format(name=name, title=words.capitalize(), words=words))
        print(f"wrote {path.relative_to(root)}")
    print(NEXT.format(name=name, dashed=dashed), end="")
    return 0


def objection(name: str) -> str:
    """What is wrong with a name; empty: nothing."""
    if not NAME.fullmatch(name):
        return f"{name!r} is no name for a drill: give NAME=words_in_lower_case, such as NAME=roll_forward"
    if name.startswith("test_"):
        return f"{name!r} begins with test_, which is added: give NAME={name.removeprefix('test_')}"
    return ""


def taken(name: str, root: Path) -> str:
    """Which drill has the name already, or would be selected with it by ``-k``; empty: none."""
    for module in sorted((root / "drills").glob("test_*.py")):
        functions = [node.name for node in ast.parse(module.read_text()).body if isinstance(node, ast.FunctionDef)]
        for known in (module.stem, *functions):
            if f"test_{name}" in known:
                return f"NAME={name} is taken: `-k test_{name}` selects {known} ({module.relative_to(root)})"
    return ""


def exists(path: Path, root: Path) -> str:
    return f"{path.relative_to(root)} exists; nothing was written"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

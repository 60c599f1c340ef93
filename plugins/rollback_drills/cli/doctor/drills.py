"""Which drills a run would perform, and what the others need, as collected by pytest itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from rollback_drills.cli.doctor.diagnosis import Diagnosis
from rollback_drills.cli.drills_path import drills_path

_PROGRAM = "rollback_drills.pytest_plugin.listing"
_TITLE = "drills"
_TIMEOUT = 120.0  # seconds
_LISTED = 8  # drills that are named for one reason


class _ListedDrill(BaseModel):
    name: str
    reasons: list[str]


def examine_drills(file: Path, runtime: str) -> Diagnosis:
    """How many drills can run with a target on a runtime, and why the others are skipped. Starts nothing."""
    argv = [sys.executable, "-m", _PROGRAM, str(file.resolve()), runtime, str(drills_path())]
    # The user's settings for other runs of pytest do not apply to this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    said = ""
    try:
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
        said = done.stderr.strip()
        drills = TypeAdapter(list[_ListedDrill]).validate_python(json.loads(done.stdout))
    except (subprocess.TimeoutExpired, OSError, ValueError, ValidationError) as error:
        return Diagnosis(_TITLE, "not looked at", f"pytest cannot list them: {type(error).__name__}\n{said}".strip())
    if done.returncode or not drills:
        return Diagnosis(_TITLE, "problem", said, "run `pytest --collect-only` with this target")
    lines = summary_of(drills)
    return Diagnosis(_TITLE, "note" if len(lines) > 1 else "ok", "\n".join(lines))


def summary_of(drills: Sequence[_ListedDrill]) -> list[str]:
    """A line with the numbers, and one for each reason with the drills that it prevents."""
    skipped: dict[str, list[str]] = {}
    for drill in drills:
        if drill.reasons:
            skipped.setdefault("; ".join(drill.reasons), []).append(drill.name)
    left = len(drills) - sum(map(len, skipped.values()))
    head = f"{left} of {len(drills)} drills will run"
    if not skipped:
        return [head]
    by_number = sorted(skipped.items(), key=lambda each: -len(each[1]))
    return [f"{head}; the others need:", *(f"{len(names)}: {reason} ({_names(names)})" for reason, names in by_number)]


def _names(names: Sequence[str]) -> str:
    """Each name once, with its number of cases."""
    counted = [name if number == 1 else f"{number} of {name}" for name, number in Counter(names).items()]
    more = f", and {len(counted) - _LISTED} more" if len(counted) > _LISTED else ""
    return ", ".join(counted[:_LISTED]) + more

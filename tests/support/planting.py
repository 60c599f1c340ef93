"""Drills on the reference gateway with a planted fault (`fixtures/faults/plant.py`)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rollback_drills.evidence.run import RunEvidence
from support.forked_pytest import run_pytest

ROOT = Path(__file__).resolve().parents[2]
FAULTS = ROOT / "fixtures" / "faults"


def plant(change: Path, directory: Path) -> Path:
    """Plant a fault or variant; the target file of that gateway."""
    target = directory / "target.toml"
    subprocess.run([sys.executable, FAULTS / "plant.py", "target", change, target], check=True, timeout=60)
    return target


def perform(
    target: Path, drills: str, *, arguments: Sequence[str] = (), runtime: str = "embedded"
) -> subprocess.CompletedProcess[str]:
    """Run the drills that a -k expression selects; the report is written beside the target file."""
    options = {"-k": drills, "--drill-target": target, "--drill-report-dir": target.parent / "reports"}
    disabled = (f"no:{plugin}" for plugin in ("cacheprovider", "html", "xdist"))
    words: list[str | Path] = ["drills", "--drill-runtime", runtime, "-q"]
    words += [word for option in options.items() for word in option]
    words += [word for plugin in disabled for word in ("-p", plugin)]
    return run_pytest([*words, *arguments], directory=ROOT, timeout=900 if runtime == "compose" else 500)


def evidence(target: Path) -> RunEvidence:
    """The evidence of `perform`."""
    return RunEvidence.model_validate_json((target.parent / "reports" / "latest" / "evidence.json").read_bytes())

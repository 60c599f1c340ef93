"""Drills on the reference gateway with something changed in it (`fixtures/faults/plant.py`)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rollback_drills.evidence.run import RunEvidence

ROOT = Path(__file__).resolve().parents[2]
FAULTS = ROOT / "fixtures" / "faults"


def plant(change: Path, directory: Path) -> Path:
    """The target file of the changed gateway."""
    target = directory / "target.toml"
    subprocess.run([sys.executable, FAULTS / "plant.py", "target", change, target], check=True, timeout=60)
    return target


def perform(target: Path, drills: str, *, arguments: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """The drills that the -k expression selects; their report goes beside the target file."""
    return subprocess.run(
        [
            sys.executable, "-m", "pytest", "drills", "-k", drills, "--drill-target", target,
            "--drill-runtime", "embedded", "--drill-report-dir", target.parent / "reports",
            "-p", "no:cacheprovider", "-p", "no:html", "-p", "no:xdist", "-q", *arguments,
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip


def evidence(target: Path) -> RunEvidence:
    """What `perform` has recorded."""
    return RunEvidence.model_validate_json((target.parent / "reports" / "latest" / "evidence.json").read_bytes())

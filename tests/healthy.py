"""Performs game days on the healthy reference gateway, one after the other, and demands that none has a finding.

    python tests/healthy.py RUNS [options of pytest]

Exit code 0: no run had a finding or an error; 1: at least one had.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rollback_drills.evidence import RunEvidence

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str]) -> int:
    if not arguments or not arguments[0].isdecimal():
        print(__doc__, file=sys.stderr)
        return 2
    runs, options, bad = int(arguments[0]), arguments[1:], 0
    with tempfile.TemporaryDirectory(prefix="healthy-") as directory:
        for number in range(1, runs + 1):
            began = time.monotonic()
            reports = Path(directory) / str(number)
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "drills", "-q", "-p", "no:cacheprovider", "-p", "no:html",
                 "--drill-report-dir", reports, *options],
                cwd=ROOT, capture_output=True, text=True, check=False,
            )  # fmt: skip
            wrong = problems(reports, done)
            bad += bool(wrong)
            print(
                f"run {number} of {runs}: {time.monotonic() - began:.0f} s, {'; '.join(wrong) or 'no finding'}",
                flush=True,
            )
    print(f"{runs - bad} of {runs} runs without a finding")
    return 1 if bad else 0


def problems(reports: Path, done: subprocess.CompletedProcess[str]) -> list[str]:
    """What was found, and what could not be carried out."""
    try:
        run = RunEvidence.model_validate_json((reports / "latest" / "evidence.json").read_bytes())
    except (OSError, ValueError):
        return [f"no evidence: {done.stdout[-500:]}{done.stderr[-500:]}"]
    found = [f"{drill.id}: [{finding.code}] {finding.detail}" for drill in run.drills for finding in drill.findings]
    broken = [f"{drill.id}: {drill.verdict}: {drill.reason}" for drill in run.drills
              if drill.verdict not in ("passed", "skipped") and not drill.findings]  # fmt: skip
    return found + broken + ([f"pytest exits {done.returncode}"] if done.returncode and not found + broken else [])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Performs game days on the healthy reference gateway, one after the other, and demands that none has a finding.

    python tests/healthy.py RUNS [--within SECONDS] [--beside PROCESSES] [options of pytest]

Exit code 0: no run had a finding or an error; 1: at least one had. `--within` begins no run that would end later,
after the first; how many of the runs were performed is said at the end. `--beside` lets so many processes compute
without an end beside them: an overloaded machine proves less, and accuses nobody.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rollback_drills.evidence.run import RunEvidence

ROOT = Path(__file__).resolve().parents[1]
LEAST = 1  # run, however little time there is


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("runs", type=int)
    parser.add_argument("--within", type=float, default=math.inf, metavar="SECONDS")
    parser.add_argument("--beside", type=int, default=0, metavar="PROCESSES")
    given, options = parser.parse_known_args(arguments)
    runs, bad, performed, longest, start = given.runs, 0, 0, 0.0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="healthy-") as directory, busy(given.beside):
        for number in range(1, runs + 1):
            began = time.monotonic()
            if performed >= LEAST and began - start + longest > given.within:
                break
            reports = Path(directory) / str(number)
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "drills", "-q", "-p", "no:cacheprovider", "-p", "no:html",
                 "--drill-report-dir", reports, *options],
                cwd=ROOT, capture_output=True, text=True, check=False,
            )  # fmt: skip
            wrong, took = problems(reports, done), time.monotonic() - began
            bad, performed, longest = bad + bool(wrong), number, max(longest, took)
            print(f"run {number} of {runs}: {took:.0f} s, {'; '.join(wrong) or 'no finding'}", flush=True)
    left = f"; {runs - performed} of {runs} were not performed, for lack of time" if performed < runs else ""
    print(f"{performed - bad} of {performed} runs without a finding{left}")
    return 1 if bad else 0


@contextmanager
def busy(number: int) -> Iterator[None]:
    """So many processes that compute without an end, until the block ends."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for each in started:
            each.kill()
            each.wait()


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

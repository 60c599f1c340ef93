"""What the harness costs beside the systems that it starts: ``make bench``.

Runs the whole game day with one worker and with two, in turn, and prints where the wall time went. Ratios are within
one invocation, so that they hold on a noisy machine.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from rollback_drills.evidence import RunEvidence

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 2


def game_day(*options: str) -> tuple[float, RunEvidence]:
    """Wall seconds of the whole command, and its evidence."""
    with tempfile.TemporaryDirectory() as reports:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "drills",
            "-q",
            "-p",
            "no:cacheprovider",
            "--drill-report-dir",
            reports,
        ]
        started = time.monotonic()
        subprocess.run([*command, *options], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        wall = time.monotonic() - started
        return wall, RunEvidence.model_validate_json((Path(reports) / "latest" / "evidence.json").read_bytes())


def main() -> None:
    one, two = [], []
    for number in range(1, ROUNDS + 1):
        print(f"round {number} of {ROUNDS}: one worker, then two", file=sys.stderr)
        one.append(game_day("-p", "no:xdist"))
        two.append(game_day("-n", "2"))
    print_split(one)
    print_steps(one[-1][1])
    walls = [statistics.median(wall for wall, _ in runs) for runs in (one, two)]
    print(f"\none worker {walls[0]:.1f} s, two workers {walls[1]:.1f} s: ratio {walls[1] / walls[0]:.2f}")


def print_split(runs: list[tuple[float, RunEvidence]]) -> None:
    print(f"{'one worker':<28} {'wall s':>8} {'target s':>9} {'harness s':>10} {'harness':>8}")
    for number, (wall, run) in enumerate(runs, 1):
        harness = wall - run.target_seconds
        name, share = f"game day, run {number}", harness / wall
        print(f"{name:<28} {wall:8.1f} {run.target_seconds:9.1f} {harness:10.1f} {share:8.1%}")


def print_steps(run: RunEvidence) -> None:
    sections: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for drill in run.drills:
        sections[drill.runbook][0] += drill.seconds
        sections[drill.runbook][1] += drill.harness_seconds
    print(f"\n{'section':<28} {'wall s':>8} {'harness s':>10}")
    print(f"{'starting the lab':<28} {run.setup_seconds:8.1f}")
    for section, (seconds, harness) in sections.items():
        print(f"{section:<28} {seconds:8.1f} {harness:10.1f}")


if __name__ == "__main__":
    main()

"""An example in a private directory: runs the commands of its page, and reads the evidence."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rollback_drills.evidence.run import RunEvidence

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PATIENCE = 1800.0  # seconds; nothing here takes a third of it on an idle machine
# Why drills are skipped in every example.
NO_COMPOSE = "running the runbook's literal commands needs --drill-runtime=compose"
NO_BUDGET = "no time was given to random game days: --drill-budget=SECONDS"
_FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass
class Example:
    directory: Path
    environment: Mapping[str, str]

    def pages_commands(self, runtime: str) -> str:
        """The block of the page for this runtime."""
        blocks = _FENCE.findall((self.directory / "README.md").read_text())
        (block,) = [block for block in blocks if f"--drill-runtime {runtime}" in block]
        return str(block)

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script; ``stdout`` has both streams."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.directory,
            env=dict(self.environment),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            check=False,
        )

    def drill(self, selection: str, runtime: str = "embedded") -> RunEvidence:
        """Run some drills of a gateway with a fault: at least one must fail."""
        done = self.shell(f"rollback-drills run --runtime={runtime} -k '{selection}' -p no:cacheprovider")
        assert done.returncode == 1, done.stdout
        return self.run()

    def run(self) -> RunEvidence:
        """The evidence of the last run."""
        return RunEvidence.model_validate_json((self.directory / "reports" / "latest" / "evidence.json").read_bytes())

    def edit(self, file: str, old: str, new: str) -> None:
        """Plant a fault; an edit that does not apply is an error."""
        path = self.directory / file
        text = path.read_text()
        assert text.count(old) == 1, f"{text.count(old)} places in {file} instead of one: {old}"
        path.write_text(text.replace(old, new))


def verdicts(run: RunEvidence) -> dict[str, Counter[str]]:
    """By drill, the number of cases with each verdict."""
    found: dict[str, Counter[str]] = {}
    for drill in run.drills:
        name = drill.id.rpartition("::")[2].partition("[")[0]
        found.setdefault(name, Counter())[drill.verdict] += 1
    return found


def reasons(run: RunEvidence) -> set[str]:
    """Why drills were skipped."""
    return {drill.reason for drill in run.drills if drill.verdict == "skipped"}


def findings(run: RunEvidence) -> set[str]:
    return {finding.code for drill in run.drills for finding in drill.findings}

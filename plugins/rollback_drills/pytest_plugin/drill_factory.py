"""Makes the drills of one process, and keeps their evidence until a test report takes it along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from rollback_drills.core.meter import Meter
from rollback_drills.core.redaction import Redactor
from rollback_drills.drill.acceptance import Acceptances
from rollback_drills.drill.drill import Drill
from rollback_drills.drill.plan import Plan
from rollback_drills.evidence.journal import Journal
from rollback_drills.evidence.model import DrillEvidence, Step
from rollback_drills.pytest_plugin.keys import JOURNALS, Run
from rollback_drills.pytest_plugin.target_choice import TargetChoice


def _ignore(plan: Plan, step: Step) -> None:
    """No terminal shows the steps."""


class DrillFactory:
    """Makes drills that write into the journal of this process and report their progress.

    Args:
        directory: of the run, below which the journal and the artifacts go.
        worker: the name of the process, and of its journal.
        timeout: seconds for one drill.
        sections: the runbook's sections, titles by id.
    """

    def __init__(
        self,
        run: Run,
        targets: TargetChoice,
        *,
        meter: Meter,
        redactor: Redactor,
        directory: Path,
        worker: str,
        timeout: float,
        sections: Mapping[str, str],
    ) -> None:
        self._run, self._targets, self._meter, self._redactor = run, targets, meter, redactor
        self._directory, self._timeout, self._sections = directory, timeout, sections
        self._journal_file = directory / JOURNALS / f"{worker}.jsonl"
        self._journal: Journal | None = None
        self._finished: list[DrillEvidence] = []
        self.journal_problem = ""
        self.progress: Callable[[Plan, Step], None] = _ignore

    def new_drill(self, plan: Plan) -> Drill:
        """The drill of a plan. If no journal can be written, it is performed all the same."""
        if self._journal is None and not self.journal_problem:
            try:
                self._journal = Journal(self._journal_file, self._journal_broke)
            except OSError as error:  # the end of the run says what is missing
                self.journal_problem = f"{self._directory} cannot be created: {error.strerror}"
        target = self._targets.target
        return Drill(
            plan,
            target=target,
            meter=self._meter,
            redactor=self._redactor,
            directory=self._directory,
            journal=self._journal,
            timeout=self._timeout,
            on_step=lambda plan, step: self.progress(plan, step),
            acceptances=Acceptances(target.accepted, self._run.today),
            clock=self._run.clock,
            sections=self._sections,
        )

    def not_run(self, plan: Plan, reason: str) -> DrillEvidence:
        """The evidence of a drill that was selected, but did not begin before the run ended."""
        drill = Drill(
            plan,
            target=self._targets.target,
            meter=self._meter,
            redactor=self._redactor,
            directory=self._directory,
            clock=self._run.clock,
            sections=self._sections,
        )
        return drill.skip(reason).model_copy(update={"verdict": "not run"})

    def finished(self, evidence: DrillEvidence) -> None:
        """Keep the evidence for the next test report."""
        self._finished.append(evidence)

    def take_finished(self) -> list[DrillEvidence]:
        """The evidence since the last call."""
        taken, self._finished = self._finished, []
        return taken

    def close(self) -> None:
        """End the journal."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _journal_broke(self, error: OSError) -> None:
        lost = "had this run been killed, its report would have lacked what followed"
        self.journal_problem = f"{self._journal_file} ends early ({error.strerror}): {lost}"

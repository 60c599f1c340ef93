"""What is recorded of a drill while it goes on: steps, checks, observations, commands, findings, artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from rollback_drills.clients.traffic import Clients
from rollback_drills.core.clock import Clock
from rollback_drills.core.errors import (
    DrillError,
    DrillTimeoutError,
)
from rollback_drills.core.meter import Meter
from rollback_drills.core.redaction import Redactor
from rollback_drills.drill.acceptance import Acceptances
from rollback_drills.drill.plan import (
    AcceptedRiskError,
    CheckFailedError,
    OpenStep,
    Plan,
    Progress,
    short,
    subject_of,
)
from rollback_drills.evidence.artifacts import write_artifact
from rollback_drills.evidence.findings.catalogue import entry
from rollback_drills.evidence.journal import Journal
from rollback_drills.evidence.model import (
    Artifact,
    Check,
    ClientTraffic,
    Command,
    DrillEvidence,
    Finding,
    Observation,
    Recovery,
    Step,
    Verdict,
    Writes,
    strictly_equal,
)
from rollback_drills.evidence.revisions import RevisionEvidence
from rollback_drills.runbook.sections import CHECKLIST, SECTIONS
from rollback_drills.runtimes.protocols import CommandResult
from rollback_drills.target.target import Target

OUTPUT_LIMIT = 4_000  # characters of a command's output that are kept in the evidence; the rest is an artifact


class Recorder:
    """The steps of one drill, and what was seen in them. Nothing is recorded before secrets have been taken out.

    Args:
        directory: where artifacts of the run go; paths in the evidence are relative to it.
        timeout: seconds for the whole drill, checked at every step.
        on_step: called with each step that has ended, for progress.
        acceptances: the findings that somebody has accepted for today.
        clock: tells when it began.
        sections: the runbook's sections, titles by id.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        target: Target,
        meter: Meter,
        redactor: Redactor,
        directory: Path,
        journal: Journal | None = None,
        timeout: float = 600.0,
        on_step: Progress | None = None,
        acceptances: Acceptances | None = None,
        clock: Clock | None = None,
        sections: Mapping[str, str] = SECTIONS,
    ) -> None:
        if plan.runbook not in sections:
            raise DrillError(f"no runbook section {plan.runbook!r}", fix=f"use one of {', '.join(sections)}")
        self.plan, self.target = plan, target
        self._meter, self._redactor, self._directory, self._journal = meter, redactor, directory, journal
        self._timeout, self._on_step, self._acceptances = timeout, on_step, acceptances or Acceptances()
        self._started_at = (clock or Clock()).now()
        self._began, self._target_began = meter.elapsed(), meter.target_seconds
        self._open: OpenStep | None = None
        self._deferred: list[str] | None = None
        self._steps: list[Step] = []
        self._findings: list[Finding] = []
        self._artifacts: list[Artifact] = []
        self._facts: dict[str, JsonValue] = {}
        self._gaps: list[str] = []
        self._measured_for = ""
        self._revisions: list[RevisionEvidence] = []
        self._recovery: Recovery | None = None
        self._writes: Writes | None = None
        self._traffic: ClientTraffic | None = None
        self._clients: Clients | None = None
        self._clients_left_out = False
        self._verdict: Verdict = "incomplete"
        self._reason = ""
        self._lacks: tuple[str, ...] = ()

    def evidence(self) -> DrillEvidence:
        """What has been recorded so far."""
        return DrillEvidence(
            id=self.plan.id,
            title=self.plan.title,
            runbook=self.plan.runbook,
            summary=self.plan.summary,
            verdict=self._verdict,
            reason=self._reason,
            lacks=self._lacks,
            worker=self.plan.worker,
            started_at=self._started_at.isoformat(timespec="milliseconds"),
            seconds=round(self._now(), 4),
            target_seconds=round(self._meter.target_seconds - self._target_began, 4),
            facts=self._facts,
            gaps=tuple(self._gaps),
            measured_for=self._measured_for,
            revisions=tuple(self._revisions),
            recovery=self._recovery,
            writes=self._writes,
            traffic=self._traffic,
            steps=tuple(self._steps),
            findings=tuple(self._findings),
            artifacts=tuple(self._artifacts),
        )

    # --- steps and what is recorded in them ------------------------------------------------------------

    @contextmanager
    def step(self, title: str, *, checklist: str | None = None) -> Iterator[None]:
        """One step of the procedure.

        Args:
            checklist: the id of the recovery checklist's item that it performs (`runbook.CHECKLIST`).

        Raises:
            DrillTimeout: the drill's time was already used up.
        """
        if checklist is not None and checklist not in CHECKLIST:
            known = ", ".join(CHECKLIST)
            raise DrillError(f"the recovery checklist has no item {checklist!r}", fix=f"use one of {known}")
        if self._open is not None:
            raise DrillError(
                f"the step {title!r} begins inside the step {self._open.title!r}", fix="end that one first"
            )
        if self._now() > self._timeout:
            raise DrillTimeoutError(
                f"the drill's {self._timeout:g} s were used up before the step {title!r}",
                fix="allow more with --drill-timeout, or look for the step that took so long",
            )
        step = OpenStep(len(self._steps) + 1, title, checklist, self._now(), self._meter.target_seconds)
        self._open = step
        try:
            yield
        except BaseException as error:
            failed = isinstance(error, AssertionError | AcceptedRiskError)
            self._close(step, "failed" if failed else "error", error)
            raise
        self._close(step, "failed" if any(check.fails for check in step.checks) else "passed", None)

    def check(
        self,
        title: str,
        observed: object,
        *,
        expected: object = True,
        finding: str | None = None,
        detail: str = "",
        subject: str = "",
        vital: bool = False,
    ) -> bool:
        """Record what was expected and observed; fail like an assert when they differ.

        Where they differ and the finding is an accepted risk, that is recorded and the drill goes on.

        Args:
            observed: anything that JSON can tell, and a database's rows: tuples are lists, moments are texts.
            finding: the catalogue's code for a failure of this check.
            detail: what the finding says beyond its title; by default expected and observed.
            subject: as for `find`.
            vital: what follows makes no sense without it, so that the drill ends here also where the finding is
                accepted: then it is skipped, and the rest is told as not proven.

        Returns:
            Whether they are equal.

        Raises:
            CheckFailed: they differ (inside `together`: at the end of that block).
            EndedByAcceptedRisk: they differ, that is accepted, and the check is vital.
            DrillError: there is no such finding.
        """
        __tracebackhide__ = True
        step = self._require_step(title)
        if finding is not None:
            entry(finding)  # a code that does not exist is a mistake in the drill, also while the check passes
        passed = strictly_equal(_plain(expected), _plain(observed))
        title, wanted, seen = self._redactor.text(title), self._json(expected), self._json(observed)
        at, message = round(self._now(), 4), f"{title}: expected {short(wanted)}, observed {short(seen)}"
        found = self.find(finding, detail or message, subject=subject) if finding is not None and not passed else None
        accepted = found is not None and not found.fails
        check = Check(
            title=title, expected=wanted, observed=seen, passed=passed, at=at, finding=finding, accepted=accepted
        )
        step.checks.append(check)
        if passed:
            return True
        if accepted:
            if vital:
                raise AcceptedRiskError(f"ended by the accepted risk [{finding}]: what comes after it is not proven")
            return False
        if self._deferred is None:
            raise CheckFailedError(message if finding is None else f"[{finding}] {message}")
        self._deferred.append(message)
        return False

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make all checks of this block before failing, so that the report shows all that is wrong."""
        __tracebackhide__ = True
        if self._deferred is not None:
            yield
            return
        failures = self._deferred = []
        try:
            yield
        except AcceptedRiskError:
            if not failures:
                raise
        finally:
            self._deferred = None
        if failures:
            raise CheckFailedError("; ".join(failures))

    def find(self, code: str, detail: str, data: JsonValue = None, *, subject: str = "") -> Finding:
        """Record a finding; a drill with one does not pass, even when it goes on, unless the risk is accepted.

        Args:
            subject: what it was found at, for example an integration or a revision; by default the drill's case.

        Raises:
            DrillError: there is no such finding.
        """
        finding = self._acceptances.settle(self._finding(code, detail, data, subject), self.plan.id)
        self._findings.append(finding)
        return finding

    def note_gap(self, code: str, detail: str, *, subject: str = "") -> None:
        """Record a gap that the target file declares: every report tells it, and it never fails a drill.

        Raises:
            DrillError: there is no such finding.
        """
        self._findings.append(self._finding(code, detail, None, subject).model_copy(update={"severity": "info"}))

    def _finding(self, code: str, detail: str, data: JsonValue, subject: str) -> Finding:
        known = entry(code)
        return Finding(
            code=code,
            severity=known.severity,
            title=known.title,
            detail=self._redactor.text(detail),
            why=known.why,
            remedy=known.remedy,
            at=round(self._now(), 4),
            step=self._redactor.text(self._open.title) if self._open else "",
            data=self._json(data),
            subject=self._redactor.text(subject or subject_of(self.plan.id)),
        )

    def observe(self, title: str, value: object, unit: str = "") -> None:
        """Record a fact that is not judged."""
        step = self._require_step(title)
        step.observations.append(
            Observation(
                title=self._redactor.text(title),
                value=self._json(value),
                unit=self._redactor.text(unit),
                at=round(self._now(), 4),
            )
        )

    def command(self, result: CommandResult) -> None:
        """Record a command that was run; outside of steps there is nothing to attach it to."""
        if self._open is None:
            return
        output = self._redactor.text(result.output)
        if len(output) > OUTPUT_LIMIT:
            name = f"{self.plan.id}-{self._open.number}-{len(self._open.commands) + 1}.log"
            path = self.attach(f"Output of {result.argv[0]}", output, name=name)
            half = OUTPUT_LIMIT // 2
            left_out = len(output) - 2 * half
            output = f"{output[:half]}\n… {left_out} characters left out, see {path} …\n{output[-half:]}"
        self._open.commands.append(
            Command(
                argv=self._redactor.arguments(result.argv),
                exit_code=result.exit_code,
                output=output,
                at=round(max(0.0, self._now() - result.seconds), 4),
                seconds=round(result.seconds, 4),
                where=self._redactor.text(result.where),
            )
        )

    def allow(self, seconds: float) -> None:
        """Whoever started this drill has given it these seconds beside the time that every drill has."""
        self._timeout += seconds

    def attach(self, title: str, text: str, *, name: str, media_type: str = "text/plain") -> str:
        """Write a file beside the report; its path within the run's directory. A name that is taken gets a number."""
        artifact = write_artifact(
            self._directory,
            self._redactor.text(title),
            self._redactor.text(text),
            name=self._redactor.text(name),
            media_type=media_type,
        )
        self._artifacts.append(artifact)
        return artifact.path

    def fact(self, name: str, value: JsonValue) -> None:
        """Something that the report's head should say: releases, revisions, the dataset."""
        self._facts[self._redactor.text(name)] = self._json(value)

    def not_proven(self, reason: str) -> None:
        """Say, in one sentence, what this drill could not prove and why: its section is then proven only in part."""
        self._gaps.append(self._redactor.text(reason))

    def measured_for(self, drills: str) -> None:
        """Name the drills that judge what this one only measures."""
        self._measured_for = self._redactor.text(drills)

    def revision(self, proof: Mapping[str, object]) -> None:
        """Record what was proven of one migration.

        Args:
            proof: the fields of `RevisionEvidence`.

        Raises:
            ValidationError: a field is missing, unknown or of another type.
        """
        self._revisions.append(RevisionEvidence.model_validate(self._json(proof)))

    # --- within ----------------------------------------------------------------------------------------

    def _close(self, step: OpenStep, outcome: str, error: BaseException | None) -> None:
        self._open = None
        done = Step.model_validate(
            {
                "number": step.number,
                "title": self._redactor.text(step.title),
                "checklist": step.checklist,
                "outcome": outcome,
                "at": round(step.at, 4),
                "seconds": round(self._now() - step.at, 4),
                "target_seconds": round(self._meter.target_seconds - step.target_at, 4),
                "error": self._redactor.text(str(error)) if error is not None else "",
                "checks": step.checks,
                "observations": step.observations,
                "commands": step.commands,
            }
        )
        self._steps.append(done)
        if self._journal:
            self._journal.step(self.plan.id, done)
        if self._on_step:
            self._on_step(self.plan, done)

    def _require_step(self, title: str) -> OpenStep:
        if self._open is None:
            raise DrillError(f"{title!r} was recorded outside a step", fix="put it inside `with drill.step(...)`")
        return self._open

    def _json(self, value: object) -> JsonValue:
        return self._redactor.json(_plain(value))

    def _now(self) -> float:
        return self._meter.elapsed() - self._began


def _plain(value: object) -> JsonValue:
    """As JSON has it; what JSON has not is told by its text."""
    plain: JsonValue = to_jsonable_python(value, fallback=str)
    return sorted(plain, key=str) if isinstance(value, set | frozenset) and isinstance(plain, list) else plain

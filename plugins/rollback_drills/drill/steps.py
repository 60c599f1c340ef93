"""The steps of a drill, and what is recorded in them: checks, observations, commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import JsonValue

from rollback_drills.core.errors import DrillError, DrillTimeoutError
from rollback_drills.drill.plan import (
    AcceptedRiskError,
    CheckFailedError,
    OpenStep,
    OverloadedError,
    UnprovenError,
    short,
)
from rollback_drills.drill.record import Recorder, plain
from rollback_drills.evidence.findings.catalogue import entry
from rollback_drills.evidence.model import Check, Command, Observation, Step, strictly_equal
from rollback_drills.runbook import sections
from rollback_drills.runtimes.protocols import CommandResult

OUTPUT_LIMIT = 4_000  # characters of a command's output that are kept in the evidence; the rest is an artifact


class StepRecorder(Recorder):
    """Records what is done and seen step by step."""

    @contextmanager
    def step(self, title: str, *, checklist: str | None = None) -> Iterator[None]:
        """One step of the procedure.

        Args:
            checklist: the id of the item of the recovery checklist that it performs (`runbook.sections.CHECKLIST`).

        Raises:
            DrillTimeoutError: the drill's time is used up.
            DrillError: another step is open, or the checklist has no such item.
        """
        if checklist is not None and checklist not in sections.CHECKLIST:
            known = ", ".join(sections.CHECKLIST)
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
            failed = isinstance(error, AssertionError | UnprovenError)
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
        remedy: str = "",
        vital: bool = False,
        timed: bool = False,
    ) -> bool:
        """Record what was expected and observed; fail like an assert when they differ.

        Where the finding is an accepted risk, the difference is recorded and the drill goes on.

        Args:
            observed: anything that JSON can represent, and rows of a database: tuples become lists, dates text.
            finding: the catalogue's code for a failure of this check.
            detail: what the finding says beyond its title; by default expected and observed.
            subject, remedy: as for `find`.
            vital: the rest of the drill makes no sense without it. Where the finding is accepted, the drill is then
                skipped, and the rest counts as not proven.
            timed: a time limit has decided this. If the machine is overloaded, a difference is recorded as not proven.

        Returns:
            Whether they are equal.

        Raises:
            CheckFailedError: they differ (inside `together`: at the end of that block).
            AcceptedRiskError: they differ, the risk is accepted, and the check is vital.
            OverloadedError: they differ, a time limit has decided it on an overloaded machine, and the check is vital.
            DrillError: the catalogue has no such code.
        """
        __tracebackhide__ = True
        step = self._require_step(title)
        if finding is not None:
            entry(finding)  # a code that does not exist is a mistake in the drill, also while the check passes
        passed = strictly_equal(plain(expected), plain(observed))
        title, wanted, seen = self._redactor.text(title), self._json(expected), self._json(observed)
        if timed and not passed and (overload := self.overload()):
            self._leave_open(step, title, wanted, seen, overload, vital=vital)
            return False
        at, message = round(self._now(), 4), f"{title}: expected {short(wanted)}, observed {short(seen)}"
        found = None
        if finding is not None and not passed:
            found = self.find(finding, detail or message, subject=subject, remedy=remedy)
        accepted = found is not None and not found.fails
        check = Check(
            title=title, expected=wanted, observed=seen, passed=passed, at=at, finding=finding, accepted=accepted
        )
        step.checks.append(check)
        if passed:
            return True
        if accepted:
            if vital:
                raise AcceptedRiskError(f"ended by the accepted risk [{finding}]: the rest is not proven")
            return False
        if self._deferred is None:
            raise CheckFailedError(message if finding is None else f"[{finding}] {message}")
        self._deferred.append(message)
        return False

    def _leave_open(
        self, step: OpenStep, title: str, wanted: JsonValue, seen: JsonValue, overload: str, *, vital: bool
    ) -> None:
        """Record a difference that proves nothing, because the machine was overloaded."""
        value: JsonValue = {"expected": wanted, "observed": seen, "not judged": overload}
        step.observations.append(Observation(title=title, value=value, at=round(self._now(), 4)))
        reason = f"“{title}” is not proven: {overload}."
        self.not_proven(reason)
        if vital:
            raise OverloadedError(reason)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make all checks of the block before failing, so that the report shows everything that is wrong."""
        __tracebackhide__ = True
        if self._deferred is not None:
            yield
            return
        failures = self._deferred = []
        try:
            yield
        except UnprovenError:
            if not failures:
                raise
        finally:
            self._deferred = None
        if failures:
            raise CheckFailedError("; ".join(failures))

    def observe(self, title: str, value: object, unit: str = "") -> None:
        """Record something that is not judged."""
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
        """Record a command that was run; outside of steps, do nothing."""
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

"""A drill: performs steps, records what was expected and observed, and judges. Independent of pytest.

with drill.step("Turn the flag off", checklist="disable-or-rollback"):
    stack.gateway.recreate()
    drill.check("it answers 503", answer.status, expected=503, finding="flag-ignored")
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import Self

from rollback_drills.clients.traffic import StackClients
from rollback_drills.drill.plan import (
    CheckFailedError,
    UnprovenError,
    first_line,
    sentence,
)
from rollback_drills.drill.steps import StepRecorder
from rollback_drills.evidence.model import ClientTraffic, DrillEvidence, Recovery, Writes


class Drill(StepRecorder):
    """One drill, from its first step to its verdict. Use it as a context manager; arguments are those of `Recorder`."""

    # --- the drill as a whole --------------------------------------------------------------------------

    def __enter__(self) -> Self:
        if self._journal:
            self._journal.drill_started(self.evidence())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.conclude(error)
        if error is None and self.findings_sentence:
            raise CheckFailedError(self.findings_sentence)

    def conclude(self, error: BaseException | None, *, reason: str = "") -> DrillEvidence:
        """Decide the verdict and write it to the journal. A later call, with an error of the teardown, replaces it."""
        if isinstance(error, UnprovenError) and not self.findings_sentence:
            return self.skip(str(error))
        if error is None:
            self._verdict = "failed" if self.findings_sentence else "passed"
            self._reason = self.findings_sentence
        else:
            self._verdict = "failed" if isinstance(error, AssertionError) else "error"
            self._reason = self._redactor.text(reason or self.findings_sentence or first_line(error))
        return self._settled()

    def skip(self, reason: str, *, lacks: tuple[str, ...] = ()) -> DrillEvidence:
        """End the drill without proof, with the reason; ``lacks`` names the capabilities that are missing."""
        self._verdict, self._reason, self._lacks = "skipped", self._redactor.text(reason), lacks
        return self._settled()

    @property
    def findings_sentence(self) -> str:
        """The findings that fail the drill, in one line; empty without any."""
        return sentence(self._findings)

    def _settled(self) -> DrillEvidence:
        evidence = self.evidence()
        if self._journal:
            self._journal.drill(evidence)
        return evidence

    # --- recovery and clients ---------------------------------------------------------------------------

    def writes(self, writes: Writes) -> None:
        """Account for acknowledged writes."""
        self._writes = writes

    def traffic(self, traffic: ClientTraffic) -> None:
        """Record what clients saw."""
        self._traffic = traffic

    def watch(self, clients: StackClients) -> None:
        """Let a recovery end only when these clients have seen the steady state for a whole window."""
        self._clients = clients

    def leave_clients_out(self, reason: str) -> None:
        """Do not wait for clients at the end of this recovery: the procedure leaves them without service, by design."""
        self.observe("clients are left out of the recovery time", reason)
        self._clients_left_out = True

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Look at something for the suite itself, as a person on call would not: rows are hashed, schemas compared.

        Clients pause meanwhile. The time is neither in the recovery time nor in the downtime; the report shows it.
        """
        if self._looking:
            yield
            return
        self._looking, began = True, self._now()
        try:
            with self._clients.paused() if self._clients is not None else nullcontext():
                yield
        finally:
            self._looking = False
            self._aside.append((began, self._now()))

    @contextmanager
    def recovery(self) -> Iterator[None]:
        """Measure the recovery time (RTO): from the decision to roll back until the steady state is verified.

        It is verified twice: by the checks in the block, then by clients, which must see it for a whole window (see
        `watch`); the recovery ends with that window. Seconds of wall time, without those of `aside`. A recovery that
        fails has no duration, and misses every objective.
        """
        started = self._now()
        self._clients_left_out = False
        plan = self.plan
        measured = Recovery(
            objective=plan.objective,
            objective_seconds=plan.objective_seconds,
            started=round(started, 4),
            seconds=None,
        )
        self._recovery = measured
        with self._meter.recovery():
            yield
        verified = self._verified()
        aside = sum(max(0.0, min(ended, verified) - max(began, started)) for began, ended in self._aside)
        seconds = {"seconds": round(verified - started - aside, 4), "aside_seconds": round(aside, 4)}
        measured = measured.model_copy(update=seconds)
        self._recovery = measured
        if aside:
            self.fact("the suite's own work during the recovery, not counted", f"{aside:.2f} s")
        if measured.met is False:
            said = f"recovered after {measured.seconds:.1f} s, the objective is {measured.objective_seconds:g} s"
            overload = self.overload(times=(measured.seconds or 0) / (measured.objective_seconds or 1))
            if overload:
                self._recovery = measured.model_copy(update={"objective_seconds": None})
                self.not_proven(f"The objective: {said}, but {overload}.")
                return
            self.find("objective-missed", f"{said}{self.longest_step(measured.started, verified)}")

    def _verified(self) -> float:
        """When the steady state was verified, by clients as well; seconds of the drill."""
        verified = self._now()
        clients = self._clients
        if clients is None or not clients.asking or self._clients_left_out:
            return verified
        with self.step("Clients see the steady state for a whole window"):
            held = clients.hold(self.moment(verified))
            self.check(
                f"{clients.window} requests of every kind are good, one after the other",
                held.seen if held.moment is None else "good",
                expected="good",
                finding="steady-state-not-held",
                detail=f"all checks have passed, and then {held.seen}",
                timed=True,
            )
        return verified if held.moment is None else max(verified, self.seconds_at(held.moment))

    def longest_step(self, since: float, until: float) -> str:
        """For a finding: the step that took most of the time between two moments; empty without a step."""
        shares = [(min(until, step.at + step.seconds) - max(since, step.at), step) for step in self._steps]
        share, step = max(shares, key=lambda pair: pair[0], default=(0.0, None))
        return f"; longest step: {step.title} ({step.seconds:.1f} s)" if step is not None and share > 0 else ""

    def moment(self, seconds: float) -> float:
        """Convert seconds of this drill to the monotonic clock."""
        return time.monotonic() - self._now() + seconds

    def seconds_at(self, moment: float) -> float:
        """Convert a moment of the monotonic clock to seconds of this drill."""
        return moment - time.monotonic() + self._now()

"""What a drill records beside its steps: findings, facts, gaps, artifacts; and the evidence made of all of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from rollback_drills.clients.traffic import StackClients
from rollback_drills.core.clock import Clock
from rollback_drills.core.errors import (
    DrillError,
)
from rollback_drills.core.machine import MachineLoad, measure
from rollback_drills.core.meter import Meter
from rollback_drills.core.redaction import Redactor
from rollback_drills.drill.acceptance import Acceptances
from rollback_drills.drill.plan import (
    OpenStep,
    Plan,
    Progress,
    subject_of,
)
from rollback_drills.evidence.artifacts import write_artifact
from rollback_drills.evidence.findings.catalogue import entry
from rollback_drills.evidence.journal import Journal
from rollback_drills.evidence.model import (
    Artifact,
    ClientTraffic,
    DrillEvidence,
    Finding,
    Recovery,
    Step,
    Verdict,
    Writes,
)
from rollback_drills.evidence.revisions import RevisionEvidence
from rollback_drills.runbook.sections import SECTIONS
from rollback_drills.target.target import Target

LATELY = 60.0  # seconds; of the load's requests, those that were due since then tell of late timers


class Recorder:
    """The record of one drill. Secrets are removed before anything is recorded.

    Args:
        directory: for artifacts; paths in the evidence are relative to it.
        timeout: seconds for the whole drill, checked at every step.
        on_step: called with each completed step, to show progress.
        acceptances: the risks that are accepted today.
        clock: gives the time of the start.
        sections: the runbook's sections, titles by id.
        machine: measures the machine, where a time limit has decided against the target.
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
        machine: Callable[..., MachineLoad] = measure,
    ) -> None:
        if plan.runbook not in sections:
            raise DrillError(f"no runbook section {plan.runbook!r}", fix=f"use one of {', '.join(sections)}")
        self.plan, self.target = plan, target
        self._meter, self._redactor, self._directory, self._journal = meter, redactor, directory, journal
        self._timeout, self._on_step, self._acceptances = timeout, on_step, acceptances or Acceptances()
        self._machine = machine
        self._started_at = (clock or Clock()).now()
        self._began, self._target_began = meter.elapsed(), meter.target_seconds
        self._open: OpenStep | None = None
        self._deferred: list[str] | None = None  # messages of failed checks, inside `together`
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
        self._clients: StackClients | None = None
        self._clients_left_out = False
        self._looking = False
        self._aside: list[tuple[float, float]] = []  # seconds of the drill, from and until
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

    def find(self, code: str, detail: str, data: JsonValue = None, *, subject: str = "", remedy: str = "") -> Finding:
        """Record a finding. The drill goes on, and fails in the end unless the risk is accepted.

        Args:
            code: of the catalogue of findings.
            subject: an integration, a revision, or whatever has the problem; by default the drill's parameter.
            remedy: what to do in this case, where the code has several causes; by default the catalogue's remedy.

        Raises:
            DrillError: the catalogue has no such code.
        """
        found = self._finding(code, detail, data, subject)
        if remedy:
            found = found.model_copy(update={"remedy": self._redactor.text(remedy)})
        finding = self._acceptances.settle(found, self.plan.id)
        self._findings.append(finding)
        return finding

    def note_gap(self, code: str, detail: str, *, subject: str = "") -> None:
        """Record a known gap, as one that the target file declares: every report shows it, and no drill fails by it.

        Raises:
            DrillError: the catalogue has no such code.
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

    def allow(self, seconds: float) -> None:
        """Extend the drill's time limit by these seconds, because an option asks for a longer drill."""
        self._timeout += seconds

    def attach(self, title: str, text: str, *, name: str, media_type: str = "text/plain") -> str:
        """Write a file beside the report; returns its path within the run's directory. A name in use gets a number."""
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
        """Record a value for the head of the report: releases, revisions, the dataset."""
        self._facts[self._redactor.text(name)] = self._json(value)

    def not_proven(self, reason: str) -> None:
        """Say, in one sentence, what this drill could not prove and why: its section is then proven only in part."""
        self._gaps.append(self._redactor.text(reason))

    def overload(self, *, times: float = 1.0) -> str:
        """Why a time that was measured now proves nothing, as a sentence; empty if it does.

        Args:
            times: how many times the limit it was: what the machine's slowness cannot explain is the target's.
        """
        clients = self._clients
        machine = self._machine(late=clients.latest_send(LATELY) if clients is not None else 0.0)
        explained = machine.overloaded and times <= max(machine.slowdown, 1.0)
        return f"the machine was overloaded ({machine})" if explained else ""

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

    def _json(self, value: object) -> JsonValue:
        return self._redactor.json(plain(value))

    def _now(self) -> float:
        return self._meter.elapsed() - self._began


def plain(value: object) -> JsonValue:
    """The value as JSON; a type that JSON lacks becomes its text."""
    try:
        plain: JsonValue = to_jsonable_python(value, fallback=str)
    except UnicodeEncodeError:  # a key with a lone surrogate, which pydantic does not represent
        plain = json.loads(json.dumps(value, default=str))
    return sorted(plain, key=str) if isinstance(value, set | frozenset) and isinstance(plain, list) else plain

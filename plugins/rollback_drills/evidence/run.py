"""A whole run: what was drilled, where, against which runbook, and every drill's evidence."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from rollback_drills.evidence.base import Model
from rollback_drills.evidence.model import Acceptance, DrillEvidence, Verdict

SCHEMA_VERSION = "1.4"
"""A minor number grows when something is added, the major one when something changes its meaning."""


class TargetFacts(Model):
    """Which system was drilled."""

    name: str
    file: str
    sha256: str
    current: str
    previous: str
    integrations: int
    objectives: dict[str, float] = Field(description="seconds, by name")


class RuntimeFacts(Model):
    """Where it ran, and why there."""

    name: str
    reason: str
    facts: dict[str, JsonValue] = Field(default={})


class RunbookFacts(Model):
    """The runbook whose procedures were performed."""

    title: str
    file: str
    sha256: str
    sections: dict[str, str] = Field(description="titles by the anchor that drills refer to, in the runbook's order")
    checklist: dict[str, str] = Field(description="titles of the recovery checklist's items by id, in its order")
    by_hand: dict[str, str] = Field(default={}, description="items that no drill can perform, and why")


class AcceptedRisk(Model):
    """An accepted risk of the target file, and what this run says of it."""

    finding: str
    acceptance: Acceptance
    drill: str = Field(default="", description="the only drills that it applies to, as a pattern")
    subject: str = Field(default="", description="the only subjects in them that it applies to, as a pattern")
    found: int = Field(description="findings of this run that it covers, or did before it expired")
    days_left: int = Field(description="remaining days, without today; negative: it has expired")
    state: Literal["used", "expired", "not needed", "not judged"] = Field(
        description="not needed: a full run did not find it; not judged: this run could not find it"
    )


class SourceRun(Model):
    """One of the runs that a merged one was made from."""

    run: str
    started_at: str
    finished_at: str
    runtime: str
    selection: str
    drills: int
    evidence_sha256: str = Field(description="of its evidence.json")


class NotSelected(Model):
    """A drill that was found, and that the selection (``-k``, ``-m``, a path) leaves out."""

    id: str
    title: str
    runbook: str


class RunEvidence(Model):
    """One run: the file ``evidence.json``."""

    schema_version: str = SCHEMA_VERSION
    run: str
    started_at: str
    finished_at: str
    seconds: float = Field(description="wall time of the session, start to report; of merged runs, their sum")
    target_seconds: float
    setup_seconds: float = Field(description="of target_seconds: starting the disposable stack, once per worker")
    workers: int
    interrupted: str = Field(default="", description="why the run ended early; empty if it did not")
    selection: str = Field(default="", description="the -k and -m expressions and the arguments")
    target: TargetFacts
    runtime: RuntimeFacts
    runbook: RunbookFacts
    versions: dict[str, str]
    host: dict[str, JsonValue]
    accepted: tuple[AcceptedRisk, ...] = Field(default=(), description="the accepted risks of the target file")
    not_selected: tuple[NotSelected, ...] = Field(default=(), description="the drills that the selection leaves out")
    merged: tuple[SourceRun, ...] = Field(default=(), description="the runs that this one was merged from")
    drills: tuple[DrillEvidence, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of the drills' verdicts; a run that was interrupted or proved nothing has not passed."""
        verdicts = {drill.verdict for drill in self.drills}
        for worst in ("failed", "error", "incomplete"):
            if worst in verdicts:
                return worst
        if self.interrupted or "not run" in verdicts:
            return "incomplete"
        return "passed" if "passed" in verdicts else "skipped"

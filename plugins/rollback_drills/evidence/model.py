"""The evidence of a drill: the JSON contract between the drills and every report.

Every value is plain JSON. Times within a drill (``at``) are seconds since it began; durations are
seconds; moments (``started_at``) are ISO 8601 in UTC. Text was redacted before it came here (`redaction`).
The schema is versioned: a minor number grows when something is added, the major one when something
changes its meaning. docs/reference/evidence.schema.json is generated from these classes.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, JsonValue, model_validator

from rollback_drills.evidence.base import Model
from rollback_drills.evidence.former import with_fields
from rollback_drills.evidence.revisions import RevisionEvidence

Verdict = Literal["passed", "failed", "error", "skipped", "incomplete", "not run"]
"""``failed``: something did not hold. ``error``: the drill itself broke off. ``skipped``: a capability
is missing, so nothing was proven. ``incomplete``: its process was killed. ``not run``: the run ended
before it was begun."""

Severity = Literal["critical", "major", "minor", "info"]
"""``info``: a known, declared gap; every report shows it, and it never fails a drill."""


def strictly_equal(expected: JsonValue, observed: JsonValue) -> bool:
    """Whether two JSON values are equal by JSON's rules, at every depth: true is not 1, and 1 is 1.0."""
    if isinstance(expected, dict) and isinstance(observed, dict):
        return expected.keys() == observed.keys() and all(
            strictly_equal(item, observed[key]) for key, item in expected.items()
        )
    if isinstance(expected, list) and isinstance(observed, list):
        return len(expected) == len(observed) and all(map(strictly_equal, expected, observed))
    if isinstance(expected, bool) or isinstance(observed, bool):
        return expected is observed
    return expected == observed


class Check(Model):
    """One thing that had to hold: what was expected, what was observed."""

    title: str
    expected: JsonValue
    observed: JsonValue
    passed: bool
    at: float
    finding: str | None = Field(default=None, description="code of the finding for a failure")
    accepted: bool = Field(default=False, description="it does not hold, but the risk is accepted")

    @property
    def fails(self) -> bool:
        return not self.passed and not self.accepted


class Observation(Model):
    """A recorded fact that is not judged."""

    title: str
    value: JsonValue
    at: float
    unit: str = ""


class Command(Model):
    """A command of the target, with its output (cut in the middle if it is long)."""

    argv: tuple[str, ...]
    exit_code: int | None = Field(description="null if it was killed at its time limit")
    output: str
    at: float
    seconds: float
    where: str = Field(default="", description="where it ran, for example 'release 0.5.0'")


class Acceptance(Model):
    """Who has accepted a risk, why, and for how long."""

    reason: str
    owner: str
    until: str = Field(description="the last day on which it is accepted, ISO 8601")


class Finding(Model):
    """A problem that would hurt on the night of the rollback; self-contained, so that it can be filed."""

    code: str
    severity: Severity
    title: str
    detail: str
    why: str
    remedy: str
    at: float
    step: str = ""
    data: JsonValue = None
    subject: str = Field(default="", description="where it was found: an integration, a revision, a case of the drill")
    accepted: Acceptance | None = Field(default=None, description="the acceptance of its risk; it then fails no drill")
    expired: Acceptance | None = Field(default=None, description="an acceptance that has expired")

    @property
    def fails(self) -> bool:
        """Whether a drill with it fails."""
        return self.accepted is None and self.severity != "info"


class Artifact(Model):
    """A file of the run; ``path`` is relative to the run's directory."""

    title: str
    path: str
    media_type: str
    size: int = Field(description="bytes")
    sha256: str


class Step(Model):
    """One step of the procedure, as the runbook would number it."""

    number: int
    title: str
    outcome: Literal["passed", "failed", "error"]
    at: float
    seconds: float
    target_seconds: float = Field(description="time spent waiting for the target's processes, commands and answers")
    checklist: str | None = Field(default=None, description="the recovery checklist item that it performs")
    error: str = ""
    checks: tuple[Check, ...] = ()
    observations: tuple[Observation, ...] = ()
    commands: tuple[Command, ...] = ()

    @property
    def harness_seconds(self) -> float:
        return max(0.0, self.seconds - self.target_seconds)


class Recovery(Model):
    """Recovery time: from the decision to roll back until the steady state was verified (RTO)."""

    objective: str | None
    objective_seconds: float | None
    started: float
    seconds: float | None = Field(description="null if the steady state was never reached")
    aside_seconds: float = Field(
        default=0.0, description="what the suite looked at for itself meanwhile, clients paused; not in seconds"
    )

    @property
    def ended(self) -> float | None:
        """When the steady state was verified, in seconds of the drill."""
        return None if self.seconds is None else self.started + self.seconds + self.aside_seconds

    @property
    def met(self) -> bool | None:
        if self.objective_seconds is None:
            return None
        return self.seconds is not None and self.seconds <= self.objective_seconds


class Writes(Model):
    """Writes that the gateway acknowledged during the drill, and what became of them (RPO).

    ``lost`` holds unexpected losses as well as those that the procedure gives up; it lists the ids if they are few,
    and an artifact holds all of them otherwise.
    """

    acknowledged: int
    lost: tuple[str, ...] = ()
    lost_more: int = Field(default=0, description="number of lost writes that are not listed")
    expected_lost: int = Field(default=0, description="losses that the procedure implies: writes since the backup")
    duplicated: tuple[str, ...] = Field(default=(), description="ids that were sent once and are stored more than once")
    duplicated_more: int = 0
    unexpected: tuple[str, ...] = Field(default=(), description="ids that are stored although refused or never sent")
    unexpected_more: int = 0
    uncertain: int = Field(default=0, description="sent without an answer: may or may not be stored; either is correct")
    rpo_seconds: float | None = Field(default=None, description="age of the oldest lost write at the trigger")
    rpo_objective_seconds: float | None = None

    @property
    def all_lost(self) -> int:
        """How many were lost, listed or not."""
        return len(self.lost) + self.lost_more

    @property
    def rpo_met(self) -> bool | None:
        if self.rpo_objective_seconds is None:
            return None
        return (self.rpo_seconds or 0.0) <= self.rpo_objective_seconds


class Latency(Model):
    """Seconds from the moment at which a request was due to its last byte, over those that were answered."""

    p50: float
    p95: float
    p99: float
    longest: float


class Downtime(Model):
    """A stretch in which clients got no good answer to one kind of request."""

    kind: str
    began: float = Field(description="when its first failed request was due")
    ended: float | None = Field(description="when the next good request was due; null: it lasted to the end")
    requests: int = Field(description="number of failed requests")
    cause: str = Field(description="the most frequent answer: a status, or a transport error")


class Phase(Model):
    """What clients saw before the trigger, from there until the steady state was verified, and after."""

    name: Literal["before", "during", "after"]
    began: float
    ended: float
    requests: int
    good: int
    deliberate: int = Field(description="refused on purpose, in the agreed words: a disabled integration's 503")
    failed: int
    latency: Latency | None = Field(default=None, description="null if nothing was answered")

    @property
    def error_rate(self) -> float:
        """Failed requests over all, from 0 to 1."""
        return self.failed / self.requests if self.requests else 0.0


class Interval(Model):
    """One stretch of the timeline: within a drill, all have the same length."""

    at: float
    good: int
    deliberate: int
    failed: int
    p95: float | None = None


class ClientTraffic(Model):
    """What clients saw: an open-loop load of constant rate from before the trigger until after the verification."""

    rate: float = Field(description="requests per second, all kinds together")
    began: float
    ended: float
    requests: dict[str, dict[str, int]] = Field(description="by kind, then by status or transport error")
    downtime: tuple[Downtime, ...] = ()
    downtime_seconds: dict[str, float] = Field(default={}, description="the sum of the stretches, by kind")
    downtime_objective_seconds: float | None = None
    phases: tuple[Phase, ...] = ()
    latency: Latency | None = None
    interval_seconds: float = 0.0
    intervals: tuple[Interval, ...] = ()
    latest_send_seconds: float = Field(default=0.0, description="the longest delay in sending the load")
    cpu_seconds: float = Field(default=0.0, description="cost of the load itself")

    @property
    def longest_downtime(self) -> float:
        """Seconds of downtime of the kind that had most of it."""
        return max(self.downtime_seconds.values(), default=0.0)

    @property
    def downtime_met(self) -> bool | None:
        if self.downtime_objective_seconds is None:
            return None
        return self.longest_downtime <= self.downtime_objective_seconds


class Attempt(Model):
    """An earlier attempt at a drill, in one of the runs that were merged; the latest one counts."""

    run: str
    runtime: str
    started_at: str
    verdict: Verdict
    reason: str = ""


class DrillEvidence(Model):
    """Everything that one drill did and saw."""

    id: str
    title: str
    runbook: str
    summary: str
    verdict: Verdict
    started_at: str
    seconds: float
    target_seconds: float
    reason: str = Field(default="", description="why it failed, was skipped or not run, in one or two sentences")
    lacks: tuple[str, ...] = Field(default=(), description="the capabilities whose absence skipped it")
    worker: str = "main"
    facts: dict[str, JsonValue] = Field(default={})
    gaps: tuple[str, ...] = Field(default=(), description="what it could not prove; one sentence each, with the reason")
    measured_for: str = Field(default="", description="the drills that judge this measurement; empty: it judges itself")
    revisions: tuple[RevisionEvidence, ...] = Field(default=(), description="what was proven of migrations")
    recovery: Recovery | None = None
    writes: Writes | None = None
    traffic: ClientTraffic | None = None
    steps: tuple[Step, ...] = ()
    findings: tuple[Finding, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    attempts: tuple[Attempt, ...] = Field(default=(), description="earlier attempts, in merged runs; oldest first")

    @model_validator(mode="before")
    @classmethod
    def _read_former(cls, data: object) -> object:
        return with_fields(data) if isinstance(data, dict) else data

    @property
    def harness_seconds(self) -> float:
        return max(0.0, self.seconds - self.target_seconds)

    @property
    def accepted(self) -> tuple[Finding, ...]:
        """Its accepted risks: with them, it has passed for as long as they are accepted."""
        return tuple(finding for finding in self.findings if finding.accepted is not None)

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls.model_validate_json(text)

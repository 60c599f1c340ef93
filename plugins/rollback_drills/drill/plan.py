"""What a drill sets out to prove, its open step, and the sentences for what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pydantic import JsonValue

from rollback_drills.evidence.model import Check, Command, Finding, Observation, Step

Progress = Callable[["Plan", Step], None]


class CheckFailedError(AssertionError):
    """A check failed."""


class UnprovenError(Exception):
    """The drill cannot go on, and nobody is to blame: the rest of it stays unproven."""


class AcceptedRiskError(UnprovenError):
    """The drill cannot go on after an accepted finding."""


class OverloadedError(UnprovenError):
    """The drill cannot go on: on an overloaded machine, something took longer than its time limit."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a drill sets out to prove, before it begins."""

    id: str
    title: str
    runbook: str
    summary: str = ""
    objective: str | None = None
    objective_seconds: float | None = None
    worker: str = "main"


class OpenStep:
    """A step in progress."""

    def __init__(self, number: int, title: str, checklist: str | None, at: float, target_seconds: float) -> None:
        self.number, self.title, self.checklist = number, title, checklist
        self.at, self.target_at = at, target_seconds
        self.checks: list[Check] = []
        self.observations: list[Observation] = []
        self.commands: list[Command] = []


def short(value: JsonValue) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:140]} … {text[-40:]}"


def first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def sentence(findings: Iterable[Finding]) -> str:
    """The findings that fail a drill, in one line; empty without any."""
    return "; ".join(f"[{finding.code}] {finding.detail}" for finding in findings if finding.fails)


def subject_of(drill_id: str) -> str:
    """The parameter of a parametrised drill; empty for others."""
    _, bracket, rest = drill_id.partition("[")
    return rest.removesuffix("]") if bracket else ""

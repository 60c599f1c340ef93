"""The result of one request, and how it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rollback_drills.clients.answers import Answer, difference, is_acknowledged, is_disabled, is_taken
from rollback_drills.clients.decoding import TEXT_LIMIT, value_of
from rollback_drills.clients.traffic.sender_program import NOT_SENT, REFUSED
from rollback_drills.target.target import Target

HEALTH, DELIVERY, READ = "health", "delivery", "read"

Outcome = Literal["good", "deliberate", "failed"]
Fate = Literal["acknowledged", "refused", "uncertain"]
"""Of a delivery: whether it must be stored, must not be stored, or may be either."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request; times are seconds on the monotonic clock. Without an answer (``status`` None) ``error`` says why.

    ``number`` counts the load's requests in the order in which they were due; ``problem`` says what was wrong about a
    failed one.
    """

    number: int
    kind: str
    integration: str
    id: str
    due: float
    sent: float
    ended: float
    status: int | None
    error: str
    outcome: Outcome
    fate: Fate | None = None
    problem: str = ""

    @property
    def seconds(self) -> float:
        """Seconds from the moment at which it was due, including any delay in sending it."""
        return self.ended - self.due

    @property
    def result(self) -> str:
        """The status, or the transport error."""
        return str(self.status) if self.status is not None else self.error


def fate(target: Target, integration: str, answer: Answer) -> Fate:
    """What an answer to a delivery says about whether it is stored.

    A 4xx or a failed connection means that it is not stored; a missing answer or a server error leaves it open.
    """
    if is_acknowledged(target, integration, answer):
        return "acknowledged"
    never_sent = answer.unsent or (answer.silent and answer.error in (NOT_SENT, REFUSED))
    rejected = answer.status is not None and 400 <= answer.status < 500
    return "refused" if never_sent or rejected or is_disabled(target, integration, answer) else "uncertain"


def judged(target: Target, line: list[Any]) -> Request:
    """A line from the sender, judged as the target file says."""
    number, kind, integration, name, due, sent, ended, status, error, text, content_type = line
    body = value_of(text, status, content_type) if status is not None else None
    answer = Answer(status, body, ended - due, error, text=text[:TEXT_LIMIT])
    if kind == HEALTH:
        wrong = difference(target.readiness, answer)
        outcome: Outcome = "failed" if wrong else "good"
        return Request(number, kind, "", "", due, sent, ended, status, error, outcome, problem=wrong)
    if kind == READ:
        taken = is_taken(target, integration, answer)
        wrong = "" if taken else f"{integration} {_refusal(answer)}"
        outcome = "good" if taken else "failed"
        return Request(number, kind, integration, "", due, sent, ended, status, error, outcome, problem=wrong)
    became, outcome, wrong = fate(target, integration, answer), "good", ""
    if became != "acknowledged":
        deliberate = is_disabled(target, integration, answer)
        outcome = "deliberate" if deliberate else "failed"
        wrong = "" if deliberate else f"{integration} {_refusal(answer)}"
    return Request(number, kind, integration, name, due, sent, ended, status, error, outcome, became, wrong)


def _refusal(answer: Answer) -> str:
    if answer.error:
        return f"no answer ({answer.error})" if answer.silent else answer.error
    return f"{answer.status}, which acknowledges nothing"

"""Answers of the gateway, compared with those in the target file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from rollback_drills.clients.credentials import FAILED
from rollback_drills.clients.decoding import BODY_LIMIT
from rollback_drills.evidence.model import strictly_equal
from rollback_drills.target.answer_tables import AgreedAnswer
from rollback_drills.target.probe_tables import AnyAnswer, Probe
from rollback_drills.target.target import Target

TOO_MANY = 429
QUOTED = 200  # characters of a body in a sentence


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, or why there was none (``status`` is None); ``text`` is the body's, up to ``decoding.TEXT_LIMIT``.

    A request that needs a login which has failed was not sent: ``error`` says so, and ``status`` is that of the login.
    """

    status: int | None
    body: JsonValue
    seconds: float
    error: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def answered(self) -> bool:
        """Whether this request was answered, right or wrong: otherwise nothing can be compared."""
        return not self.silent and not self.unsent

    @property
    def silent(self) -> bool:
        """Whether nothing came back at all, perhaps because of a time limit."""
        return self.status is None

    @property
    def unsent(self) -> bool:
        """Whether it was not sent, because its login has failed: that says nothing about what was asked."""
        return self.error.startswith(FAILED)

    def brief(self) -> JsonValue:
        """For the evidence: status and body, or the transport error."""
        if self.status is None:
            return {"error": self.error}
        if self.error:
            return {"status": self.status, "error": self.error}
        return {"status": self.status, "body": self.body[:BODY_LIMIT] if isinstance(self.body, str) else self.body}


def is_disabled(target: Target, integration: str, answer: Answer) -> bool:
    """Whether this is the agreed answer of a disabled integration; the only place that decides this."""
    agreed = target.disabled_answer(integration)
    return agreed is not None and is_agreed(agreed, answer)


def is_surely_disabled(target: Target, integration: str, answer: Answer) -> bool:
    """Whether it is the agreed answer, by more than its status, which an expired login may have in common with it."""
    agreed = target.disabled_answer(integration)
    return agreed is not None and agreed.tells_apart and is_agreed(agreed, answer)


def is_acknowledged(target: Target, integration: str, answer: Answer) -> bool:
    """Whether the gateway has accepted a delivery; a disabled integration may answer 200 and drop it."""
    return is_taken(target, integration, answer) and not is_disabled(target, integration, answer)


def is_taken(target: Target, name: str, answer: Answer) -> bool:
    """Whether a request got one of the statuses that it accepts."""
    return not answer.error and answer.status in target.delivery_to(name).accepted


def is_rate_limited(target: Target, integration: str, answer: Answer) -> bool:
    """Whether the gateway rejected a delivery because of its rate limit (RFC 6585, section 4)."""
    return answer.status == TOO_MANY and not is_disabled(target, integration, answer)


def is_agreed(agreed: AgreedAnswer, answer: Answer) -> bool:
    """Whether this is the agreed answer."""
    if answer.error or answer.status not in agreed.statuses:
        return False
    if agreed.not_pattern is not None and re.search(agreed.not_pattern, answer.text):
        return False
    if agreed.pattern is not None:
        return re.search(agreed.pattern, answer.text) is not None
    if agreed.contains is not None:
        return contains(answer.body, agreed.contains)
    return agreed.body is None or strictly_equal(agreed.body, answer.body)


def matches(probe: Probe, answer: Answer) -> bool:
    """Whether an answer has the probe's status, and contains the probe's body."""
    return not difference(probe, answer)


def difference(probe: Probe, answer: Answer) -> str:
    """What is wrong about the answer to a probe, in a few words; empty if it is the probe's."""
    if answer.silent:
        return f"no answer ({answer.error})"
    if answer.error:
        return f"{answer.status}: {answer.error}"
    if isinstance(probe, AnyAnswer):
        return f"{answer.status}" if answer.status is not None and answer.status >= 500 else ""
    if answer.status != probe.status:
        return f"{answer.status} instead of {probe.status}"
    if probe.body is None or contains(answer.body, probe.body):
        return ""
    return f"{answer.status} with {_quoted(answer.body)} instead of {_quoted(probe.body)}"


def _quoted(value: JsonValue) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}…"


def contains(whole: JsonValue, part: JsonValue) -> bool:
    """Whether every key of ``part`` is equal in ``whole``; lists and scalars are compared as a whole."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and contains(whole[key], value) for key, value in part.items())
    return strictly_equal(part, whole)

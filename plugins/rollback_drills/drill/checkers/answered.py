"""No answer is not a wrong answer: what was not answered is told as that, and compared with nothing.

Nor is a failed login an answer to the request that needs it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from rollback_drills.clients.answers import Answer
from rollback_drills.clients.delivery import Delivered
from rollback_drills.drill.checkers.judge import Judge

LOGIN_REMEDY = (
    "Perform the login of [logins.NAME] by hand, and read the gateway's log: the login fails, so that the request was "
    "not sent, and nothing is known about what it asks for."
)


def check_compared(
    judge: Judge,
    title: str,
    answer: Answer,
    observed: JsonValue,
    *,
    expected: JsonValue = True,
    finding: str,
    detail: str = "",
) -> bool:
    """Judge what an answer says, if there is one.

    Args:
        finding: the code if there is an answer, and it is another one.
    """
    if answer.answered:
        return judge.check(title, observed, expected=expected, finding=finding, detail=detail)
    return judge.check(
        title,
        answer.brief(),
        expected=expected,
        finding="no-answer",
        detail=f"{title}: {answer.error}",
        remedy=LOGIN_REMEDY if answer.unsent else "",
        timed=answer.silent,
    )


def check_answered(judge: Judge, delivered: Sequence[Delivered]) -> list[Delivered]:
    """Tell which deliveries got no answer, if any; returns the others."""
    missing = [each for each in delivered if not each.answer.answered]
    if missing:
        errors: dict[str, JsonValue] = {each.integration: each.answer.error for each in missing}
        judge.check(
            "deliveries without an answer",
            errors,
            expected={},
            finding="no-answer",
            detail=without_answer(delivered),
            remedy=LOGIN_REMEDY if all(each.answer.unsent for each in missing) else "",
            timed=all(each.answer.silent for each in missing),
        )
    return [each for each in delivered if each.answer.answered]


def without_answer(delivered: Sequence[Delivered]) -> str:
    """A sentence on the deliveries that got no answer, or were not sent since their login failed; empty if none."""
    unsent = [each for each in delivered if each.answer.unsent and not each.answer.silent]
    return "; ".join(filter(None, (silent_among(delivered), _sentence(unsent, delivered, "were not sent"))))


def silent_among(delivered: Sequence[Delivered]) -> str:
    """A sentence on the deliveries to which nothing came back; empty if something did to all."""
    return _sentence([each for each in delivered if each.answer.silent], delivered, "got no answer")


def _sentence(some: Sequence[Delivered], delivered: Sequence[Delivered], what: str) -> str:
    names = ", ".join(dict.fromkeys(each.integration for each in some))
    errors = "; ".join(dict.fromkeys(each.answer.error for each in some))
    return f"{len(some)} of {len(delivered)} deliveries {what} ({names}): {errors}" if some else ""

"""No answer is not a wrong answer: what was not answered is told as that, and compared with nothing."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from rollback_drills.clients.answers import Answer
from rollback_drills.clients.delivery import Delivered
from rollback_drills.drill.checkers.judge import Judge


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
        title, answer.brief(), expected=expected, finding="no-answer", detail=f"{title}: {answer.error}", timed=True
    )


def check_answered(judge: Judge, delivered: Sequence[Delivered]) -> list[Delivered]:
    """Tell which deliveries got no answer, if any; returns the others."""
    missing: dict[str, JsonValue] = {
        each.integration: each.answer.error for each in delivered if not each.answer.answered
    }
    if missing:
        judge.check(
            "deliveries without an answer",
            missing,
            expected={},
            finding="no-answer",
            detail=without_answer(delivered),
            timed=True,
        )
    return [each for each in delivered if each.answer.answered]


def without_answer(delivered: Sequence[Delivered]) -> str:
    """A sentence on the deliveries that got no answer; empty if all did."""
    missing = [each for each in delivered if not each.answer.answered]
    names = ", ".join(dict.fromkeys(each.integration for each in missing))
    errors = "; ".join(dict.fromkeys(each.answer.error for each in missing))
    return f"{len(missing)} of {len(delivered)} deliveries got no answer ({names}): {errors}" if missing else ""

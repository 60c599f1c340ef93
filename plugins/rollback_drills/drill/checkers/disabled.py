"""An integration that is turned off takes nothing, and gives the agreed answer."""

from __future__ import annotations

from collections.abc import Sequence

from rollback_drills.clients.answers import is_disabled
from rollback_drills.clients.delivery import Delivered
from rollback_drills.drill.checkers.answered import check_answered
from rollback_drills.drill.checkers.judge import Judge
from rollback_drills.target.target import Target


def check_disabled(judge: Judge, target: Target, integration: str, delivered: Sequence[Delivered]) -> None:
    """None of these deliveries was taken, and each got the answer that the target file agrees on, and no other."""
    refused = [each for each in delivered if not each.acknowledged]
    judge.check(
        f"deliveries that {integration} takes although it is off",
        len(delivered) - len(refused),
        expected=0,
        finding="flag-ignored",
    )
    agreed = target.disabled_answer(integration)
    assert agreed is not None, f"nothing turns {integration} off"
    expected = agreed.brief()
    answers = [each.answer for each in check_answered(judge, refused)]
    if not answers:
        return
    other = [answer.brief() for answer in answers if not is_disabled(target, integration, answer)]
    variant = next((answer.brief() for answer in answers if answer.brief() != expected), None)
    if variant is not None and not other:
        judge.observe(f"answer of {integration}", variant)
    judge.check(
        f"{integration} gives the agreed answer",
        other[0] if other else expected,
        expected=expected,
        finding="disabled-answer-differs",
        detail=f"{integration} answers {other[0] if other else ''} ({len(other)} of {len(answers)} times) "
        f"instead of {expected}",
    )

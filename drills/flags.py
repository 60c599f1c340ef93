"""What a flag does after the first minute, and what the flags of a newer release do to an older one."""

from __future__ import annotations

import json
import time

from rollback_drills.clients.delivery import Delivered
from rollback_drills.core.polling import poll_until
from rollback_drills.drill.checkers import check_disabled, check_refusal_writes_nothing
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.stack import Stack

HOLD = 5.0  # seconds after its start for which a gateway is watched: caches, refreshed settings, slow workers


def check_stays_off(stack: Stack, drill: Drill, name: str, *, since: float, repeated: int) -> None:
    """An integration that was turned off refuses without a trace, is still off a while later, and after a restart.

    Args:
        since: when the gateway had started, in monotonic seconds.
        repeated: how often it is asked again, as in the drill's first look at it.
    """
    with drill.step(f"Refused deliveries to {name} leave nothing in the database"), drill.together():
        if unclear := check_refusal_writes_nothing(drill, stack, name):
            drill.not_proven(unclear)
    with drill.step(f"{name} is still off, {HOLD:g} s after the start"):
        asked: list[Delivered] = []

        def asked_for_long_enough() -> bool:
            asked.append(stack.client.deliver(name))
            return len(asked) >= repeated and time.monotonic() >= since + HOLD

        poll_until(asked_for_long_enough, what="watching a flag", timeout=HOLD + stack.target.gateway.ready_timeout)
        drill.observe("deliveries until then", len(asked))
        check_disabled(drill, stack.target, name, asked)
    with drill.step(f"{name} is still off after a restart"):
        outcome = stack.gateway.restart()
        drill.check("the gateway starts", outcome.started, finding="release-not-serving", detail=outcome.why)
        check_disabled(drill, stack.target, name, [stack.client.deliver(name) for _ in range(repeated)])


def check_newer_flags(stack: Stack, drill: Drill, release: str) -> None:
    """The older release serves with every flag of the newer one explicitly on, as production's environment has them.

    It has just served without: what differs now is due to these variables alone.
    """
    target = stack.target
    names = target.gated_of(target.current)
    if target.flags is None or not names:
        return
    variables = ", ".join(target.flag_variable(name) for name in names if name in target.absent_from(release))
    cause = f"with every flag of release {target.current} explicitly on" + (f" ({variables})" if variables else "")
    with drill.step(f"Start release {release} {cause}"):
        stack.set_flags(dict.fromkeys(names, True))
        outcome = stack.gateway.deploy(release)
        if not outcome.started and outcome.exit_code is None:
            drill.not_proven(f"Release {release} {cause}: it did not answer in time, for whatever reason.")
            return
        drill.check(
            "it starts",
            outcome.started,
            finding="flags-misread",
            detail=f"{cause}, release {release} does not start: {outcome.why}",
            vital=True,
        )
        delivered = [_delivered(stack, name) for name in target.integrations_of(release)]
        answered = [each for each in delivered if each.answer.status is not None]
        if len(answered) < len(delivered):
            drill.not_proven(f"Release {release} {cause}: {len(delivered) - len(answered)} deliveries got no answer.")
        refused = {each.integration: each.answer.brief() for each in answered if not each.acknowledged}
        taken = [each for each in answered if each.acknowledged]
        stored = stack.stored([each.id for each in taken])
        dropped = sorted(each.integration for each in taken if each.id not in stored)
        with drill.together():
            drill.check(
                "deliveries that it refuses",
                {**refused},
                expected={},
                finding="flags-misread",
                detail=f"{cause}, release {release} refuses deliveries: {json.dumps(refused, ensure_ascii=False)}",
            )
            drill.check(
                "deliveries that it acknowledges and does not store",
                dropped,
                expected=[],
                finding="flags-misread",
                detail=f"{cause}, release {release} acknowledges deliveries and does not store them: "
                f"{', '.join(dropped)}",
            )


def _delivered(stack: Stack, name: str) -> Delivered:
    """A delivery; one that is not acknowledged is followed by another, which counts."""
    first = stack.client.deliver(name)
    return first if first.acknowledged else stack.client.deliver(name)

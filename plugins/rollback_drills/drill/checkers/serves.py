"""A release serves: health, version, behaviour, write probe, and deliveries that are really stored."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from rollback_drills.clients.answers import difference, is_rate_limited, matches
from rollback_drills.clients.delivery import Delivered
from rollback_drills.drill.checkers.answered import check_compared, silent_among
from rollback_drills.drill.checkers.disabled import check_disabled
from rollback_drills.drill.checkers.judge import Judge
from rollback_drills.drill.checkers.reads import check_reads
from rollback_drills.lab.stack import Stack


def check_serves(
    judge: Judge, stack: Stack, release: str, *, off: Collection[str] = (), recovering: bool = False
) -> list[Delivered]:
    """The steady state of a release, complete: `check_answers`, then `check_deliveries`."""
    check_answers(judge, stack, release, recovering=recovering)
    return check_deliveries(judge, stack, release, off=off)


def check_answers(judge: Judge, stack: Stack, release: str, *, recovering: bool = False) -> None:
    """Health, version, the behaviours that only this release shows, the write probe, and reads."""
    check_healthy(judge, stack, recovering=recovering)
    check_version(judge, stack, release)
    check_behaviours(judge, stack, release)
    check_write_probe(judge, stack)
    check_reads(judge, stack, release)


def check_healthy(judge: Judge, stack: Stack, *, recovering: bool = False) -> bool:
    """The health check is positive.

    Args:
        recovering: wait for it as long as a start may take, because a crash or a freeze has just ended.
    """
    if recovering:
        stack.becomes_healthy()
    answer = stack.client.health()
    wrong = difference(stack.target.readiness, answer)
    return judge.check(
        "the gateway is healthy",
        not wrong,
        finding="release-not-serving",
        detail=f"the health check gives {wrong}" if wrong else "",
        timed=answer.silent,
    )


def check_version(judge: Judge, stack: Stack, release: str, *, may_refuse: bool = False) -> None:
    """The gateway reports the version of the release that was deployed, if it reports any.

    Args:
        may_refuse: it runs on another schema than its own, where a login may fail: that proves nothing.
    """
    if stack.target.version is None:
        return
    answer = stack.client.ask_version()
    if may_refuse and answer.unsent:
        judge.observe("its version cannot be asked for", answer.error)
        return
    check_compared(
        judge,
        "it reports its version",
        answer,
        stack.client.version_in(answer),
        expected=stack.target.version_of(release),
        finding="version-wrong",
    )


def check_behaviours(judge: Judge, stack: Stack, release: str) -> None:
    """What runs is the release's code: every version lies as easily as it tells the truth."""
    for request, shown in stack.client.comparisons(release).items():
        title = f"{request} answers as only {release} does"
        check_compared(judge, title, shown.answer, shown.observed, expected=shown.expected, finding="wrong-code")


def check_write_probe(judge: Judge, stack: Stack, *, usable: bool = True) -> None:
    """A target's write probe is positive exactly as long as the schema is usable. Without one, nothing is judged."""
    probe = stack.target.write_probe
    if probe is None:
        return
    answer = stack.client.write_probe()
    judge.check(
        "the write probe is positive" if usable else "the write probe is not positive",
        matches(probe, answer),
        expected=usable,
        finding="write-probe-failed",
        detail=f"{probe.method} {probe.path} is answered {answer.brief()}"
        + ("" if usable else ", although the schema is gone"),
        timed=answer.silent,
    )


def check_deliveries(
    judge: Judge,
    stack: Stack,
    release: str,
    *,
    rounds: int = 1,
    off: Collection[str] = (),
    finding: str = "release-not-serving",
) -> list[Delivered]:
    """Deliver ``rounds`` times to every integration of a release: each is acknowledged, and stored.

    Args:
        off: integrations that are turned off; they give the agreed answer instead.
        finding: as for `check_taken`.

    Returns:
        The deliveries to the others.
    """
    names = stack.target.integrations_of(release)
    for name in off:
        if name in names:
            check_disabled(judge, stack.target, name, [stack.client.deliver(name)])
    delivered = [stack.client.deliver(name) for _ in range(rounds) for name in names if name not in off]
    check_taken(judge, stack, delivered, finding=finding)
    return delivered


def check_taken(
    judge: Judge, stack: Stack, delivered: Sequence[Delivered], *, finding: str = "release-not-serving"
) -> None:
    """Every delivery is acknowledged, and what is acknowledged is stored.

    Args:
        finding: the code if one is not; before the trigger, `steady-state-missing`.
    """
    refused = {each.integration: each.answer.brief() for each in delivered if not each.acknowledged}
    limited = any(is_rate_limited(stack.target, each.integration, each.answer) for each in delivered)
    judge.check(
        f"all {len(delivered)} deliveries are acknowledged",
        {**refused},
        expected={},
        finding="deliveries-rate-limited" if limited else finding,
        detail="" if limited or not refused else _refusals(delivered),
        timed=all(each.answer.silent for each in delivered if not each.acknowledged),
    )
    check_stored(judge, stack, delivered)


def _refusals(delivered: Sequence[Delivered]) -> str:
    """Which deliveries were not acknowledged, and what they got instead."""
    answered = [each for each in delivered if not each.answer.silent and not each.acknowledged]
    said = [f"{each.integration}: {json.dumps(each.answer.brief(), ensure_ascii=False)}" for each in answered]
    return "; ".join(filter(None, (*said, silent_among(delivered))))


def check_stored(
    judge: Judge, stack: Stack, delivered: Sequence[Delivered], *, title: str = "every acknowledged delivery is stored"
) -> None:
    """What was acknowledged is in the database; what was refused is not judged here (`check_writes`)."""
    ids = [each.id for each in delivered if each.acknowledged]
    judge.check(title, [*sorted(set(ids) - stack.stored(ids))], expected=[], finding="writes-lost")

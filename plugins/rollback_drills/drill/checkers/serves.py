"""A release serves: health, version, behaviour, write probe, and deliveries that are really stored."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rollback_drills.clients.answers import is_rate_limited, matches
from rollback_drills.clients.delivery import Delivered
from rollback_drills.drill.checkers.disabled import check_disabled
from rollback_drills.drill.checkers.judge import Judge
from rollback_drills.lab.stack import Stack


def check_serves(
    judge: Judge, stack: Stack, release: str, *, off: Collection[str] = (), recovering: bool = False
) -> list[Delivered]:
    """The steady state of a release, complete: `check_answers`, then `check_deliveries`."""
    check_answers(judge, stack, release, recovering=recovering)
    return check_deliveries(judge, stack, release, off=off)


def check_answers(judge: Judge, stack: Stack, release: str, *, recovering: bool = False) -> None:
    """Health, version, the behaviours that only this release shows, and the write probe."""
    check_healthy(judge, stack, recovering=recovering)
    check_version(judge, stack, release)
    check_behaviours(judge, stack, release)
    check_write_probe(judge, stack)


def check_healthy(judge: Judge, stack: Stack, *, recovering: bool = False) -> bool:
    """The health check is positive.

    Args:
        recovering: wait for it as long as a start may take, because a crash or a freeze has just ended.
    """
    healthy = stack.becomes_healthy() if recovering else stack.client.healthy()
    return judge.check(
        "the gateway is healthy",
        healthy,
        finding="release-not-serving",
        detail="" if healthy else f"the health check is answered {stack.client.health().brief()}",
    )


def check_version(judge: Judge, stack: Stack, release: str) -> None:
    """The gateway reports the version of the release that was deployed."""
    judge.check(
        "it reports its version",
        stack.client.version(),
        expected=stack.target.version_of(release),
        finding="version-wrong",
    )


def check_behaviours(judge: Judge, stack: Stack, release: str) -> None:
    """What runs is the release's code: every version lies as easily as it tells the truth."""
    for request, (expected, observed) in stack.client.behaviour(release).items():
        judge.check(f"{request} answers as only {release} does", observed, expected=expected, finding="wrong-code")


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
    )


def check_deliveries(
    judge: Judge, stack: Stack, release: str, *, rounds: int = 1, off: Collection[str] = ()
) -> list[Delivered]:
    """Deliver ``rounds`` times to every integration of a release: each is acknowledged, and stored.

    Args:
        off: integrations that are turned off; they give the agreed answer instead.

    Returns:
        The deliveries to the others.
    """
    names = stack.target.integrations_of(release)
    for name in off:
        if name in names:
            check_disabled(judge, stack.target, name, [stack.client.deliver(name)])
    delivered = [stack.client.deliver(name) for _ in range(rounds) for name in names if name not in off]
    check_taken(judge, stack, delivered)
    return delivered


def check_taken(judge: Judge, stack: Stack, delivered: Sequence[Delivered]) -> None:
    """Every delivery is acknowledged, and what is acknowledged is stored."""
    refused = {each.integration: each.answer.brief() for each in delivered if not each.acknowledged}
    limited = any(is_rate_limited(stack.target, each.integration, each.answer) for each in delivered)
    judge.check(
        f"all {len(delivered)} deliveries are acknowledged",
        {**refused},
        expected={},
        finding="deliveries-rate-limited" if limited else "release-not-serving",
    )
    check_stored(judge, stack, delivered)


def check_stored(
    judge: Judge, stack: Stack, delivered: Sequence[Delivered], *, title: str = "every acknowledged delivery is stored"
) -> None:
    """What was acknowledged is in the database; what was refused is not judged here (`check_writes`)."""
    ids = [each.id for each in delivered if each.acknowledged]
    judge.check(title, [*sorted(set(ids) - stack.stored(ids))], expected=[], finding="writes-lost")

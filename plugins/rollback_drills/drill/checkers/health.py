"""Health tells the truth: positive only while the gateway works, and answered in time."""

from __future__ import annotations

from rollback_drills.clients.answers import Answer
from rollback_drills.clients.delivery import Delivered
from rollback_drills.drill.checkers.answered import check_compared
from rollback_drills.drill.checkers.judge import Judge
from rollback_drills.drill.checkers.serves import check_write_probe
from rollback_drills.lab.faults import PostgresFrozen, injected
from rollback_drills.lab.stack import Stack


def check_health_while_frozen(judge: Judge, stack: Stack) -> Answer:
    """Freeze the database: the health check answers within its time limit, and is not positive.

    Returns:
        The answer, from while the database was frozen; the database is thawed again.
    """
    health = stack.target.readiness
    with injected(PostgresFrozen(), stack):
        answer = stack.client.health()
    judge.check(
        f"/health answers within {stack.target.timeout_of(health):g} s",
        answer.status is not None,
        finding="health-hangs",
        detail=answer.error,
        timed=True,
    )
    judge.check(
        "it is not positive",
        answer.status == health.status,
        expected=False,
        finding="health-lies",
        detail=f"the database is frozen, and /health says {answer.brief()}",
    )
    return answer


def check_healthy_means_serving(judge: Judge, delivered: Delivered, revision: str) -> bool:
    """Where the health check is positive, on whatever revision, a delivery is taken; so is its login."""
    title = "/health says healthy and a delivery is acknowledged"
    detail = f"/health is positive at revision {revision}, and a delivery to {delivered.integration} "
    detail += f"is answered {delivered.answer.brief()}"
    if delivered.answer.unsent and not delivered.answer.silent:
        return judge.check(title, delivered.acknowledged, finding="health-lies", detail=detail)
    return check_compared(judge, title, delivered.answer, delivered.acknowledged, finding="health-lies", detail=detail)


def check_unusable(judge: Judge, stack: Stack, delivered: Delivered) -> None:
    """Without a schema no delivery is acknowledged, and neither health check nor write probe is positive."""
    judge.check("no delivery is acknowledged", delivered.acknowledged, expected=False, finding="writes-lost")
    check_write_probe(judge, stack, usable=False)
    judge.check(
        "/health is not positive",
        stack.client.healthy(),
        expected=False,
        finding="health-lies",
        detail="the schema is gone, deliveries fail, and /health is positive",
    )

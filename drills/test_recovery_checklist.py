"""The recovery checklist: all ten items, in their order, in one incident; and the probe that it leans on."""

from __future__ import annotations

import pytest

from rollback_drills.drill.clients import account_for_clients
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.report.views.coverage import NOT_PROVEN
from rollback_drills.runbook import sections

from .procedures import (
    account_for_writes,
    deliver_to_each,
    deploy,
    error_rate_of,
    errors_among,
    judge_rows,
    judge_write_probe,
    return_database_to,
    verify_release,
)

WATCHED_ROUNDS = 3  # deliveries to each integration while the error rate is watched


@pytest.mark.drill(
    "Recovery checklist, from the first item to the last",
    runbook="recovery-checklist",
    objective="application_rollback",
    requires=("flags", "symptom"),
)
def test_recovery_checklist(stack: Stack, drill: Drill, lab: Lab) -> None:
    """A release that causes errors is rolled back by the checklist; what is a person's to do is left to a person."""
    target = stack.target
    assert target.flags is not None
    assert target.flags.symptom is not None
    faulty = target.gated_of(target.current)[-1]
    with drill.step("The incident: deliveries of one integration fail"):
        writes = deliver_to_each(stack, drill, target.current)
        schema = stack.database.schema()
        stack.database.execute(target.flags.symptom.format(integration=faulty))
        planted = {entry.key for entry in schema.diff(stack.database.schema()).left_over}
        failed = stack.client.deliver(faulty)
        drill.check("a delivery fails", failed.acknowledged, expected=False)
    with drill.recovery():
        with drill.step("Stop the affected service", checklist="stop-service"):
            stack.gateway.stop()
            drill.check("it is not running", stack.gateway.running, expected=False)
        with drill.step("Check its log for the root cause", checklist="root-cause"):
            log = stack.gateway.logs()
            drill.check("the log tells of the delivery that failed", failed.id in log)
            drill.observe("end of the log", log[-1500:])
        with drill.step(
            "Disable the integration's flag, and go back to the previous code", checklist="disable-or-rollback"
        ):
            stack.set_flags({faulty: False})
        return_database_to(stack, drill, lab, target.previous, planted=planted)
        with drill.step("Restart the services, from the previous release", checklist="restart-services"):
            deploy(stack, drill, target.previous)
        verify_release(stack, drill, target.previous, off={faulty})
        kept = tuple(name for name in target.integrations_of(target.previous) if name != faulty)
        if target.metrics is None:
            drill.fact(NOT_PROVEN, "“Check error rates”: the target has no error rate to read ([metrics])")
        else:
            with drill.step("Check the error rate", checklist="error-rates"):
                traffic, _ = error_rate_of(stack, kept, rounds=1)
                drill.check("error rate", round(traffic.error_rate, 4), expected=0.0, finding="errors-go-on")
    with drill.step("Watch for a while, as a person will for an hour", checklist="monitor"):
        requests, errors = errors_among(stack, kept, rounds=WATCHED_ROUNDS)
        drill.observe("requests watched", requests)
        drill.check("errors among them", errors, expected=0.0, finding="errors-go-on")
        drill.observe("left to a person", sections.BY_HAND["monitor"])
    with drill.step("Document the incident", checklist="document"):
        judge_rows(drill, lab.seed_rows, stack.database.rows())
        account_for_writes(stack, drill, writes)
        performed = {step.checklist for step in drill.evidence().steps}
        untouched = sorted(set(sections.CHECKLIST) - set(sections.BY_HAND) - performed)
        unseen = [] if target.metrics is not None else ["error-rates"]
        drill.check("items that no step has performed", untouched, expected=unseen)
        drill.observe("left to a person", sections.BY_HAND["document"])


@pytest.mark.drill("Health tells the truth", runbook="recovery-checklist")
def test_health_tells_the_truth(stack: Stack, drill: Drill) -> None:
    """/health is what every rollback is verified with: it must not be positive while the gateway cannot work."""
    limit = stack.target.timeout_of(stack.target.health)
    with drill.step("Freeze the database: it accepts connections and never answers"):
        stack.server.freeze()
        try:
            answer = stack.client.health()
        finally:
            stack.server.thaw()
        drill.check(
            f"/health answers within {limit:g} s",
            answer.status is not None,
            finding="health-hangs",
            detail=answer.error,
        )
        drill.check(
            "it is not positive",
            answer.status == stack.target.health.status,
            expected=False,
            finding="health-lies",
            detail=f"the database is frozen, and /health says {answer.brief()}",
        )
        drill.observe("answered after", round(answer.seconds, 2), "s")
    with drill.step("Thaw it: the gateway recovers by itself"):
        recovered = stack.becomes_healthy()
        drill.check("/health is positive again", recovered, finding="release-not-serving")
        judge_write_probe(stack, drill)
    account_for_clients(
        stack, drill
    )  # the schema is taken away with everything that is stored: there is nothing to account for
    with drill.step("Take the schema away: `downgrade base`"):
        stack.alembic.downgrade(stack.target.current, "base")
        drill.check("the database is at base", stack.database.revision(), expected="base", finding="downgrade-failed")
        delivered = stack.client.deliver(stack.target.integrations_of(stack.target.previous)[0])
        drill.check("no delivery is acknowledged", delivered.acknowledged, expected=False, finding="writes-lost")
        judge_write_probe(stack, drill, usable=False)
        drill.check(
            "/health is not positive",
            stack.client.healthy(),
            expected=False,
            finding="health-lies",
            detail="the schema is gone, deliveries fail, and /health is positive",
        )

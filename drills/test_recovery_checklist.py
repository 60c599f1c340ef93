"""The recovery checklist: its ten items in order, in one incident; and whether /health can be relied on."""

from __future__ import annotations

import pytest

from rollback_drills.drill.checkers import (
    check_answered,
    check_disabled,
    check_health_while_frozen,
    check_healthy,
    check_not_rolled_back_yet,
    check_unusable,
    check_write_probe,
)
from rollback_drills.drill.clients import account_for_clients
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.runbook import sections

from .procedures import (
    check_release_serves,
    check_seed,
    check_still_stored,
    deploy,
    error_rate_of,
    errors_among,
    return_database_to,
    take_deliveries,
)

WATCHED_ROUNDS = 3  # deliveries to each integration while the error rate is watched


@pytest.mark.drill(
    "Recovery checklist, from the first item to the last",
    runbook="recovery-checklist",
    objective="application_rollback",
    requires=("flags", "symptom"),
)
def test_recovery_checklist(stack: Stack, drill: Drill, lab: Lab) -> None:
    """A release that causes errors is rolled back by the checklist: the flag off, then the code back.

    The flag is read by the start from the previous release, which follows the rollback of the database. What only a
    person can do is left to a person.
    """
    target = stack.target
    assert target.flags is not None
    assert target.flags.symptom is not None
    faulty = target.gated_of(target.current)[-1]
    with drill.step("The incident: deliveries of one integration fail"):
        writes = take_deliveries(stack, drill, lab, target.current)
        check_not_rolled_back_yet(drill, stack)
        schema = stack.database.schema()
        stack.database.execute(target.flags.symptom.format(integration=faulty))
        planted = {entry.key for entry in schema.diff(stack.database.schema()).left_over}
        failed = stack.client.deliver(faulty)
        check_answered(drill, [failed])
        drill.check("a delivery fails", failed.acknowledged, expected=False)
    with drill.recovery():
        with drill.step("Stop the affected service", checklist="stop-service"):
            stack.gateway.stop()
            drill.check("it is not running", stack.gateway.running, expected=False)
        with drill.step("Check its log for the root cause", checklist="root-cause"):
            log = stack.gateway.logs()
            drill.check("the log names the delivery that failed", failed.id in log)
            drill.observe("end of the log", log[-1500:])
        with drill.step(f"Disable the flag of {faulty}, for the next start", checklist="disable-or-rollback"):
            stack.set_flags({faulty: False})
        return_database_to(stack, drill, lab, target.previous, planted=planted)
        with drill.step("Restart the services, from the previous release", checklist="restart-services"):
            deploy(stack, drill, target.previous)
        if faulty in target.integrations_of(target.previous):
            with drill.step(f"Verify that the flag of {faulty} is off", checklist="disable-or-rollback"):
                check_disabled(drill, target, faulty, [stack.client.deliver(faulty)])
        check_release_serves(stack, drill, target.previous, off={faulty})
        kept = tuple(name for name in target.integrations_of(target.previous) if name != faulty)
        if target.metrics is None:
            drill.not_proven("“Check error rates”: the target has no error rate to read ([metrics]).")
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
        check_seed(stack, drill, lab)
        check_still_stored(stack, drill, writes)
        performed = {step.checklist for step in drill.evidence().steps}
        untouched = sorted(set(sections.CHECKLIST) - set(sections.BY_HAND) - performed)
        unseen = [] if target.metrics is not None else ["error-rates"]
        drill.check("items that no step has performed", untouched, expected=unseen)
        drill.observe("left to a person", sections.BY_HAND["document"])


@pytest.mark.drill("Health tells the truth", runbook="recovery-checklist")
def test_health_tells_the_truth(stack: Stack, drill: Drill) -> None:
    """/health is what every rollback is verified with: it must not be positive while the gateway cannot work."""
    with drill.together():  # each is looked at, whatever the others say
        with drill.step("Freeze the database: it accepts connections and never answers"):
            answer = check_health_while_frozen(drill, stack)
            drill.observe("answered after", round(answer.seconds, 2), "s")
        with drill.step("Thaw it: the gateway recovers by itself"):
            check_healthy(drill, stack, recovering=True)
            check_write_probe(drill, stack)
        account_for_clients(stack, drill)  # before the schema goes, and with it everything that is stored
        with drill.step("Take the schema away: `downgrade base`"):
            stack.alembic.downgrade(stack.target.current, "base")
            if drill.check(
                "the database is at base", stack.database.revision(), expected="base", finding="downgrade-failed"
            ):
                delivered = stack.client.deliver(stack.target.integrations_of(stack.target.previous)[0])
                check_unusable(drill, stack, delivered)

"""The recovery checklist: its ten items in order, in one incident; and whether /health can be relied on."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from rollback_drills.clients.delivery import Delivered
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
from rollback_drills.target.target import Target

from .procedures import (
    check_read_as_before,
    check_release_serves,
    check_seed,
    check_started,
    check_still_stored,
    deploy,
    error_rate_of,
    errors_among,
    note_told_apart,
    return_database_to,
    take_deliveries,
)

WATCHED_ROUNDS = 3  # deliveries to each integration while the error rate is watched


@pytest.mark.drill(
    "Recovery checklist, from the first item to the last",
    runbook="recovery-checklist",
    objective="application_rollback",
)
def test_recovery_checklist(stack: Stack, drill: Drill, lab: Lab) -> None:
    """A release that causes errors is rolled back by the checklist: the flag off, then the code back.

    The flag is read by the start from the previous release, which follows the rollback of the database. Where the
    target has no flag, the code alone goes back; where it does not say how to make deliveries fail, none fails. What
    only a person can do is left to a person.
    """
    target = stack.target
    faulty = next(reversed(target.gated_of(target.current)), None)
    with drill.step(
        "The incident: deliveries of one integration fail" if symptom_of(target) else "The incident begins"
    ):
        writes = take_deliveries(stack, drill, lab, target.current)
        check_not_rolled_back_yet(drill, stack)
        incident = cause_incident(stack, drill, faulty)
    with drill.recovery():
        with drill.step("Stop the affected service", checklist="stop-service"):
            stack.gateway.stop()
            drill.check("it is not running", stack.gateway.running, expected=False)
        with drill.step("Check its log for the root cause", checklist="root-cause"):
            read_log(stack, drill, incident)
        if faulty is not None:
            with drill.step(f"Disable the flag of {faulty}, for the next start", checklist="disable-or-rollback"):
                stack.set_flags({faulty: False})
        return_database_to(stack, drill, lab, target.previous, planted=incident.planted)
        restart_previous(stack, drill, faulty)
        off = {faulty} if faulty is not None else frozenset[str]()
        check_release_serves(stack, drill, target.previous, off=off)
        kept = tuple(name for name in target.integrations_of(target.previous) if name not in off)
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
    note_told_apart(stack, drill)
    check_read_as_before(stack, drill, lab)
    with drill.step("Document the incident", checklist="document"):
        check_seed(stack, drill, lab)
        check_still_stored(stack, drill, writes)
        performed = {step.checklist for step in drill.evidence().steps}
        untouched = sorted(set(sections.CHECKLIST) - set(sections.BY_HAND) - performed)
        unseen = [] if target.metrics is not None else ["error-rates"]
        drill.check("items that no step has performed", untouched, expected=unseen)
        drill.observe("left to a person", sections.BY_HAND["document"])


@dataclass(frozen=True)
class Incident:
    """What was done to make deliveries of one integration fail.

    Attributes:
        failed: the delivery that failed; None where nothing could be made to fail.
        planted: what it has added to the schema.
    """

    failed: Delivered | None = None
    planted: frozenset[str] = frozenset()


def symptom_of(target: Target) -> str | None:
    """The SQL that makes deliveries fail, if there is one, and a flag against it."""
    return target.flags.symptom if target.flags is not None and target.gated_of(target.current) else None


def cause_incident(stack: Stack, drill: Drill, faulty: str | None) -> Incident:
    """Make the deliveries of an integration fail, where the target file says how."""
    symptom = symptom_of(stack.target)
    if faulty is None or symptom is None:
        return Incident()
    schema = stack.database.schema()
    stack.database.execute(symptom.format(integration=faulty))
    planted = frozenset(entry.key for entry in schema.diff(stack.database.schema()).left_over)
    failed = stack.client.deliver(faulty)
    check_answered(drill, [failed])
    drill.check("a delivery fails", failed.acknowledged, expected=False)
    return Incident(failed, planted)


def read_log(stack: Stack, drill: Drill, incident: Incident) -> None:
    """The gateway's log names the delivery that failed; without one, it is only shown."""
    log = stack.gateway.logs()
    if incident.failed is not None:
        drill.check("the log names the delivery that failed", incident.failed.id in log)
    else:
        drill.not_proven(
            "“Check logs for root cause”: the target file does not say how to make a request fail (flags.symptom), so "
            "nothing failed that the log could name."
        )
    drill.observe("end of the log", log[-1500:])


def restart_previous(stack: Stack, drill: Drill, faulty: str | None) -> None:
    """Start the previous release. The flag is off from then on; without a flag, a second start proves that it stays."""
    release = stack.target.previous
    if faulty is None:
        drill.not_proven("“Disable feature flag”: no flag turns anything off ([flags]), so the code was rolled back.")
        with drill.step(f"Roll the code back to release {release}", checklist="disable-or-rollback"):
            deploy(stack, drill, release)
        with drill.step("Restart the services", checklist="restart-services"):
            check_restarts(drill, stack)
        return
    with drill.step("Restart the services, from the previous release", checklist="restart-services"):
        deploy(stack, drill, release)
    if faulty in stack.target.integrations_of(release):
        with drill.step(f"Verify that the flag of {faulty} is off", checklist="disable-or-rollback"):
            check_disabled(drill, stack.target, faulty, [stack.client.deliver(faulty)])


def check_restarts(drill: Drill, stack: Stack) -> None:
    """The release that runs can be restarted."""
    check_started(drill, "the gateway starts again", stack.gateway.restart())


@pytest.mark.drill("Health tells the truth", runbook="recovery-checklist", requires="health")
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

"""The last step of a drill: what clients saw, whether their deliveries are stored, and whether objectives were met."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from pydantic import JsonValue

from rollback_drills.clients.answers import TOO_MANY, is_rate_limited
from rollback_drills.clients.traffic import (
    DeliveryAttempt,
    DeliveryLedger,
    Request,
    account,
    analyse,
)
from rollback_drills.clients.traffic.accounting import LISTED
from rollback_drills.core.errors import DrillError
from rollback_drills.core.machine import measure
from rollback_drills.drill.checkers import check_writes
from rollback_drills.drill.drill import Drill
from rollback_drills.drill.plan import CheckFailedError
from rollback_drills.evidence.model import ClientTraffic, Downtime, Writes
from rollback_drills.lab.stack import Stack

STEP = "What clients saw"


def account_for_clients(stack: Stack, drill: Drill, *, judge: bool = True) -> DeliveryLedger | None:
    """End the client traffic and account for every delivery; a second call does nothing.

    Every drill ends with it. Call it earlier, before something that clients are not to be judged by (`downgrade base`).

    Args:
        judge: False in a drill that broke off, or that other drills judge: losses are recorded, and are no findings.

    Returns:
        The fate of every delivery; None without deliveries, and on a second call.

    Raises:
        CheckFailedError: a write was lost, stored twice or stored unexpectedly, or an objective was missed.
        DrillError: the traffic stopped by itself, or the database cannot be queried.
    """
    clients = stack.clients
    if clients.concluded:
        return None
    clients.concluded = True
    if clients.load is None and not stack.client.delivered:
        return None
    with drill.step(STEP):
        traffic = _record_traffic(stack, drill)
        _report_rate_limits(stack, drill)
        found = _account(stack, clients.attempts())
        trigger = _trigger(drill, traffic)
        writes = found.writes(drill.moment(trigger), stack.target.objectives.data_loss, judged=judge)
        drill.writes(writes)
        _list(drill, found)
        if not judge:
            drill.observe("not judged, only recorded", _brief(found))
            return found
        with drill.together():
            check_writes(drill, lost=found.lost_unexpectedly, duplicated=found.duplicated, unexpected=found.unexpected)
            _judge_objectives(drill, writes, trigger, traffic)
    return found


def record_clients(stack: Stack, drill: Drill) -> None:
    """Account for clients after a drill that broke off: nothing is judged, and no error replaces the drill's own."""
    try:
        account_for_clients(stack, drill, judge=False)
    except (CheckFailedError, DrillError):
        return  # the step records it


def _record_traffic(stack: Stack, drill: Drill) -> ClientTraffic | None:
    load = stack.clients.load
    if load is None:
        return None
    span, recovery = load.end(), drill.evidence().recovery
    trigger = drill.moment(recovery.started) if recovery is not None else None
    steady = None
    if recovery is not None and recovery.ended is not None:
        steady = drill.moment(recovery.ended)
    traffic = analyse(
        load.requests,
        span,
        trigger=trigger,
        steady=steady,
        objective=stack.target.objectives.downtime,
        pauses=load.pauses,
        clock=drill.seconds_at,
    )
    drill.traffic(traffic)
    drill.observe("requests", sum(sum(results.values()) for results in traffic.requests.values()))
    drill.observe("downtime", dict(traffic.downtime_seconds), "s")
    drill.observe("sent late at worst", traffic.latest_send_seconds, "s")
    drill.observe("the machine in the end", str(measure(late=traffic.latest_send_seconds, burst=0.01)))
    if stack.clients.pace.reason:
        drill.fact("client traffic", stack.clients.pace.reason)
    paused: list[JsonValue] = [[round(drill.seconds_at(moment), 3) for moment in pause] for pause in load.pauses]
    if paused:
        drill.observe("periods in which clients were paused, from and until", paused, "s")
    drill.attach(
        "Requests of the clients",
        _table(load.requests, drill),
        name=f"{drill.plan.id}-requests.csv",
        media_type="text/csv",
    )
    return traffic


def _report_rate_limits(stack: Stack, drill: Drill) -> None:
    """A rate limit is reported whatever else was found, because nothing else can be trusted before it is lifted."""
    own = [is_rate_limited(stack.target, each.integration, each.answer) for each in stack.client.delivered]
    requests = stack.clients.load.requests if stack.clients.load is not None else ()
    others = [each.outcome == "failed" and each.status == TOO_MANY for each in requests]
    known = {finding.code for finding in drill.evidence().findings}
    if (sum(own) or sum(others)) and "deliveries-rate-limited" not in known:
        drill.find(
            "deliveries-rate-limited",
            f"{sum(own)} of the drill's {len(own)} deliveries and {sum(others)} of its clients' {len(others)} requests "
            f"were answered {TOO_MANY} (Too Many Requests)",
        )


def _account(stack: Stack, attempts: Sequence[DeliveryAttempt]) -> DeliveryLedger:
    ids = sorted({attempt.id for attempt in attempts})
    return account(attempts, stack.copies(ids), stack.clients.given_up)


def _trigger(drill: Drill, traffic: ClientTraffic | None) -> float:
    """When the decision to roll back was made, in seconds of the drill; without a recovery, the end of the traffic."""
    evidence = drill.evidence()
    if evidence.recovery is not None:
        return evidence.recovery.started
    return traffic.ended if traffic is not None else evidence.seconds


def _judge_objectives(drill: Drill, writes: Writes, trigger: float, traffic: ClientTraffic | None) -> None:
    if writes.rpo_objective_seconds is not None:
        drill.check(
            f"the oldest lost write is at most {writes.rpo_objective_seconds:g} s old",
            bool(writes.rpo_met),
            finding="rpo-objective-missed",
            detail=f"the oldest lost write was {writes.rpo_seconds or 0:.1f} s old at the trigger, the objective is "
            f"{writes.rpo_objective_seconds:g} s{drill.longest_step(trigger - (writes.rpo_seconds or 0), trigger)}",
            timed=True,
        )
    if traffic is not None and traffic.downtime_objective_seconds is not None:
        drill.check(
            f"clients are without a good answer for at most {traffic.downtime_objective_seconds:g} s",
            bool(traffic.downtime_met),
            finding="downtime-objective-missed",
            detail=f"clients were without a good answer for {traffic.longest_downtime:.1f} s, the objective is "
            f"{traffic.downtime_objective_seconds:g} s{_longest_step(drill, traffic)}",
            timed=True,
        )


def _longest_step(drill: Drill, traffic: ClientTraffic) -> str:
    """The step that took most of the longest period of downtime."""

    def end(stretch: Downtime) -> float:
        return traffic.ended if stretch.ended is None else stretch.ended

    longest = max(traffic.downtime, key=lambda stretch: end(stretch) - stretch.began, default=None)
    return drill.longest_step(longest.began, end(longest)) if longest is not None else ""


def _list(drill: Drill, found: DeliveryLedger) -> None:
    """Attach all ids where the evidence lists only some of them."""
    sorts = {"lost": found.lost, "duplicated": found.duplicated, "unexpected": found.unexpected}
    if any(len(ids) > LISTED for ids in sorts.values()):
        lines = [f"{sort} {name}\n" for sort, ids in sorts.items() for name in ids]
        drill.attach(
            "Deliveries that were lost, stored twice or stored unexpectedly",
            "".join(lines),
            name=f"{drill.plan.id}-writes.txt",
        )


def _brief(found: DeliveryLedger) -> dict[str, JsonValue]:
    return {
        "lost": len(found.lost),
        "of them given up": len(found.given_up),
        "duplicated": len(found.duplicated),
        "unexpected": len(found.unexpected),
    }


def _table(requests: Sequence[Request], drill: Drill) -> str:
    """CSV with a line for each request; times are seconds of the drill."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("number", "kind", "integration", "id", "due", "sent", "ended", "result", "outcome"))
    offset = drill.seconds_at(0.0)
    for each in sorted(requests, key=lambda request: request.number):
        times = [f"{moment + offset:.4f}" for moment in (each.due, each.sent, each.ended)]
        table.writerow((each.number, each.kind, each.integration, each.id, *times, each.result, each.outcome))
    return text.getvalue()

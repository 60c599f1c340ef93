"""What becomes of requests that are under way when the gateway is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from pydantic import JsonValue

from rollback_drills.clients.answers import Answer, is_acknowledged
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.stack import Stack

ATTEMPTS = 3  # one request may be broken off by bad luck: the gateway had just decided to end
_HEAD_START = 0.05  # seconds that the signal has before the rest of the request is sent


def check_requests_under_way(stack: Stack, drill: Drill) -> None:
    """Stop the gateway in the middle of a delivery, and start it again: the delivery is answered.

    It is sent in two halves, across the signal. A gateway that has no handler of the signal is ended by it, which its
    exit code says: that is told as a gap, and is no finding.
    """
    if stack.project is not None:  # `docker compose stop` does not tell when the signal comes
        drill.not_proven("Requests that are under way when the gateway is stopped: Compose does not tell when it is.")
        return
    gateway = stack.target.gateway
    name = stack.target.integrations_of(stack.target.current)[0]
    broken: list[str] = []
    refused: list[JsonValue] = []
    with drill.step("Stop the gateway while a delivery is under way, and start it again"), stack.clients.paused():
        for attempt in range(1, ATTEMPTS + 1):
            answer, code = stop_across(stack, name)
            drill.observe(f"stop {attempt}: exit code, and the answer", [code, answer.brief()])
            stack.must_start(stack.gateway.restart())
            if code not in gateway.normal_exits or is_acknowledged(stack.target, name, answer):
                break  # `check_stops` tells of the exit code
            if answer.answered:  # a refusal says nothing about the stop: it may have been refused before
                refused.append(answer.brief())
                continue
            broken.append(f"{answer.error}, exit code {code}")
            if code != 0:
                detail = f"a delivery to {name} was under way when release {stack.gateway.release} was stopped, and was"
                drill.note_gap("requests-cut-off", f"{detail} cut off: {broken[0]}")
                return
        else:  # no stop has let it end
            judge_stops(drill, stack.gateway.release or "", name, broken, refused)


def judge_stops(
    drill: Drill, release: str, integration: str, broken: Sequence[str], refused: Sequence[JsonValue]
) -> None:
    """Judge stops of which none let the delivery under way end; the drill goes on: the rollback has still to be judged.

    Args:
        broken: how those ended in which it was broken off.
        refused: its answers in the others.
    """
    if broken and not refused:
        drill.find(
            "stop-not-normal",
            f"in each of {len(broken)} stops, a delivery to {integration} that was under way was broken off by release "
            f"{release}: {'; '.join(dict.fromkeys(broken))}",
            subject=release,
        )
    elif broken:
        drill.not_proven(
            f"Requests that are under way when the gateway is stopped: a delivery to {integration} was broken off in "
            f"{len(broken)} stops, and refused in {len(refused)}: {refused[0]}."
        )


def stop_across(stack: Stack, integration: str) -> tuple[Answer, int | None]:
    """Send half of a delivery, stop the gateway, and send the rest: the answer, and the gateway's exit code."""
    under_way = stack.client.begin_delivery(integration)
    stopping = threading.Thread(target=stack.gateway.stop, name="rollback-drills-stop")
    stopping.start()
    stopping.join(_HEAD_START)
    answer = under_way.finish()
    stopping.join()
    return answer, stack.gateway.stops[-1].exit_code if stack.gateway.stops else None

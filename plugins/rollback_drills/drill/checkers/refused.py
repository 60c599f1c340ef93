"""A refused delivery writes nothing, in any table.

Others may write at the same time: workers, schedulers, what is still under way. So a table counts only if it is written
after each of several single deliveries, and never in pauses of the same length between them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from rollback_drills.clients.answers import is_disabled
from rollback_drills.drill.checkers.judge import Judge
from rollback_drills.lab.stack import Stack

FIRST = 6  # refused deliveries in a row, after which most gateways have written nothing
SETTLED = 0.6  # seconds in which a side effect of them must show
TRIALS = 6  # single deliveries, and pauses, that tell a side effect from other writers
TRIAL = 0.3  # seconds of each


def check_refusal_writes_nothing(judge: Judge, stack: Stack, integration: str) -> str:
    """Deliver to an integration that is off, clients being paused: no row of any table is written.

    Tables and columns under ``database.volatile`` do not count, and neither do answers that are no refusal.

    Returns:
        What could not be told, as a sentence; empty where all could.
    """

    def refused(times: int) -> Callable[[], bool]:
        return lambda: all(_is_refused(stack, integration) for _ in range(times))

    with stack.clients.paused():
        suspects, answered = _written(stack, SETTLED, refused(FIRST))
        suspects -= _written(stack, SETTLED)[0] if suspects else set()
        after, between = Counter[str](), Counter[str]()
        for _ in range(TRIALS if suspects else 0):
            found, one = _written(stack, TRIAL, refused(1))
            answered = answered and one
            after.update(suspects & found)
            between.update(suspects & _written(stack, TRIAL)[0])
    if not answered:
        return f"That a refused delivery to {integration} writes nothing: not every answer was the agreed refusal."
    guilty = sorted(table for table in suspects if after[table] == TRIALS and not between[table])
    judge.check(
        f"tables that a refused delivery to {integration} writes",
        [*guilty],
        expected=[],
        finding="writes-unexpected",
        detail=f"{integration} is off and refuses as agreed, and each refused delivery writes rows of "
        f"{', '.join(guilty)}; nothing writes them in between",
    )
    unclear = sorted(table for table in suspects if after[table] and table not in guilty)
    if unclear:
        return (
            f"That a refused delivery to {integration} writes nothing in {', '.join(unclear)}: something else writes "
            "there as well."
        )
    return ""


def _written(stack: Stack, seconds: float, act: Callable[[], bool] = lambda: True) -> tuple[set[str], bool]:
    """The tables that are written while `act` runs and for some seconds, and what `act` returns."""
    before, since = stack.database.written_since(stack.database.moment()).counts, stack.database.moment()
    until = time.monotonic() + seconds
    done = act()
    time.sleep(max(0.0, until - time.monotonic()))
    after = stack.database.written_since(since)
    gone = {table for table, rows in before.items() if after.counts.get(table, 0) < rows}
    return {*after.rows, *gone}, done


def _is_refused(stack: Stack, integration: str) -> bool:
    return is_disabled(stack.target, integration, stack.client.deliver(integration).answer)

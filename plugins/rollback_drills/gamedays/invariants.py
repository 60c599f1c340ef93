"""The invariants of a game day: what must hold after every operation, whatever was done before.

- No acknowledged delivery is lost, doubled, or stored although it was refused. A restore loses exactly those that came
  after the backup.
- A disabled integration gives the agreed answer and no other; an enabled one takes deliveries.
- Health tells the truth: on its own schema a release is healthy, and where health is positive, deliveries are taken.
- Revision and schema agree, and the revision moves only when an operation moves it.

Each is defined in `rollback_drills.drill.checkers`; here stands when it applies.
"""

from __future__ import annotations

from rollback_drills.drill.checkers import (
    check_behaviours,
    check_compared,
    check_disabled,
    check_healthy,
    check_healthy_means_serving,
    check_revision,
    check_rows,
    check_schema,
    check_taken,
    check_version,
    check_write_probe,
    check_writes,
)
from rollback_drills.gamedays.context import DayContext
from rollback_drills.gamedays.operations import Operation
from rollback_drills.lab.lab import Lab
from rollback_drills.postgres.dump import restorable
from rollback_drills.runtimes.protocols import Outcome


class Invariants:
    """Checks the invariants of one day, with the day's judge."""

    def __init__(self, lab: Lab, day: DayContext) -> None:
        self._lab, self._day = lab, day
        self._stack, self._state, self._judge = day.stack, day.state, day.judge

    def check_steady_state(self, outcome: Outcome) -> None:
        """A day begins with a healthy gateway; else nothing that follows would mean anything."""
        self._judge.check(
            "the current release is in its steady state",
            outcome.started and self._stack.becomes_healthy(),
            finding="steady-state-missing",
            detail=outcome.why,
        )

    def check_after(self, operation: Operation) -> None:
        self._check_database(operation)
        if self._state.running:
            self._check_gateway(operation)
            check_revision(self._judge, self._stack, self._state.revision)
            self._check_writes()  # those of the checks

    def _check_database(self, operation: Operation) -> None:
        database, revision = self._stack.database, self._state.revision
        check_revision(self._judge, self._stack, revision, by_itself=operation.starts_gateway)
        if operation.moves_schema:
            reference = self._lab.only_upgraded_to(revision)
            check_schema(self._judge, restorable(reference.schema), restorable(database.schema()))
            if reference.rows is not None:
                check_rows(self._judge, reference.rows, database)
        self._check_writes()

    def _check_writes(self) -> None:
        state = self._state
        copies = self._stack.copies(sorted(state.stored | state.absent))
        check_writes(
            self._judge,
            lost=sorted(state.stored - set(copies)),
            duplicated=sorted(name for name, count in copies.items() if count > 1),
            unexpected=sorted(state.absent & set(copies)),
        )

    def _check_gateway(self, operation: Operation) -> None:
        if self._state.must_serve:
            healthy = check_healthy(self._judge, self._stack, recovering=True)
        else:
            healthy = self._stack.client.healthy()
        if operation.starts_gateway:
            self._check_release()
        if healthy and (self._state.must_serve or self._day.target.health is not None):
            self._check_enabled()
        self._check_disabled()

    def _check_release(self) -> None:
        check_version(self._judge, self._stack, self._state.release, may_refuse=not self._state.must_serve)
        if self._state.must_serve:
            check_write_probe(self._judge, self._stack)
            if not self._state.effective:  # a flag may change these answers
                check_behaviours(self._judge, self._stack, self._state.release)

    def _check_enabled(self) -> None:
        """Deliver to the integrations that were off before, and to one that never was."""
        state = self._state
        enabled = sorted(filter(state.enabled, state.integrations), key=lambda name: name not in state.was_off)
        for name in enabled[: len(state.was_off) + 1]:
            self._check_takes_deliveries(name)

    def _check_takes_deliveries(self, integration: str) -> None:
        state, delivered = self._state, self._day.deliver(integration)
        if not state.must_serve:
            check_healthy_means_serving(self._judge, delivered, state.revision)
        elif integration in state.was_off:
            check_compared(
                self._judge,
                f"{integration}, which was off, takes deliveries again",
                delivered.answer,
                delivered.acknowledged,
                finding="flag-not-restored",
                detail=f"{integration} was off, is on again, and answers {delivered.answer.brief()}",
            )
        elif state.disabled:
            check_compared(
                self._judge,
                f"{integration}, which is on, takes deliveries while others are off",
                delivered.answer,
                delivered.acknowledged,
                finding="neighbour-affected",
                detail=f"{integration} is on while others are off, and answers {delivered.answer.brief()}",
            )
        else:
            check_taken(self._judge, self._stack, [delivered])

    def _check_disabled(self) -> None:
        for name in self._state.disabled:
            delivered = self._day.deliver(name)
            if delivered.answer.unsent and not self._state.must_serve:  # on another schema, logins may fail
                self._judge.observe(f"{name}, which is off, cannot be asked", delivered.answer.error)
            else:
                check_disabled(self._judge, self._day.target, name, [delivered])

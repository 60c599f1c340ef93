"""The invariants of a game day: what must hold after every operation, whatever was done before.

- No acknowledged delivery is lost, doubled, or stored although it was refused. A restore loses exactly those that came
  after the backup.
- A disabled integration gives the agreed answer and no other; an enabled one takes deliveries.
- Health tells the truth: on its own schema a release is healthy, and where health is positive, deliveries are taken.
- Revision and schema agree, and the revision moves only when an operation moves it.
"""

from __future__ import annotations

from pydantic import JsonValue

from rollback_drills.clients.answers import is_disabled
from rollback_drills.gamedays.context import DayContext
from rollback_drills.gamedays.operations import Operation
from rollback_drills.lab.lab import Lab
from rollback_drills.runtimes.protocols import Outcome


class Invariants:
    """Checks the invariants of one day with the day's judge."""

    def __init__(self, lab: Lab, day: DayContext) -> None:
        self._lab, self._day = lab, day
        self._stack, self._state, self._judge = day.stack, day.state, day.judge

    def check_steady_state(self, outcome: Outcome) -> None:
        healthy = outcome.started and self._stack.becomes_healthy()
        self._judge.check(
            "the current release is in its steady state",
            healthy,
            finding="steady-state-missing",
            detail=outcome.why,
        )

    def check_after(self, operation: Operation) -> None:
        self._check_revision(after_start=operation.starts_gateway)
        if operation.moves_schema:
            self._check_schema_and_rows()
        self._check_deliveries()
        if self._state.running:
            self._check_gateway(after_start=operation.starts_gateway)
            self._check_revision(after_start=False)
            self._check_deliveries()  # those that the checks have made

    # --- the database ----------------------------------------------------------------------------------

    def _check_revision(self, *, after_start: bool) -> None:
        finding = "startup-migration-undoes-rollback" if after_start else "revision-wrong"
        self._judge.check("revision", self._stack.database.revision(), expected=self._state.revision, finding=finding)

    def _check_schema_and_rows(self) -> None:
        database, reference = self._stack.database, self._lab.only_upgraded_to(self._state.revision)
        residue: list[JsonValue] = [*reference.schema.diff(database.schema()).lines()]
        self._judge.check("the schema is that of the revision", residue, expected=[], finding="schema-residue")
        if reference.rows is not None:
            lost = reference.rows.missing_from(database.rows())
            self._judge.check("rows of the seed that are gone or altered", {**lost}, expected={}, finding="rows-lost")

    def _check_deliveries(self) -> None:
        state = self._state
        copies = self._stack.copies(sorted(state.stored | state.absent))
        doubled = {name for name, count in copies.items() if count > 1}
        self._check_none("acknowledged deliveries that are lost", state.stored - set(copies), "writes-lost")
        self._check_none("deliveries that are stored more than once", doubled, "writes-duplicated")
        self._check_none(
            "deliveries that are stored although they were refused, or are younger than the restored backup",
            state.absent & set(copies),
            "writes-unexpected",
        )

    def _check_none(self, title: str, ids: set[str], finding: str) -> None:
        listed: JsonValue = [*sorted(ids)[:5]]
        self._judge.check(title, listed, expected=[], finding=finding)

    # --- the gateway -----------------------------------------------------------------------------------

    def _check_gateway(self, *, after_start: bool) -> None:
        client, state = self._stack.client, self._state
        healthy = self._stack.becomes_healthy() if state.must_serve else client.healthy()
        if state.must_serve:
            self._judge.check(
                f"release {state.release} is healthy on its own schema",
                healthy,
                finding="release-not-serving",
                detail=str(client.health().brief()),
            )
        if after_start:
            self._check_release()
        if healthy:
            self._check_enabled()
        self._check_disabled()

    def _check_release(self) -> None:
        release = self._state.release
        self._judge.check(
            "version",
            self._stack.client.version(),
            expected=self._day.target.version_of(release),
            finding="version-wrong",
        )
        if self._state.must_serve and not self._state.effective:  # a flag may change these answers
            for request, (agreed, observed) in self._stack.client.behaviour(release).items():
                self._judge.check(
                    f"{request} answers as only {release} does", observed, expected=agreed, finding="wrong-code"
                )

    def _check_enabled(self) -> None:
        """Those that were off before, and one that never was."""
        state = self._state
        enabled = sorted(filter(state.enabled, state.integrations), key=lambda name: name not in state.was_off)
        for name in enabled[: len(state.was_off) + 1]:
            finding, why = self._finding_if_refused(name)
            delivered = self._day.deliver(name)
            self._judge.check(
                f"{name} takes deliveries",
                delivered.acknowledged,
                finding=finding,
                detail=f"{name}: {why}, and answers {delivered.answer.brief()}",
            )

    def _finding_if_refused(self, integration: str) -> tuple[str, str]:
        state = self._state
        if not state.must_serve:
            return "health-lies", f"/health is positive at revision {state.revision}"
        if integration in state.was_off:
            return "flag-not-restored", "it was off before, and is on again"
        return "neighbour-affected" if state.disabled else "release-not-serving", "it is on"

    def _check_disabled(self) -> None:
        for name in self._state.disabled:
            delivered = self._day.deliver(name)
            self._judge.check(
                f"{name} is off and takes no delivery",
                delivered.acknowledged,
                expected=False,
                finding="flag-ignored",
            )
            self._judge.check(
                f"{name} is off and gives the agreed answer",
                is_disabled(self._day.target, name, delivered.answer),
                finding="disabled-answer-differs",
                detail=f"{name} is off and answers {delivered.answer.brief()}",
            )

"""Random game days without a system: their notation, the model, and the shortening of a failed day."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback_drills.core.errors import DrillError
from rollback_drills.drill.checkers import Problems
from rollback_drills.gamedays import FailedDay, Operation, format_day, parse_day
from rollback_drills.gamedays.context import DayContext
from rollback_drills.gamedays.model import ExpectedState, KeptBackup
from rollback_drills.gamedays.operations import OPERATIONS, Drawn
from rollback_drills.gamedays.search import WEIGHTED
from rollback_drills.gamedays.shortening import shorten
from rollback_drills.runtimes.protocols import Outcome
from rollback_drills.target.target import Target

ROOT = Path(__file__).parents[2]
TARGET = Target.load(ROOT / "fixtures" / "targets" / "reference.toml", {})
ALL = [operation(argument) for operation in OPERATIONS for argument in operation.arguments(TARGET) or ("",)]
DAYS = st.lists(st.sampled_from(ALL), min_size=1, max_size=20)


@given(DAYS)
def test_a_day_is_read_as_it_was_written(day: list[Operation]) -> None:
    line = format_day(day)
    assert parse_day(line, TARGET) == tuple(day)
    assert not set(line) & set(" \"'$`\\!*?;&|<>()[]{}~#")  # characters that mean something to a shell


def test_the_written_form_stays() -> None:
    """Lines that earlier releases have printed are read, and written, as they were."""
    line = (
        "deploy=0.4.0,deploy-migrating=0.5.0,restart,recreate,stop,kill,upgrade=0.5.0,downgrade=0.4.0,"
        "on=jira,off=github,deliver=jira,backup,restore,crash,freeze"
    )
    day = parse_day(line, TARGET)
    assert format_day(day) == line
    assert {type(each) for each in day} == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.kind)
def test_every_operation_has_words_for_a_person(operation: type[Operation]) -> None:
    takes_argument = operation.arguments(TARGET) is not None
    title = operation("jira" if takes_argument else "").title
    assert title[0].isupper()
    assert ("jira" in title) == takes_argument


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.kind)
def test_what_is_drawn_for_an_operation_can_be_written_in_a_day(operation: type[Operation]) -> None:
    state = expected(configured={"jira": False, "github": True})
    drawn = operation.draw(Drawn("0.4.0", ["jira", "github"]), state)
    assert drawn
    for argument in drawn:
        assert parse_day(str(operation(argument)), TARGET) == (operation(argument),)


def test_no_two_operations_are_written_alike() -> None:
    assert len({operation.kind for operation in OPERATIONS}) == len(OPERATIONS)


def test_every_operation_is_drawn_as_often_as_its_weight() -> None:
    assert {operation: WEIGHTED.count(operation) for operation in OPERATIONS} == {
        operation: operation.weight for operation in OPERATIONS
    }


@pytest.mark.parametrize(
    ("line", "message", "fix"),
    [
        ("explode", "there is no operation 'explode'", "deploy"),
        ("deploy=0.3.0", "'deploy=0.3.0' names nothing", "0.4.0, 0.5.0"),
        ("upgrade=0.4.0", "'upgrade=0.4.0' names nothing", "0.5.0"),
        ("downgrade=0.5.0", "'downgrade=0.5.0' names nothing", "0.4.0"),
        ("off=nobody", "'off=nobody' names nothing", "github"),
        ("deliver", "'deliver' names nothing", "deliver= and one of"),
        ("restart=0.4.0", "'restart' takes no argument", "write restart"),
        (" , ", "has no operations", "copy the line"),
    ],
)
def test_a_line_that_is_no_day_is_refused(line: str, message: str, fix: str) -> None:
    with pytest.raises(DrillError) as refused:
        parse_day(line, TARGET)
    assert message in refused.value.what
    assert fix in refused.value.fix


def expected(**changes: Any) -> ExpectedState:
    heads = {"0.4.0": "old", "0.5.0": "new"}
    return ExpectedState(TARGET, heads, **{"release": "0.5.0", "revision": "new", **changes})


def possible(state: ExpectedState) -> set[str]:
    return {operation.kind for operation in OPERATIONS if operation.possible(state)}


def kept_backup(revision: str, *stored: str) -> KeptBackup:
    manifest: Any = type("Manifest", (), {"revision": revision})()
    return KeptBackup(Path("b.sql"), manifest, frozenset(stored))


def test_only_what_makes_sense_in_a_state_is_possible() -> None:
    everything = {operation.kind for operation in OPERATIONS}
    assert possible(expected()) == everything - {"upgrade", "restore"}
    assert possible(expected(running=False)) == everything - {"upgrade", "restore", "stop", "kill", "deliver", "freeze"}
    assert possible(expected(revision="old")) == everything - {"downgrade", "restore"}
    assert possible(expected(was_frozen=True)) == everything - {"upgrade", "restore", "freeze"}
    assert possible(expected(backup=kept_backup("new"))) == everything - {"upgrade", "backup"}
    assert possible(expected(backup=kept_backup("new"), stored={"a"})) == everything - {"upgrade"}


def test_operations_that_the_target_does_not_offer_are_left_out() -> None:
    gateway = TARGET.gateway.model_copy(update={"migrate_on_start": None})
    target = TARGET.model_copy(update={"gateway": gateway, "flags": None})
    state = ExpectedState.steady(target, {"0.4.0": "old", "0.5.0": "new"})
    assert not possible(state) & {"on", "off", "deploy-migrating"}


@pytest.mark.parametrize("always", [True, False])
def test_the_first_start_migrates_where_every_start_does(always: bool) -> None:
    """So a restart after a downgrade moves the revision, and that is no finding."""
    gateway = TARGET.gateway.model_copy(update={"migrate_on_start": None, "always_migrates": always})
    state = ExpectedState.steady(TARGET.model_copy(update={"gateway": gateway}), {"0.4.0": "old", "0.5.0": "new"})
    assert (state.migrates, state.must_serve) == (always, True)


def test_a_restore_loses_exactly_what_came_after_the_backup() -> None:
    state = expected(stored={"a", "b"}, absent={"refused"})
    backup = kept_backup("old", "a", "b")
    state.stored.add("c")
    state.backup_restored(backup)
    assert (state.stored, state.absent, state.revision) == ({"a", "b"}, {"c", "refused"}, "old")
    assert not state.must_serve  # the newer release on the older schema
    state.stored.add("d")
    state.backup_restored(backup)
    assert (state.stored, state.absent) == ({"a", "b"}, {"c", "d", "refused"})


def test_flags_take_effect_when_the_gateway_is_created() -> None:
    state = expected()
    state.configured["jira"] = False
    assert state.enabled("jira")
    assert state.turned_off == ["jira"]
    state.gateway_created("0.5.0", migrates=False)
    assert not state.enabled("jira")
    assert state.disabled == ["jira"]
    state.configured["jira"] = True
    assert not state.enabled("jira")
    state.gateway_created("0.5.0", migrates=False)
    assert state.enabled("jira")
    assert state.was_off == {"jira"}


@pytest.mark.parametrize(
    ("revision", "migrates", "started", "after", "violated"),
    [
        ("new", False, True, "new", False),
        ("new", False, False, "new", True),
        ("old", False, False, "old", False),
        ("old", True, True, "new", False),
        ("old", True, False, "new", True),
        ("from the future", True, False, "from the future", False),
    ],
)
def test_a_start_must_succeed_on_the_releases_own_schema(
    revision: str, migrates: bool, started: bool, after: str, violated: bool
) -> None:
    stack: Any = SimpleNamespace(alembic=SimpleNamespace(knows=lambda release, revision: revision in ("old", "new")))
    state = expected(revision=revision, migrates=migrates)
    judge = Problems()
    lab: Any = None
    DayContext(lab, stack, state, judge, Path()).gateway_started(Outcome(started, 0.0, 1, "last words"))
    assert (state.revision, state.running, bool(judge.lines)) == (after, started, violated)


class Rehearsal:
    """Plays days that fail where they contain all the culprits, in their order."""

    def __init__(self, culprits: Sequence[str]) -> None:
        self.culprits, self.tried = culprits, 0

    def play(self, operations: Sequence[Operation]) -> FailedDay | None:
        self.tried += 1
        rest = iter(map(str, operations))
        bad = all(any(each == culprit for each in rest) for culprit in self.culprits)
        return FailedDay(tuple(operations), "rows-lost" if bad else "health-lies", "")

    def shortened(self, day: Sequence[Operation], *, time_is_up: bool = False) -> str:
        found = shorten(FailedDay(tuple(day), "rows-lost", ""), self.play, lambda: time_is_up)
        assert found.finding == "rows-lost"
        return format_day(found.operations)


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=24), st.data())
def test_a_failed_day_is_shortened_to_what_it_takes(day: list[Operation], data: st.DataObject) -> None:
    kept = sorted(data.draw(st.sets(st.integers(0, len(day) - 1), min_size=1, max_size=3)))
    culprits = [str(day[index]) for index in kept]
    rehearsal = Rehearsal(culprits)
    assert rehearsal.shortened(day) == ",".join(culprits)
    assert rehearsal.tried <= 4 * len(day) * (len(culprits) + 1)


def test_without_time_the_day_stays_as_it_was_found() -> None:
    rehearsal = Rehearsal(["crash"])
    day = parse_day("backup,crash,restart", TARGET)
    assert rehearsal.shortened(day, time_is_up=True) == "backup,crash,restart"
    assert rehearsal.tried == 0

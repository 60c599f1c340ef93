"""Random game days without a system: the line that a day is written as, what it must lead to, and its shortening."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback_drills.core.errors import DrillError
from rollback_drills.gamedays import (
    FailedDay,
    Operation,
    Search,
    parse,
    token,
)
from rollback_drills.gamedays.model import Expected, KeptBackup
from rollback_drills.gamedays.operations import ALONE, TITLES
from rollback_drills.target.target import Target

ROOT = Path(__file__).parents[2]
TARGET = Target.load(ROOT / "fixtures" / "targets" / "reference.toml", {})
RELEASES = st.sampled_from(("0.4.0", "0.5.0"))
INTEGRATIONS = st.sampled_from(tuple(TARGET.integrations))
OPERATIONS = st.one_of(
    st.sampled_from(sorted(ALONE)).map(Operation),
    st.builds(Operation, st.sampled_from(("deploy", "deploy-migrating", "upgrade", "downgrade")), RELEASES),
    st.builds(Operation, st.sampled_from(("on", "off", "deliver")), INTEGRATIONS),
)


@given(st.lists(OPERATIONS, min_size=1, max_size=20))
def test_a_day_is_read_as_it_was_written(day: list[Operation]) -> None:
    line = token(day)
    assert parse(line, TARGET) == tuple(day)
    assert not set(line) & set(" \"'$`\\!*?;&|<>()[]{}~#")  # nothing that a shell would take for itself


@pytest.mark.parametrize("operation", sorted(TITLES))
def test_every_operation_has_words_for_a_person(operation: str) -> None:
    argument = "" if operation in ALONE else "jira"
    assert ("jira" in Operation(operation, argument).title) == bool(argument)


@pytest.mark.parametrize(
    ("line", "message", "fix"),
    [
        ("explode", "there is no operation 'explode'", "deploy"),
        ("deploy=0.3.0", "'deploy=0.3.0' names nothing", "0.4.0, 0.5.0"),
        ("off=nobody", "'off=nobody' names nothing", "github"),
        ("deliver", "'deliver' names nothing", "deliver= and one of"),
        ("restart=0.4.0", "'restart' takes no argument", "write restart"),
        (" , ", "has no operations", "copy the line"),
    ],
)
def test_a_line_that_is_no_day_is_refused(line: str, message: str, fix: str) -> None:
    with pytest.raises(DrillError) as refused:
        parse(line, TARGET)
    assert message in refused.value.what
    assert fix in refused.value.fix


def expected(**changes: Any) -> Expected:
    heads = {"0.4.0": "old", "0.5.0": "new"}
    return Expected(TARGET, heads, **{"release": "0.5.0", "revision": "new", **changes})


def test_a_restore_loses_exactly_what_came_after_the_backup() -> None:
    state = expected(stored={"a", "b"}, absent={"refused"})
    manifest: Any = type("Manifest", (), {"revision": "old"})()
    state.backups = [KeptBackup(Path("b.sql"), manifest, frozenset({"a", "b"}))]
    state.stored.add("c")
    state.restored()
    assert (state.stored, state.absent, state.revision) == ({"a", "b"}, {"c", "refused"}, "old")
    assert not state.must_serve  # the newer release on the older schema
    state.stored.add("d")
    state.restored()
    assert (state.stored, state.absent) == ({"a", "b"}, {"c", "d", "refused"})


def test_flags_take_effect_when_the_gateway_is_created() -> None:
    state = expected()
    state.configured["jira"] = False
    assert state.on("jira")
    state.recreated("0.5.0", migrates=False)
    assert not state.on("jira")
    state.configured["jira"] = True
    assert not state.on("jira")
    state.recreated("0.5.0", migrates=False)
    assert state.on("jira")
    assert state.was_off == {"jira"}


class Rehearsed(Search):
    """A search whose days end badly when they contain all of some operations, in their order."""

    def __init__(self, culprits: Sequence[str], *, seconds: float = 60.0) -> None:
        super().__init__(None, Path(), seconds=seconds, around=nowhere)  # type: ignore[arg-type]
        self.culprits, self.tried = culprits, 0

    def shortened(self, line: str) -> str:
        self.found = FailedDay(parse(line, TARGET), "rows-lost", "")
        self._deadline = float("inf") if self._seconds else 0.0
        self._shorten(self.found)
        return token(self.found.operations)

    def _play(self, operations: Sequence[Operation]) -> FailedDay | None:
        self.tried += 1
        rest = iter(map(str, operations))
        bad = all(any(each == culprit for each in rest) for culprit in self.culprits)
        return FailedDay(tuple(operations), "rows-lost" if bad else "health-lies", "")


@contextmanager
def nowhere(number: int) -> Iterator[Callable[[Sequence[Operation], str], None]]:
    yield lambda operations, finding: None


@given(st.lists(OPERATIONS, min_size=1, max_size=24), st.data())
def test_a_bad_day_is_shortened_to_what_it_takes(day: list[Operation], data: st.DataObject) -> None:
    kept = sorted(data.draw(st.sets(st.integers(0, len(day) - 1), min_size=1, max_size=3)))
    culprits = [str(day[index]) for index in kept]
    search = Rehearsed(culprits)
    assert search.shortened(token(day)) == ",".join(culprits)
    assert search.tried <= 4 * len(day) * (len(culprits) + 1)


def test_without_time_the_day_stays_as_it_was_found() -> None:
    search = Rehearsed(["crash"], seconds=0.0)
    assert search.shortened("backup,crash,restart") == "backup,crash,restart"
    assert search.tried == 0

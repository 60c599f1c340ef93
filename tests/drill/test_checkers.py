"""Each checker states what is expected, and finds what does not hold; judges differ in what they do with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import JsonValue

from rollback_drills.clients.answers import Answer
from rollback_drills.clients.delivery import Delivered
from rollback_drills.drill.checkers import (
    Problems,
    check_compared,
    check_disabled,
    check_fresh,
    check_healthy_means_serving,
    check_restore_ends_well,
    check_restored,
    check_sequences,
    check_stored,
    check_taken,
    check_writes,
)
from rollback_drills.postgres import DataFingerprint, SchemaFingerprint, SequenceState, TableData
from rollback_drills.runtimes.protocols import CommandResult
from rollback_drills.target.target import Target


class Judged:
    """A judge that remembers every check and every observation."""

    def __init__(self) -> None:
        self.failed: list[str | None] = []
        self.remedies: list[str] = []
        self.passed: list[str | None] = []
        self.observed: list[str] = []
        self.details: list[str] = []

    def check(
        self,
        title: str,
        observed: JsonValue,
        *,
        expected: JsonValue = True,
        finding: str | None = None,
        detail: str = "",
        remedy: str = "",
        timed: bool = False,
    ) -> bool:
        if observed != expected:
            self.remedies.append(remedy)
            self.details.append(detail)
        (self.passed if observed == expected else self.failed).append(finding)
        return observed == expected

    def observe(self, title: str, value: JsonValue) -> None:
        self.observed.append(title)


@pytest.fixture
def judge() -> Judged:
    return Judged()


def delivered(answer: Answer, *, acknowledged: bool, integration: str = "github", id_: str = "d1") -> Delivered:
    return Delivered(id_, integration, answer, acknowledged, 0.0)


def stack_with(target: Target, *stored: str) -> Any:
    return SimpleNamespace(target=target, stored=lambda ids: frozenset(stored) & set(ids))


def agreed_answer(target: Target, integration: str) -> Answer:
    agreed = target.disabled_answer(integration)
    assert agreed is not None
    return Answer(agreed.statuses[0], agreed.body, 0.01)


def test_problems_are_listed_and_nothing_is_raised():
    problems = Problems()
    assert problems.check("one", 1, expected=1)
    assert not problems.check("two", 1, expected=True)
    assert not problems.check("three", "seen", expected="wanted", detail="in words")
    problems.observe("a fact", 4)
    assert problems.lines == ["two: expected True, observed 1", "in words"]


def test_a_disabled_integration_takes_nothing_and_answers_as_agreed(reference_target: Target, judge: Judged):
    agreed = agreed_answer(reference_target, "github")
    check_disabled(judge, reference_target, "github", [delivered(agreed, acknowledged=False)] * 2)
    assert (judge.failed, judge.passed) == ([], ["flag-ignored", "disabled-answer-differs"])


def test_a_flag_that_one_worker_ignores_is_found(reference_target: Target, judge: Judged):
    agreed, taken = agreed_answer(reference_target, "github"), Answer(202, {"status": "accepted"}, 0.01)
    answers = [delivered(agreed, acknowledged=False), delivered(taken, acknowledged=True)]
    check_disabled(judge, reference_target, "github", answers)
    assert (judge.failed, judge.passed) == (["flag-ignored"], ["disabled-answer-differs"])


def test_another_refusal_than_the_agreed_one_is_found(reference_target: Target, judge: Judged):
    other = Answer(503, {"status": "database down"}, 0.01)
    check_disabled(judge, reference_target, "github", [delivered(other, acknowledged=False)])
    assert (judge.failed, judge.passed) == (["disabled-answer-differs"], ["flag-ignored"])


SILENT = Answer(None, None, 5.0, "ReadTimeout: the answer was not complete within 5 s")


def test_a_disabled_integration_that_does_not_answer_is_not_told_as_another_answer(
    reference_target: Target, judge: Judged
):
    agreed = agreed_answer(reference_target, "github")
    check_disabled(judge, reference_target, "github", [delivered(SILENT, acknowledged=False)] * 2)
    assert (judge.failed, judge.passed) == (["no-answer"], ["flag-ignored"])
    assert judge.details == [f"2 of 2 deliveries got no answer (github): {SILENT.error}"]
    both = Judged()
    each = [delivered(SILENT, acknowledged=False), delivered(agreed, acknowledged=False)]
    check_disabled(both, reference_target, "github", each)
    assert (both.failed, both.passed) == (["no-answer"], ["flag-ignored", "disabled-answer-differs"])


@pytest.mark.parametrize(("answer", "found"), [(SILENT, "no-answer"), (Answer(200, "1", 0.1), "version-wrong")])
def test_no_answer_is_no_wrong_answer(judge: Judged, answer: Answer, found: str):
    assert not check_compared(judge, "version", answer, answer.body, expected="2", finding="version-wrong")
    assert judge.failed == [found]


@pytest.mark.parametrize("status", [500, 200])  # an error, and an answer without a token
def test_a_failed_login_is_no_answer_to_the_request_that_needs_it(reference_target: Target, judge: Judged, status: int):
    unsent = Answer(status, None, 0.1, f"login user is answered {status}")
    refused = delivered(unsent, acknowledged=False)
    check_disabled(judge, reference_target, "github", [refused])
    assert not check_compared(judge, "version", unsent, unsent.brief(), expected="2", finding="version-wrong")
    assert (judge.failed, judge.passed) == (["no-answer"] * 2, ["flag-ignored"])
    assert judge.details[0] == f"1 of 1 deliveries were not sent (github): login user is answered {status}"
    assert all("[logins.NAME]" in each for each in judge.remedies)


def test_a_release_that_refuses_logins_does_not_serve(reference_target: Target):
    problems = Problems()
    refused = delivered(Answer(500, None, 0.1, "login user is answered 500"), acknowledged=False)
    check_taken(problems, stack_with(reference_target), [refused])
    assert (problems.findings, problems.timed) == (["release-not-serving"], False)
    assert problems.lines == ['github: {"status": 500, "error": "login user is answered 500"}']
    check_healthy_means_serving(problems, refused, "0006")
    assert problems.findings[1:] == ["health-lies"]


def test_a_problem_that_a_time_limit_has_decided_is_known_as_one():
    problems = Problems()
    assert not problems.timed
    problems.check("late", observed=False, timed=True)
    assert problems.timed
    problems.check("wrong", observed=False)
    assert not problems.timed


@pytest.mark.parametrize(
    ("status", "stored", "failed"),
    [
        (202, ["d1"], []),
        (202, [], ["writes-lost"]),
        (500, [], ["release-not-serving"]),
        (429, [], ["deliveries-rate-limited"]),
    ],
)
def test_a_delivery_is_acknowledged_and_stored(
    reference_target: Target, judge: Judged, status: int, stored: list[str], failed: list[str]
):
    sent = delivered(Answer(status, {}, 0.01), acknowledged=status == 202)
    check_taken(judge, stack_with(reference_target, *stored), [sent])
    assert judge.failed == failed


def test_only_what_was_acknowledged_has_to_be_stored(reference_target: Target, judge: Judged):
    refused = delivered(Answer(500, {}, 0.01), acknowledged=False)
    check_stored(judge, stack_with(reference_target), [refused])
    assert judge.failed == []


def test_a_positive_health_check_of_a_gateway_that_refuses_is_a_lie(judge: Judged):
    check_healthy_means_serving(judge, delivered(Answer(500, {}, 0.01), acknowledged=False), "0006")
    assert judge.failed == ["health-lies"]


def test_writes_are_judged_by_three_counts(judge: Judged):
    check_writes(judge, lost=[], duplicated=["b"], unexpected=[])
    assert Counter(judge.passed) == Counter(["writes-lost", "writes-unexpected"])
    assert judge.failed == ["writes-duplicated"]


# --- downgrades ----------------------------------------------------------------------------------------


def test_a_sequence_that_a_downgrade_rewinds_is_found(judge: Judged):
    before, behind = sequence(10), sequence(1, highest=10)
    check_sequences(judge, {"t_id_seq": before}, {"t_id_seq": sequence(12)})
    check_sequences(judge, {"t_id_seq": behind}, {"t_id_seq": behind})  # the seed has left it behind
    assert judge.failed == []
    check_sequences(judge, {"t_id_seq": before}, {"t_id_seq": behind})
    check_sequences(judge, {"t_id_seq": before}, {"t_id_seq": sequence(8)})
    assert judge.failed == ["sequence-rewound"] * 2


# --- restores ------------------------------------------------------------------------------------------


class Same:
    """A schema or the rows, which differ from nothing or in one line."""

    def __init__(self, line: str = "") -> None:
        self.line = line

    def of_database(self) -> Same:
        return self

    def diff(self, other: Same) -> Any:
        return Difference(other.line if other.line != self.line else "")

    def to_json(self) -> dict[str, str]:
        return {"rows": self.line}


@dataclass
class Difference:
    line: str
    left_over: tuple[Any, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.line)

    def lines(self) -> list[str]:
        return [self.line] if self.line else []

    def to_json(self) -> dict[str, str]:
        return {"changed": self.line}


def sequence(last_value: int, *, highest: int | None = None) -> SequenceState:
    return SequenceState(last_value, True, 1, "t.id", ("t.id",), 1, highest or last_value)


def restored(**changes: Any) -> Any:
    as_backed_up: dict[str, Any] = {
        "revision": "0012",
        "schema": SchemaFingerprint({}, {}),
        "data": Same(),
        "sequences": {"ids": sequence(7)},
    }
    values = as_backed_up | changes
    return SimpleNamespace(**{name: lambda value=value: value for name, value in values.items()})


MANIFEST: Any = SimpleNamespace(
    revision="0012",
    schema=SchemaFingerprint({}, {}),
    data=Same(),
    sequences={"ids": sequence(7)},
    sequences_after={"ids": sequence(9)},
)


@pytest.mark.parametrize("moved", [7, 8, 9])
def test_a_restore_is_what_was_backed_up(judge: Judged, moved: int):
    """Clients may have moved a sequence while the backup was taken."""
    check_restored(judge, MANIFEST, restored(sequences={"ids": sequence(moved)}))
    assert judge.failed == []
    assert len(judge.passed) == 5


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"revision": "0011"}, ["restore-differs"]),
        ({"schema": SchemaFingerprint({"index public.x": "CREATE INDEX"}, {})}, ["restore-differs"]),
        ({"data": Same("3 rows are missing")}, ["restore-differs"]),
        ({"sequences": {"ids": sequence(6)}}, ["sequence-rewound"]),
        ({"sequences": {"ids": sequence(10)}}, ["sequence-rewound"]),
        ({"sequences": {"ids": sequence(7, highest=8)}}, ["sequence-rewound"]),
        ({"sequences": {}}, ["sequence-rewound"]),
    ],
)
def test_a_restore_that_differs_is_found(judge: Judged, changes: dict[str, Any], failed: list[str]):
    check_restored(judge, MANIFEST, restored(**changes))
    assert judge.failed == failed


def test_a_sequence_that_was_behind_before_the_backup_is_no_finding(judge: Judged):
    was_behind: Any = SimpleNamespace(
        revision="0012",
        schema=SchemaFingerprint({}, {}),
        data=Same(),
        sequences={"ids": sequence(7, highest=9)},
        sequences_after={"ids": sequence(7, highest=9)},
    )
    check_restored(judge, was_behind, restored(sequences={"ids": sequence(7, highest=9)}))
    assert judge.failed == []
    assert "sequences that were behind their tables before the backup" in judge.observed
    check_restored(judge, was_behind, restored(sequences={"ids": sequence(6, highest=9)}))
    assert judge.failed == ["sequence-rewound"], "it is still held to its state"


def test_a_restore_that_fails_quotes_its_last_error_and_has_a_remedy_of_its_own(judge: Judged):
    problems = Problems()
    failed = CommandResult(("psql",), 3, "", 'psql:b.sql:9: ERROR:  role "reporting" does not exist', 0.1)
    for each in (judge, problems):
        assert not check_restore_ends_well(each, failed)
    assert judge.failed == problems.findings == ["backup-unusable"]
    assert problems.lines[0].endswith('exits 3: psql:b.sql:9: ERROR:  role "reporting" does not exist')
    assert "role or extension" in judge.remedies[0]
    assert check_restore_ends_well(judge, CommandResult(("psql",), 0, "", "", 0.1))


def content(**rows: int) -> DataFingerprint:
    return DataFingerprint({name: TableData(count, str(count), ("id",)) for name, count in rows.items()})


NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stored", "age", "rows", "stale"),
    [
        (["a", "b"], timedelta(0), {"events": 9}, False),
        (["a"], timedelta(minutes=1), {"events": 8}, False),  # a restore that loses rows
        ([], timedelta(minutes=1), {"events": 7}, True),  # none of the deliveries
        ([], timedelta(days=1), {"events": 7}, True),
        (["a", "b"], timedelta(days=1), {"events": 7}, True),  # the newest row alone
        ([], timedelta(0), {"events": 0}, False),  # a dump without the table's rows
    ],
)
def test_a_backup_of_an_earlier_moment_is_stale(
    reference_target: Target, judge: Judged, stored: list[str], age: timedelta, rows: dict[str, int], stale: bool
):
    manifest: Any = SimpleNamespace(newest=NOON, data=content(events=9))
    fresh: Any = SimpleNamespace(
        newest_row=lambda: NOON - age,
        data=lambda: content(**rows),
        query=lambda sql, parameters: [(each,) for each in stored],
    )
    assert check_fresh(judge, reference_target, manifest, fresh, acknowledged=["a", "b"]) is not stale
    assert judge.failed == (["backup-unusable"] if stale else [])

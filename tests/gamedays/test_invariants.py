"""What is checked after an operation, on a simulated system: one test for each way in which it may misbehave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rollback_drills.clients.answers import Answer, is_acknowledged
from rollback_drills.clients.delivery import Delivered
from rollback_drills.clients.gateway import ComparedAnswer
from rollback_drills.gamedays.attempt import InvariantViolatedError, RaisingJudge
from rollback_drills.gamedays.context import DayContext
from rollback_drills.gamedays.invariants import Invariants
from rollback_drills.gamedays.model import ExpectedState
from rollback_drills.gamedays.notation import parse_day
from rollback_drills.postgres import MissingRows, RowSet, SchemaFingerprint
from rollback_drills.runtimes.protocols import Outcome
from rollback_drills.target.target import Target

ROOT = Path(__file__).parents[2]
TARGET = Target.load(ROOT / "fixtures" / "targets" / "reference.toml", {})
HEADS = {"0.4.0": "old", "0.5.0": "new"}
SCHEMA = SchemaFingerprint({"table deliveries": "CREATE TABLE"}, {})
NOTHING = MissingRows({}, {})
ROWS = RowSet({"public.seed": ("a",)}, {"public.seed": 2}, [])
ACKNOWLEDGED = Answer(min(TARGET.delivery.accepted), {}, 0.0)
DISABLED = Answer(503, {"detail": "integration disabled"}, 0.0)
FAILED, LIMITED = Answer(500, "", 0.0), Answer(429, "", 0.0)
UNSENT = Answer(500, None, 0.0, "login user is answered 500")


@dataclass
class Simulated:
    """A system in its steady state; a test changes one attribute to make it misbehave."""

    revision: str = "new"
    schema: SchemaFingerprint = SCHEMA
    missing: MissingRows = NOTHING
    healthy: bool = True
    version: str = "0.5.0"
    behaves: bool = True
    writable: bool = True
    off: set[str] = field(default_factory=set)
    answers: dict[str, Answer] = field(default_factory=dict)
    stored: list[str] = field(default_factory=list)
    forgets: bool = False

    def deliver(self, integration: str) -> Delivered:
        answer = self.answers.get(integration, DISABLED if integration in self.off else ACKNOWLEDGED)
        acknowledged = is_acknowledged(TARGET, integration, answer)
        unique = f"delivery-{len(self.stored)}"
        if acknowledged and not self.forgets:
            self.stored.append(unique)
        return Delivered(unique, integration, answer, acknowledged, 0.0)

    def copies(self, ids: Sequence[str]) -> Counter[str]:
        return Counter(each for each in self.stored if each in ids)

    def stack(self) -> Any:
        client = SimpleNamespace(
            health=lambda: Answer(200 if self.healthy else 503, {"status": "ok"}, 0.0),
            healthy=lambda: self.healthy,
            ask_version=lambda: Answer(200, self.version, 0.0),
            version_in=lambda answer: answer.body,
            comparisons=lambda release: {
                "GET /": ComparedAnswer(ACKNOWLEDGED, release, release if self.behaves else "another")
            },
            write_probe=lambda: ACKNOWLEDGED if self.writable else FAILED,
            deliver=self.deliver,
        )
        database = SimpleNamespace(
            revision=lambda: self.revision, schema=lambda: self.schema, missing=lambda before: self.missing
        )
        return SimpleNamespace(
            client=client,
            database=database,
            becomes_healthy=lambda: self.healthy,
            copies=self.copies,
            stored=lambda ids: frozenset(self.copies(ids)),
            target=TARGET_WITH_PROBE,
        )


PROBE = SimpleNamespace(method="GET", path="/writable", status=ACKNOWLEDGED.status, body=None)
TARGET_WITH_PROBE: Any = SimpleNamespace(
    write_probe=PROBE,
    health=TARGET.health,
    readiness=TARGET.readiness,
    version=TARGET.version,
    version_of=TARGET.version_of,
    delivery_to=TARGET.delivery_to,
    reads_of=TARGET.reads_of,
    disabled_answer=TARGET.disabled_answer,
)


def invariants(system: Simulated, state: ExpectedState) -> Invariants:
    reference = SimpleNamespace(schema=SCHEMA, rows=ROWS)
    lab: Any = SimpleNamespace(only_upgraded_to=lambda revision: reference)
    return Invariants(lab, DayContext(lab, system.stack(), state, RaisingJudge(), Path()))


def check_after(line: str, system: Simulated, state: ExpectedState) -> str:
    """The code of the finding; empty where every invariant holds."""
    (operation,) = parse_day(line, TARGET)
    try:
        invariants(system, state).check_after(operation)
    except InvariantViolatedError as violation:
        return violation.finding
    return ""


def steady() -> ExpectedState:
    return ExpectedState.steady(TARGET, HEADS)


def with_flags(state: ExpectedState, **flags: bool) -> ExpectedState:
    """The gateway was created with some flags off, then with these."""
    state.configured = dict.fromkeys(flags, False)
    state.gateway_created("0.5.0", migrates=False)
    state.configured = dict(flags)
    state.gateway_created("0.5.0", migrates=False)
    return state


@pytest.mark.parametrize("line", ["restart", "deploy=0.5.0", "upgrade=0.5.0", "deliver=jira", "crash"])
def test_the_steady_state_violates_nothing(line: str) -> None:
    assert check_after(line, Simulated(), steady()) == ""


@pytest.mark.parametrize(
    ("line", "misbehaviour", "finding"),
    [
        ("crash", {"revision": "old"}, "revision-wrong"),
        ("restart", {"revision": "old"}, "startup-migration-undoes-rollback"),
        ("upgrade=0.5.0", {"schema": SchemaFingerprint({}, {})}, "schema-residue"),
        ("restore", {"missing": MissingRows({"public.seed": 1}, {})}, "rows-lost"),
        ("crash", {"healthy": False}, "release-not-serving"),
        ("recreate", {"version": "0.4.0"}, "version-wrong"),
        ("recreate", {"behaves": False}, "wrong-code"),
        ("recreate", {"writable": False}, "write-probe-failed"),
        ("deliver=jira", {"answers": dict.fromkeys(TARGET.integrations, FAILED)}, "release-not-serving"),
        (
            "deliver=jira",
            {"answers": dict.fromkeys(TARGET.integrations, LIMITED)},
            "deliveries-rate-limited",
        ),
        ("deliver=jira", {"forgets": True}, "writes-lost"),
    ],
)
def test_a_running_release_that_misbehaves_is_found(line: str, misbehaviour: dict[str, Any], finding: str) -> None:
    assert check_after(line, Simulated(**misbehaviour), steady()) == finding


@pytest.mark.parametrize(
    ("expected", "stored", "finding"),
    [
        ({"stored": {"a", "b"}}, ["a"], "writes-lost"),
        ({"stored": {"a"}}, ["a", "a"], "writes-duplicated"),
        ({"absent": {"a"}}, ["a"], "writes-unexpected"),
        ({"stored": {"a"}, "absent": {"b"}}, ["a", "of nobody's"], ""),
    ],
)
def test_deliveries_are_accounted_for_while_no_gateway_runs(
    expected: dict[str, set[str]], stored: list[str], finding: str
) -> None:
    state = ExpectedState(TARGET, HEADS, "0.5.0", "new", running=False, **expected)
    assert check_after("stop", Simulated(stored=stored, healthy=False), state) == finding


def test_a_stopped_gateway_is_not_asked() -> None:
    state = ExpectedState(TARGET, HEADS, "0.5.0", "new", running=False)
    assert check_after("stop", Simulated(healthy=False, version="none", behaves=False), state) == ""


@pytest.mark.parametrize(
    ("flags", "answers", "finding"),
    [
        ({"jira": False}, {}, ""),
        ({"jira": False}, {"jira": ACKNOWLEDGED}, "flag-ignored"),
        ({"jira": False}, {"jira": FAILED}, "disabled-answer-differs"),
        ({"jira": False}, {name: FAILED for name in TARGET.integrations if name != "jira"}, "neighbour-affected"),
        ({"jira": True}, {"jira": DISABLED}, "flag-not-restored"),
    ],
)
def test_flags_that_do_not_work_are_found(flags: dict[str, bool], answers: dict[str, Answer], finding: str) -> None:
    system = Simulated(off={name for name, on in flags.items() if not on}, answers=answers)
    assert check_after("recreate", system, with_flags(steady(), **flags)) == finding


@pytest.mark.parametrize(
    ("healthy", "answer", "finding"),
    [(True, FAILED, "health-lies"), (False, FAILED, ""), (True, ACKNOWLEDGED, "")],
)
def test_on_another_schema_health_must_only_be_true(healthy: bool, answer: Answer, finding: str) -> None:
    state = steady()
    state.revision = "old"
    answers = dict.fromkeys(TARGET.integrations, answer)
    assert check_after("downgrade=0.4.0", Simulated("old", healthy=healthy, answers=answers), state) == finding


@pytest.mark.parametrize(("revision", "finding"), [("old", ""), ("new", "no-answer")])
def test_a_failed_login_says_nothing_about_a_flag(revision: str, finding: str) -> None:
    """On another schema, the table of users may be gone."""
    state = with_flags(steady(), jira=False)
    state.revision = revision
    system = Simulated(revision, healthy=revision == "new", off={"jira"}, answers={"jira": UNSENT})
    assert check_after("crash", system, state) == finding


def test_behaviours_are_not_compared_while_flags_may_change_them() -> None:
    state = with_flags(steady(), jira=False)
    assert check_after("recreate", Simulated(off={"jira"}, behaves=False), state) == ""


@pytest.mark.parametrize(("started", "healthy"), [(False, True), (True, False)])
def test_a_day_that_does_not_begin_in_the_steady_state_ends_at_once(started: bool, healthy: bool) -> None:
    with pytest.raises(InvariantViolatedError) as violation:
        invariants(Simulated(healthy=healthy), steady()).check_steady_state(Outcome(started, 0.0))
    assert violation.value.finding == "steady-state-missing"

"""What reads answered before the upgrade: only what is a good answer, and stays one, is compared with later."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from drills.procedures import check_read_as_before
from support.answering_server import Reply, Server, reply, serving
from support.rest_target import rest_target

from rollback_drills.clients.gateway import GatewayClient
from rollback_drills.core.errors import StackError
from rollback_drills.core.meter import Meter
from rollback_drills.core.redaction import Redactor
from rollback_drills.drill.checkers import Problems
from rollback_drills.drill.checkers.reads import check_reads
from rollback_drills.drill.drill import Drill
from rollback_drills.drill.plan import Plan
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.reads import KnownReads, learn_reads
from rollback_drills.runtimes.protocols import Outcome

TARGET = rest_target()
ME = '{"name": "ada"}'


def stack_of(server: Server, *, starts: bool = True) -> Any:
    def must_start(outcome: Outcome) -> None:
        if not outcome.started:
            raise StackError("release 1 does not start (exit code 3)", fix="start it by hand")

    again = Outcome(starts, 0.1)
    return SimpleNamespace(
        target=TARGET,
        client=GatewayClient(TARGET, lambda: server.url, Meter()),
        gateway=SimpleNamespace(deploy=lambda release: Outcome(True, 0.1), restart=lambda: again),
        must_start=must_start,
    )


def answering(*reads: Reply) -> Reply:
    """A server with a login; the last of these answers a read from then on."""
    left = list(reads)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/login":
            reply(200, '{"access_token": "t"}')(handler)
        elif handler.command == "POST":
            reply(201, "{}")(handler)
        else:
            (left.pop(0) if len(left) > 1 else left[0])(handler)

    return answer


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def drill(tmp_path: Path) -> Drill:
    plan = Plan("drills/test_x.py::test_y", "t", "quick-application")
    return Drill(plan, target=TARGET, meter=Meter(), redactor=Redactor(), directory=tmp_path)


def judged(drill: Drill, stack: Any, known: KnownReads) -> tuple[list[str], tuple[str, ...]]:
    """The findings, and what was not proven."""
    lab: Any = SimpleNamespace(known_reads=known)
    with drill:
        check_read_as_before(stack, drill, lab)
    evidence = drill.evidence()
    return [each.code for each in evidence.findings], evidence.gaps


@pytest.mark.parametrize(
    ("before", "doubt"),
    [
        ([reply(503, "{}")], "before the upgrade, it was answered 503"),
        ([reply(503, "{}"), reply(200, ME)], "before the upgrade, it was answered 503"),
        ([reply(200, '{"seen": 1}'), reply(200, ME)], "writes or a restart change its answer by themselves"),
    ],
    ids=["never good", "not good yet", "changes by itself"],
)
def test_an_answer_that_is_not_good_or_not_stable_is_not_compared_with(
    server: Server, drill: Drill, before: list[Reply], doubt: str
) -> None:
    server.reply = answering(*before)
    stack = stack_of(server)
    known = learn_reads(stack)
    assert known == KnownReads({}, {"who am I": doubt})
    server.reply = answering(reply(200, ME))
    sentence = f"That reads are answered as before the upgrade: who am I ({doubt})."
    assert judged(drill, stack, known) == ([], (sentence,))


def test_a_good_answer_is_compared_with(server: Server, drill: Drill) -> None:
    server.reply = answering(reply(200, ME))
    stack = stack_of(server)
    known = learn_reads(stack)
    assert (known.answers["who am I"].body, known.unknown) == ({"name": "ada"}, {})
    assert judged(drill, stack, known) == ([], ())


def test_a_read_that_is_rate_limited_accuses_no_release(server: Server, drill: Drill) -> None:
    server.reply = answering(reply(200, ME))
    stack = stack_of(server)
    known = learn_reads(stack)
    server.reply = answering(reply(429, "{}"))
    problems = Problems()
    check_reads(problems, stack, "1")
    assert problems.findings == ["deliveries-rate-limited"]
    sentence = "That reads are answered as before the upgrade: who am I (the gateway's rate limit)."
    assert judged(drill, stack, known) == ([], (sentence,))


@pytest.mark.parametrize("starts", [True, False])
def test_why_nothing_was_learnt_is_said(server: Server, drill: Drill, starts: bool) -> None:
    server.reply = answering(reply(200, ME))
    stack = stack_of(server, starts=starts)
    lab: Any = SimpleNamespace(
        target=TARGET, stack=lambda release: stack, discard=lambda stack: None, known_reads=KnownReads()
    )
    Lab._learn_reads(lab)
    reasons = () if starts else ("release 1 does not start (exit code 3)",)
    assert judged(drill, stack, lab.known_reads) == (
        [],
        tuple(f"That reads are answered as before the upgrade: {each}." for each in reasons),
    )

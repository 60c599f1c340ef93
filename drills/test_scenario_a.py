"""Scenario A: a new integration causes issues. Turn it off, and prove that it is off and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from rollback_drills.clients.delivery import Delivered
from rollback_drills.drill.checkers import check_answered, check_disabled, without_answer
from rollback_drills.drill.clients import account_for_clients
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.stack import Stack
from rollback_drills.pytest_plugin.shared_drills import SharedDrills

from .disable_rounds import flag_rounds
from .procedures import deploy, error_rate_of, note_ungated

HUNG = 3  # deliveries in a row without an answer, after which a round is not asked any further


@dataclass(frozen=True)
class Rounds:
    """What every integration answered in each round. A different half of them is off in each.

    Attributes:
        answers: those that were answered; a round in which the gateway hangs says nothing of any flag.
        silent: by round, why the others were not; told once, by the first integration that is judged.
    """

    off: list[frozenset[str]]
    answers: list[dict[str, Delivered]]
    lost: dict[str, list[str]]
    stored_though_refused: dict[str, list[str]]
    restored: dict[str, Delivered]
    silent: dict[str, str]


@pytest.fixture(scope="module")
def rounds(shared_drills: SharedDrills) -> Rounds:
    """Every integration off and on, next to every other one on and off, in a handful of restarts."""
    with shared_drills.open(
        "test_scenario_a.py::rounds", "Scenario A: rounds of disabled integrations", runbook="scenario-a"
    ) as (stack, drill):
        return perform_rounds(stack, drill)


def perform_rounds(stack: Stack, drill: Drill) -> Rounds:
    """Only measure: each integration is judged in a drill of its own."""
    names = stack.target.integrations_of(stack.target.current)
    gated = stack.target.gated_of(stack.target.current)
    plan = flag_rounds(gated)
    drill.fact("rounds", len(plan))
    alone = sorted(name for off in plan if len(off) == 1 for name in off)
    drill.fact("integrations that are off alone", f"{len(alone)} of {len(gated)}: {', '.join(alone) or 'none'}")
    drill.fact("integrations", len(names))
    answers: list[dict[str, Delivered]] = []
    silent: dict[str, str] = {}
    for number, off in enumerate(plan, start=1):
        with drill.step(f"Round {number} of {len(plan)}: {len(off)} integrations off"):
            stack.set_flags({name: name not in off for name in gated})
            deploy(stack, drill, stack.target.current)
            stack.clients.begin()
            answers.append(ask(stack, names, silent, f"round {number}"))
            drill.observe("off", sorted(off))
            drill.observe("acknowledged", sorted(name for name, each in answers[-1].items() if each.acknowledged))
    with drill.step("All integrations on again"):
        stack.set_flags(dict.fromkeys(gated, True))
        deploy(stack, drill, stack.target.current)
        restored = ask(stack, names, silent, "the last round, with every flag on")
        drill.observe("without an answer", {**silent})
    found = account_for_clients(stack, drill, judge=False)
    assert found is not None
    names_of = {each.id: each.integration for each in stack.client.delivered}
    names_of |= {each.id: each.integration for each in (stack.clients.load.requests if stack.clients.load else ())}
    lost = {name: [each for each in found.lost if names_of[each] == name] for name in names}
    stored_though_refused = {name: [each for each in found.unexpected if names_of[each] == name] for name in names}
    return Rounds(plan, answers, lost, stored_though_refused, restored, silent)


def ask(stack: Stack, names: Sequence[str], silent: dict[str, str], where: str) -> dict[str, Delivered]:
    """Deliver to each integration; returns the answered ones, and notes in ``silent`` why the others are missing."""
    delivered: list[Delivered] = []
    for name in names:
        delivered.append(stack.client.deliver(name))
        if len(delivered) >= HUNG and not any(each.answer.answered for each in delivered[-HUNG:]):
            break
    if missing := without_answer(delivered):
        rest = len(names) - len(delivered)
        silent[where] = f"in {where}, {missing}" + (f"; the other {rest} were not asked" if rest else "")
    return {each.integration: each for each in delivered if each.answer.answered}


@pytest.mark.drill(
    "Scenario A: an integration is turned off", runbook="scenario-a", requires=("flags",), group="scenario-a"
)
def test_scenario_a_integration(integration: str, rounds: Rounds, drill: Drill) -> None:
    """Off, it gives the agreed answer and no other; on, it works whatever else is off; and it comes back."""
    judged = [
        (off, answers[integration])
        for off, answers in zip(rounds.off, rounds.answers, strict=True)
        if integration in answers
    ]
    drill.fact("integration", integration)
    with drill.together():
        tell_silent(rounds, drill)
        if integration in drill.target.ungated_of(drill.target.current):
            with drill.step(f"No flag turns {integration} off"):
                note_ungated(drill, integration)
        else:
            check_off(integration, rounds, drill, [answer for off, answer in judged if integration in off])
        check_on(integration, rounds, drill, [(off, answer) for off, answer in judged if integration not in off])
        check_restored_flag(integration, rounds, drill)


def check_off(integration: str, rounds: Rounds, drill: Drill, answers: Sequence[Delivered]) -> None:
    """In every round in which it was off and the gateway answered, it took nothing."""
    with drill.step(f"With {integration} off"):
        drill.observe("rounds in which it was off", len(answers))
        check_disabled(drill, drill.target, integration, answers)
        if not answers:
            drill.not_proven(f"{integration} is off: in no round in which it was, the gateway answered.")
        drill.check(
            "refused but stored",
            [*rounds.stored_though_refused[integration]],
            expected=[],
            finding="writes-unexpected",
        )


def check_on(
    integration: str, rounds: Rounds, drill: Drill, answers: Sequence[tuple[frozenset[str], Delivered]]
) -> None:
    """In every round in which it was on and the gateway answered, it worked, whatever else was off."""
    with drill.step(f"With {integration} on and others off"):
        failed = [(off, answer) for off, answer in answers if not answer.acknowledged]
        drill.check(
            "rounds in which it did not work",
            len(failed),
            expected=0,
            finding="neighbour-affected",
            detail=_affected(integration, failed, [off for off, answer in answers if answer.acknowledged]),
        )
        if not answers and any(integration not in off for off in rounds.off):
            drill.not_proven(f"{integration} works while others are off: no such round was answered.")
        drill.check("acknowledged but not stored", [*rounds.lost[integration]], expected=[], finding="writes-lost")


def check_restored_flag(integration: str, rounds: Rounds, drill: Drill) -> None:
    """With every flag on again, it takes deliveries."""
    with drill.step("With everything on again"):
        again = rounds.restored.get(integration)
        if again is None:
            drill.not_proven(f"{integration} comes back when its flag is turned on: the gateway did not answer.")
            return
        drill.check(
            "it takes deliveries",
            again.acknowledged,
            finding="flag-not-restored",
            detail=f"with every flag on again, {integration} answers {again.answer.brief()}",
        )


def tell_silent(rounds: Rounds, drill: Drill) -> None:
    """Tell once, and not of every integration, in which rounds the gateway did not answer."""
    if not rounds.silent:
        return
    with drill.step("Every round is answered"):
        for where in list(rounds.silent):
            said = rounds.silent.pop(where)
            drill.check(
                f"no answer in {where}", said, expected="", finding="no-answer", detail=said, subject=where, timed=True
            )


def _affected(
    integration: str, failed: Sequence[tuple[frozenset[str], Delivered]], worked: Sequence[frozenset[str]]
) -> str:
    if not failed:
        return ""
    when, answer = _suspects([off for off, _ in failed], worked), failed[0][1].answer
    return f"{integration} does not work while it is on, {when}: it answers {answer.brief()}"


def _suspects(failed: Sequence[frozenset[str]], worked: Sequence[frozenset[str]]) -> str:
    """The neighbours that were off whenever it failed, and never when it worked."""
    if lone := sorted(next(iter(off)) for off in failed if len(off) == 1):
        return f"when {' or '.join(lone)} alone is off"
    suspects = frozenset.intersection(*failed) - frozenset[str]().union(*worked)
    return f"whenever {' or '.join(sorted(suspects))} is off" if suspects else "for no single neighbour's flag"


@pytest.mark.drill(
    "Scenario A: the error rate falls when the faulty integration is turned off",
    runbook="scenario-a",
    objective="feature_flag",
    requires=("flags", "symptom", "metrics"),
)
def test_scenario_a_error_rate(stack: Stack, drill: Drill) -> None:
    """First the symptom, then the rollback, then the proof: deliberate 503s are not counted as errors."""
    target = stack.target
    assert target.flags is not None
    assert target.flags.symptom is not None
    names = target.integrations_of(target.current)
    faulty = target.gated_of(target.current)[-1]
    with drill.step("Before: no errors"):
        calm, _ = error_rate_of(stack, names, rounds=2)
        drill.check("error rate", round(calm.error_rate, 4), expected=0.0, finding="steady-state-missing")
    with drill.step(f"The symptom: {faulty} fails, the error rate rises"):
        stack.database.execute(target.flags.symptom.format(integration=faulty))
        bad, delivered = error_rate_of(stack, names, rounds=2)
        failing = sorted({each.integration for each in check_answered(drill, delivered) if not each.acknowledged})
        drill.check("integrations that fail", failing, expected=[faulty])
        drill.observe("error rate", round(bad.error_rate, 4))
        drill.check("the error rate shows it", bad.errors > 0, finding="errors-not-visible")
    with drill.recovery():
        with drill.step(f"Turn {faulty} off", checklist="disable-or-rollback"):
            stack.set_flags({faulty: False})
            deploy(stack, drill, target.current)
        with drill.step("After: no errors, although the cause is still there", checklist="error-rates"):
            after, delivered = error_rate_of(stack, names, rounds=2)
            answered = check_answered(drill, delivered)
            refused = sorted({each.integration for each in answered if not each.acknowledged})
            drill.check("integrations that are refused", refused, expected=[faulty], finding="neighbour-affected")
            drill.check("error rate", round(after.error_rate, 4), expected=0.0, finding="errors-go-on")
    drill.fact("error rate", f"{calm.error_rate:.1%} → {bad.error_rate:.1%} → {after.error_rate:.1%}")

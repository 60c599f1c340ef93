"""Waiting ends at once when it has become pointless, and its error says what was waited for."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from rollback_drills.core import polling
from rollback_drills.core.errors import StackError
from rollback_drills.core.polling import poll_until


@pytest.mark.parametrize("answer", [True, 0, "", [], "text"])
def test_anything_but_none_and_false_is_an_answer(answer: object):
    assert poll_until(lambda: answer, what="x", timeout=0) == answer


def test_the_condition_is_asked_at_once_and_again():
    answers = iter([None, False, None, "there"])
    assert poll_until(lambda: next(answers), what="x", timeout=10) == "there"


def test_a_deadline_names_what_was_waited_for_and_its_last_words():
    with pytest.raises(StackError) as caught:
        poll_until(lambda: None, what="starting the gateway", timeout=0.02, last_words=lambda: "port taken")
    assert caught.value.what == "starting the gateway: not within 0.02 s"
    assert caught.value.cause == "port taken"


def test_death_ends_the_wait_at_once():
    asked = []
    with pytest.raises(StackError, match="starting: it has exited with code 3"):
        poll_until(lambda: asked.append(1), what="starting", timeout=3600, died=lambda: "it has exited with code 3")
    assert len(asked) == 1


def test_an_answer_counts_even_if_the_process_has_gone():
    assert poll_until(lambda: True, what="x", timeout=1, died=lambda: "gone")


def test_an_exception_of_the_condition_passes_through():
    def broken() -> bool:
        raise KeyError("mistake")

    with pytest.raises(KeyError):
        poll_until(broken, what="x", timeout=10)


def test_questions_come_fast_at_first_and_then_slower(monkeypatch: pytest.MonkeyPatch):
    pauses: list[float] = []
    clock = [0.0]

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(polling, "time", _Clock(clock, sleep))
    with pytest.raises(StackError):
        poll_until(lambda: None, what="x", timeout=2)
    assert pauses[0] == pytest.approx(0.004)
    assert max(pauses) == pytest.approx(0.05)
    assert sum(pauses) == pytest.approx(2)


class _Clock:
    def __init__(self, now: list[float], sleep: Callable[[float], None]) -> None:
        self._now, self.sleep = now, sleep

    def monotonic(self) -> float:
        return self._now[0]


def test_a_timeout_of_nothing_still_asks_once():
    began = time.monotonic()
    with pytest.raises(StackError):
        poll_until(lambda: False, what="x", timeout=-5)
    assert time.monotonic() - began < 5

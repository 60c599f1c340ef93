"""Errors are for people: what, cause, remedy; and they survive the way from a worker process."""

from __future__ import annotations

import pickle

import pytest

from rollback_drills.core import errors
from rollback_drills.core.errors import DrillError, StackError


def test_an_error_says_what_was_wrong_why_and_what_to_do():
    error = StackError("it does not start", cause="port taken\n", fix="free the port")
    assert str(error) == "it does not start\nCause: port taken\nTo fix this: free the port"


def test_a_cause_of_several_lines_is_indented():
    assert str(DrillError("no", cause="one\n two\n")) == "no\nCause:\n  one\n   two"


@pytest.mark.parametrize("cause", ["", "  ", "\n"])
def test_an_empty_cause_is_not_mentioned(cause: str):
    assert str(DrillError("no", cause=cause)) == "no"


@pytest.mark.parametrize("kind", [*DrillError.__subclasses__(), errors.DrillTimeoutError])
def test_errors_can_be_pickled(kind: type[DrillError]):
    copy = pickle.loads(pickle.dumps(kind("what", cause="cause", fix="fix")))
    assert type(copy) is kind
    assert (copy.what, copy.cause, copy.fix) == ("what", "cause", "fix")

"""A pause that the engine refuses because the machine is busy is repeated; any other refusal is an error at once."""

from __future__ import annotations

from typing import Any

import docker.errors
import pytest

from rollback_drills.core.errors import StackError
from rollback_drills.runtimes.docker import containers
from rollback_drills.runtimes.docker.containers import pause

BUSY = "Cannot pause container 40bb: OCI runtime pause failed: unable to freeze: unknown"


class Container:
    """Refuses to be paused with these messages, one after the other; then it is paused."""

    def __init__(self, *refusals: str) -> None:
        self.refusals, self.attempts = list(refusals), 0

    def pause(self) -> None:
        self.attempts += 1
        if self.refusals:
            raise docker.errors.APIError("500 Server Error", explanation=self.refusals.pop(0))


def test_a_pause_is_repeated_until_all_processes_are_frozen():
    container: Any = Container(BUSY, BUSY)
    pause(container)
    assert container.attempts == 3


def test_another_refusal_is_an_error_at_once():
    container: Any = Container("Container 40bb is not running")
    with pytest.raises(StackError, match="cannot be paused") as refused:
        pause(container)
    assert (container.attempts, refused.value.cause) == (1, "Container 40bb is not running")


def test_a_container_that_is_never_frozen_is_an_error_with_the_last_refusal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(containers, "PAUSE_TIMEOUT", 0.0)
    container: Any = Container(BUSY, BUSY)
    with pytest.raises(StackError, match="cannot be paused") as refused:
        pause(container)
    assert refused.value.cause == BUSY

"""Faults strike where they say, once, and are healed; whether one struck in time is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rollback_drills.lab.faults import (
    COMMAND_FAULTS,
    GatewayKilled,
    GatewayKilledStarting,
    HeldCommand,
    OperatorKilled,
    PostgresFrozen,
    PostgresKilled,
    injected,
)
from rollback_drills.runtimes.protocols import Outcome

SESSION: Any = SimpleNamespace(pid=1)


class Gateway:
    """Runs, and counts how often it was killed."""

    def __init__(self) -> None:
        self.running, self.kills = True, 0

    def stop(self) -> None:
        self.running = False

    def kill(self) -> None:
        self.running, self.kills = False, self.kills + 1


class Server:
    """Notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def freeze(self) -> None:
        self.done.append("freeze")

    def thaw(self) -> None:
        self.done.append("thaw")

    def revive(self) -> None:
        self.done.append("revive")


def test_every_fault_has_a_title_of_its_own():
    faults = [*COMMAND_FAULTS, PostgresFrozen(), GatewayKilled(), GatewayKilledStarting()]
    assert len({fault.title for fault in faults}) == len(faults)


def test_a_fault_is_healed_however_the_block_ends():
    stack: Any = SimpleNamespace(server=Server())
    with pytest.raises(RuntimeError), injected(PostgresFrozen(), stack):  # noqa: PT012 - what is done is asserted in it
        assert stack.server.done == ["freeze"]
        raise RuntimeError
    assert stack.server.done == ["freeze", "thaw"]
    PostgresKilled().heal(stack)
    assert stack.server.done == ["freeze", "thaw", "revive"]


def test_only_a_gateway_that_runs_can_be_killed():
    stack: Any = SimpleNamespace(gateway=Gateway())
    fault = GatewayKilled()
    assert fault.possible(stack)
    fault.inject(stack)
    assert (stack.gateway.kills, fault.possible(stack)) == (1, False)


def test_a_held_command_is_killed_only_by_the_fault_that_kills_it():
    sessions: list[Any] = [None, SESSION, SESSION]
    struck: list[int] = []
    command = HeldCommand(lambda: sessions.pop(0))

    class Noted(OperatorKilled):
        def strike(self, stack: Any, command: HeldCommand) -> None:
            struck.append(command.session.pid if command.session else 0)
            super().strike(stack, command)

    ask = command.kill_when_reached(SimpleNamespace(), Noted())  # type: ignore[arg-type]
    assert (ask(), command.reached) == (False, False)
    assert (ask(), command.reached) == (True, True)
    assert ask()
    assert struck == [1], "a fault strikes once"


@pytest.mark.parametrize(("serves", "happened"), [(True, False), (False, True)])
def test_a_start_that_served_before_it_was_killed_was_not_cut_off(serves: bool, happened: bool):
    gateway = Gateway()
    database = SimpleNamespace(connect=lambda: pytest.fail("the start was over at once"))
    target = SimpleNamespace(gateway=SimpleNamespace(ready_timeout=5.0))
    stack: Any = SimpleNamespace(gateway=gateway, database=database, target=target, started_in=0.0)
    assert GatewayKilledStarting().strike(stack, lambda: Outcome(serves, 0.0)) is happened
    assert (gateway.kills, gateway.running) == (1, False)

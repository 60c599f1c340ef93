"""Faults of the gateway's process."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

from rollback_drills import postgres
from rollback_drills.core.errors import DrillError
from rollback_drills.core.polling import poll_until
from rollback_drills.lab.stack import Stack
from rollback_drills.runtimes.protocols import Outcome


@dataclass(frozen=True, slots=True)
class GatewayKilled:
    """The gateway's process gets SIGKILL, as by the out-of-memory killer."""

    title: ClassVar[str] = "the gateway is killed"

    def possible(self, stack: Stack) -> bool:
        return stack.gateway.running

    def inject(self, stack: Stack) -> None:
        stack.gateway.kill()

    def heal(self, stack: Stack) -> None:
        """Nothing: starting it again is part of the procedure."""


@dataclass(frozen=True, slots=True)
class GatewayKilledStarting:
    """The gateway is killed while it starts.

    A start cannot be held. It counts as under way once the new process has written to its log, has connected to its
    database, or has had half of the time that the last start took.
    """

    title: ClassVar[str] = "the starting gateway is killed"

    def strike(self, stack: Stack, start: Callable[[], Outcome]) -> bool:
        """Perform the start, and kill the gateway during it.

        Returns:
            Whether the gateway was killed before it served.

        Raises:
            StackError: the start is not under way within the time in which the gateway has to be ready.
        """
        gateway = stack.gateway
        gateway.stop()  # what runs from here on is the new process
        with ThreadPoolExecutor(1) as pool:
            starting = pool.submit(start)
            begun = _Begun(stack)
            try:
                timeout = stack.target.gateway.ready_timeout
                poll_until(lambda: starting.done() or begun(), what="the start of the gateway", timeout=timeout)
            finally:
                gateway.kill()
            try:
                return not starting.result().started
            except DrillError:  # the command that starts the gateway was still under way
                return True


class _Begun:
    """Whether the start is under way."""

    def __init__(self, stack: Stack) -> None:
        self._stack, self._since = stack, 0.0

    def __call__(self) -> bool:
        stack = self._stack
        if not stack.gateway.running:
            return False
        self._since = self._since or time.monotonic()
        with stack.database.connect() as connection:
            connected = bool(postgres.sessions(connection))
        return connected or bool(stack.gateway.logs()) or time.monotonic() - self._since > stack.started_in / 2

"""The sender's process, one per worker: started once, it sends the load of one drill after the other."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rollback_drills.clients.traffic import sender_program
from rollback_drills.core.errors import StackError
from rollback_drills.runtimes.protocols import Conversation

ARGV = (sys.executable, "-I", str(Path(sender_program.__file__)))
"""Isolated from the caller's PYTHON* variables and current directory."""

_PATIENCE = 3600.0  # seconds between two checks whether the process still runs
_JOIN = 5.0  # seconds

Line = Any
"""What `sender_program` writes: a list for a request, a mapping for the end of a pause or of a load."""


class Sender:
    """Talks to the process; a thread passes on its lines as they come.

    Args:
        start: starts `ARGV` and returns its standard streams; called when the first load begins, and again when the
            process has ended.
    """

    def __init__(self, start: Callable[[], Conversation]) -> None:
        self._start = start
        self._conversation: Conversation | None = None
        self._listener: threading.Thread | None = None
        self._on_line: Callable[[Line], None] = _discard
        self._on_end: Callable[[StackError], None] = _discard

    def open(self) -> None:
        """Start the process, unless it runs already, so that it is ready when it is needed."""
        if self._listener is not None and self._listener.is_alive():
            return
        self.close()
        self._conversation = self._start()
        self._listener = threading.Thread(
            target=self._listen, args=(self._conversation,), name="rollback-drills-traffic", daemon=True
        )
        self._listener.start()

    def listen(self, on_line: Callable[[Line], None], on_end: Callable[[StackError], None]) -> None:
        """Register the receivers of lines and of the process's end; both are called from another thread."""
        self._on_line, self._on_end = on_line, on_end

    def send(self, order: Mapping[str, object]) -> None:
        """Send an order.

        Raises:
            StackError: the process has ended.
        """
        self.open()
        assert self._conversation is not None
        self._conversation.send(json.dumps(order).encode() + b"\n")

    def close(self) -> None:
        """End the process by closing its input, or else kill it."""
        if self._conversation is not None:
            self._on_line = self._on_end = _discard
            self._conversation.close()
            self._conversation = None
        if self._listener is not None:
            self._listener.join(_JOIN)
            self._listener = None

    def _listen(self, conversation: Conversation) -> None:
        while True:
            try:
                line = conversation.receive(_PATIENCE)
            except StackError as error:
                self._on_end(error)
                return
            except (OSError, ValueError):  # it was closed in the meantime
                return
            self._on_line(json.loads(line))


def _discard(_: object) -> None:
    """Discards the lines of a load that has ended."""

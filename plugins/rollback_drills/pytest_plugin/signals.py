"""SIGTERM and SIGHUP end a run as Ctrl-C does, and no signal disturbs the clean-up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

_ENDING = (signal.SIGTERM, signal.SIGHUP)  # SIGHUP: the terminal was closed, or the connection lost


class Signals:
    """The signal handlers of this process while drills run."""

    def __init__(self) -> None:
        self._handlers: dict[signal.Signals, Any] = {}  # as signal.signal gives and takes them

    def trap(self) -> None:
        """Let SIGTERM and SIGHUP end the run as Ctrl-C does: everything is removed, and the exit code is 143 or 129.

        One that is ignored stays so: `nohup` ignores SIGHUP.
        """
        if threading.current_thread() is threading.main_thread():
            for number in _ENDING:
                if signal.getsignal(number) == signal.SIG_DFL:
                    self._replace(number, _terminated)

    def shield_clean_up(self) -> None:
        """Keep a second Ctrl-C from interrupting the removal of the stacks."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, *_ENDING):
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._replace(number, _ending_already)

    def release(self) -> None:
        """Restore the handlers that were there before."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def _replace(self, number: signal.Signals, handler: Callable[[int, FrameType | None], None]) -> None:
        previous = signal.signal(number, handler)
        self._handlers.setdefault(number, previous)


def _terminated(number: int, frame: FrameType | None) -> None:
    for each in _ENDING:  # one is enough
        signal.signal(each, _ending_already)
    pytest.exit(f"terminated ({signal.Signals(number).name})", returncode=128 + number)


def _ending_already(number: int, frame: FrameType | None) -> None:
    """Does nothing; SIG_IGN would be inherited by children."""

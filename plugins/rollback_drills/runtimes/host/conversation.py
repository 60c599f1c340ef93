"""Talks to a child over pipes; any command line will do, also ``docker exec -i …``."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rollback_drills.core.errors import StackError
from rollback_drills.core.meter import Meter
from rollback_drills.core.private_files import UMASK, private
from rollback_drills.runtimes.host.logs import read_tail

_CHUNK = 1 << 16
_PATIENCE = 2.0  # seconds for a program to end by itself once its input is closed


class PipedConversation:
    """Implements `rollback_drills.runtimes.protocols.Conversation` with one process in its own session.

    Args:
        log: the file for its standard error.

    Raises:
        StackError: the program cannot be started.
    """

    def __init__(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path, meter: Meter | None = None
    ) -> None:
        self._argv, self._log, self._meter = tuple(argv), log, meter or Meter()
        self._read = b""
        try:
            with open(log, "ab", opener=private) as errors:
                self._child = subprocess.Popen(
                    argv,
                    cwd=cwd,
                    env=dict(env),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    start_new_session=True,
                    umask=UMASK,
                    bufsize=0,
                )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise StackError(f"{argv[0]} cannot be started: {reason}", cause=f"in {cwd}: {argv[0]}") from None
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._input, self._output = self._child.stdin, self._child.stdout
        os.set_blocking(self._output.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)

    @property
    def pid(self) -> int:
        return self._child.pid

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[self._input.write(view) :]
        except (BrokenPipeError, ValueError):
            raise self._ended() from None

    def receive(self, timeout: float) -> bytes:
        deadline = time.monotonic() + timeout
        with self._meter.target():
            while b"\n" not in self._read:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not self._selector.select(remaining):
                    raise StackError(
                        f"{Path(self._argv[0]).name} did not answer within {timeout:g} s",
                        cause=read_tail(self._log),
                        fix="check whether it waits for a lock; allow more with timeout under [migrations]",
                    )
                chunk = self._output.read(_CHUNK)
                if chunk == b"":
                    raise self._ended()
                self._read += chunk or b""
        line, _, self._read = self._read.partition(b"\n")
        return line

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._input.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(_PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._selector.close()
        self._output.close()

    def _ended(self) -> StackError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(_PATIENCE)
        return StackError(
            f"{Path(self._argv[0]).name} has ended with exit code {self._child.poll()}",
            cause=read_tail(self._log),
            fix="run the command by hand in the release's tree",
        )

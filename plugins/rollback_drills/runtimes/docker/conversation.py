"""Talks to a program in a container over its standard streams.

The engine sends both output streams over one connection. Each piece has a header of eight bytes: the stream's number,
three zeros, and the length (https://docs.docker.com/reference/api/engine/ "ContainerAttach").
"""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

from rollback_drills.core.errors import StackError
from rollback_drills.core.meter import Meter
from rollback_drills.runtimes.docker.containers import DrillContainer
from rollback_drills.runtimes.docker.engine import translate_errors

_HEADER = struct.Struct(">BxxxL")
_ERRORS = 2  # the stream number of standard error
_CHUNK = 1 << 16
_LAST_WORDS = 8_192  # bytes of standard error to keep


class ContainerConversation:
    """Implements `rollback_drills.runtimes.protocols.Conversation`.

    Args:
        container: not created yet, with its standard input open; `close` removes it.
        name: the program's name in error messages.

    Raises:
        StackError: it cannot be created or started.
    """

    def __init__(self, container: DrillContainer, name: str, meter: Meter) -> None:
        self._container, self._name, self._meter = container, name, meter
        self._raw = self._lines = self._errors = b""
        with translate_errors(f"{name} cannot be started"):
            container.start()
            attached: Any = container.get_wrapped_container().attach_socket(
                params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1, "logs": 1}
            )
        self._attached = attached  # it owns the connection, and must not be garbage-collected before it
        self._socket: socket.socket = getattr(attached, "_sock", attached)

    def send(self, data: bytes) -> None:
        self._socket.settimeout(None)
        try:
            self._socket.sendall(data)
        except OSError:
            raise self._ended() from None

    def receive(self, timeout: float) -> bytes:
        deadline = time.monotonic() + timeout
        with self._meter.target():
            while b"\n" not in self._lines:
                self._socket.settimeout(max(0.001, deadline - time.monotonic()))
                try:
                    chunk = self._socket.recv(_CHUNK)
                except TimeoutError:
                    raise StackError(
                        f"{self._name} did not answer within {timeout:g} s",
                        cause=self._last_words(),
                        fix="check whether it waits for a lock; allow more with timeout under [migrations]",
                    ) from None
                except OSError:
                    chunk = b""
                if not chunk:
                    raise self._ended()
                self._take(chunk)
        line, _, self._lines = self._lines.partition(b"\n")
        return line

    def close(self) -> None:
        self._socket.close()
        self._container.remove()

    def _take(self, chunk: bytes) -> None:
        self._raw += chunk
        while len(self._raw) >= _HEADER.size:
            stream, length = _HEADER.unpack_from(self._raw)
            if len(self._raw) < _HEADER.size + length:
                return
            piece = self._raw[_HEADER.size : _HEADER.size + length]
            self._raw = self._raw[_HEADER.size + length :]
            if stream == _ERRORS:
                self._errors = (self._errors + piece)[-_LAST_WORDS:]
            else:
                self._lines += piece

    def _last_words(self) -> str:
        return self._errors.decode(errors="replace")

    def _ended(self) -> StackError:
        return StackError(
            f"{self._name} has ended with exit code {self._container.exit_code()}",
            cause=self._last_words() or self._container.tail(),
            fix="run the command by hand in the release's image",
        )

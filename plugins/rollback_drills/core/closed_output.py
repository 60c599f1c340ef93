"""Output that nobody reads any more: `| head` has seen enough, or the terminal was closed. It is no error."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Any, TextIO

_CLOSED = (errno.EPIPE, errno.EIO)  # EIO: of a terminal that has hung up


def is_closed_output(error: OSError) -> bool:
    """Whether an error of writing means that there is no reader."""
    return error.errno in _CLOSED


def discard_output(stream: TextIO) -> None:
    """Let what is still to be written go nowhere, so that neither this process nor Python's end fails on it."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class ForgivingOutput:
    """A text stream that goes on, writing nowhere, once it has no reader."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._forgive(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._forgive(error)

    def _forgive(self, error: OSError) -> None:
        if not is_closed_output(error):
            raise error
        discard_output(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

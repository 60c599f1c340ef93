"""A pytest plugin that writes down the arguments of every process that a run starts, and of what those start.

The file is named by SEEN_ARGUMENTS; each line is a command line as any user of the machine can read it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "SEEN_ARGUMENTS"


@contextlib.contextmanager
def seen_arguments() -> Iterator[set[str]]:
    """The command lines of all children of this process, and of every process of the machine meanwhile."""
    seen: set[str] = set()
    ended = threading.Event()

    def started(event: str, arguments: tuple[object, ...]) -> None:
        if event == "subprocess.Popen" and not ended.is_set():
            seen.add(" ".join(map(os.fsdecode, arguments[1])))  # type: ignore[call-overload]

    def watch() -> None:
        while not ended.wait(0.005):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    seen.add(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))

    sys.addaudithook(started)
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def pytest_configure() -> None:
    """Watch to the end of the process."""
    stack.enter_context(_written())


def pytest_unconfigure() -> None:
    stack.close()


@contextlib.contextmanager
def _written() -> Iterator[None]:
    with seen_arguments() as seen:
        yield
    Path(os.environ[VARIABLE]).write_text("\n".join(sorted(seen)))


stack = contextlib.ExitStack()

"""Runs ``python -m MODULE`` without its start: one process has imported the libraries, and forks for each command.

Starting Python and importing Alembic take ten times as long as most of its commands. The child that a command gets has
its own session, environment, directory and arguments, has run nothing of another command, and ends through the
interpreter's own exit. What differs from a process of its own: its parent, ``/proc/PID/cmdline``, and the hash seed,
which the commands of one server share.

The messages are lines of JSON on a socket. The server begins with ``{"ready": true}`` or ``{"refused": why}``. A
request ``{"argv": …, "arguments": …, "directory": …, "environment": …}`` carries the descriptors for standard output
and standard error; the server answers ``{"refused": why}``, or ``{"pid": …}`` and, at the command's end,
``{"code": …}``. It ends with its client, and kills the command that then runs.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import re
import selectors
import socket
import subprocess
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import IO

from rollback_drills.core.private_files import UMASK
from rollback_drills.runtimes.host import process

_PROGRAM = Path(__file__).with_name("fork_program.py")
_START_TIMEOUT, _END_TIMEOUT = 60.0, 2.0  # seconds
_CHUNK = 1 << 16
# What the interpreter, the loader, or a library reads once when it starts.
_READ_AT_START = re.compile(
    r"PYTHON\w*|HOME|LANG|LANGUAGE|LC_\w+|TZ|LD_\w+|DYLD_\w+|MALLOC_\w+|GLIBC_\w+|OPENSSL_\w+|COVERAGE_\w+"
    r"|\w*SQLALCHEMY\w*|PSYCOPG\w*|ASYNCPG\w*"
)


@dataclass(frozen=True, slots=True)
class Preloaded:
    """A module to run, and what is imported for it in advance: libraries, never anything of a release.

    ``entry_points`` names the groups of plugins that the libraries load when they are imported; where there are any,
    nothing is forked.
    """

    module: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    entry_points: tuple[str, ...] = ()


ALEMBIC = Preloaded(
    "alembic",
    required=(
        "alembic.config",
        "alembic.command",
        "alembic.autogenerate",
        "alembic.runtime.environment",
        "alembic.runtime.migration",
        "alembic.script",
        "sqlalchemy.dialects.postgresql",
    ),
    optional=("psycopg", "psycopg2", "asyncpg"),
    entry_points=("alembic.plugins",),
)


class ForkedChild:
    """A command that runs in a child of a fork server; implements `process.Child`."""

    def __init__(self, server: ForkServer, pid: int, argv: Sequence[str], stdout: IO[bytes], stderr: IO[bytes]) -> None:
        self.pid, self.stdout, self.stderr = pid, stdout, stderr
        self.returncode: int | None = None
        self._server, self._argv = server, tuple(argv)
        self._read: dict[IO[bytes], list[bytes]] = {stdout: [], stderr: []}
        self._open = {stdout, stderr}
        for pipe in self._open:
            os.set_blocking(pipe.fileno(), False)

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Return what it wrote, once its output has ended and it has as well.

        Raises:
            subprocess.TimeoutExpired: after ``timeout`` seconds; holds the output so far.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self.poll()  # its end may have been received with its beginning
        with selectors.DefaultSelector() as selector:
            for pipe in self._open:
                selector.register(pipe, selectors.EVENT_READ)
            if self.returncode is None:
                selector.register(self._server.socket, selectors.EVENT_READ)
            while selector.get_map():
                remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
                ready = selector.select(remaining)
                for key, _ in ready:
                    if not self._take(key.fileobj):
                        selector.unregister(key.fileobj)
                if remaining is not None and (remaining == 0 or not ready) and selector.get_map():
                    raise subprocess.TimeoutExpired(self._argv, timeout or 0.0, self._so_far(0), self._so_far(1))
        return self._so_far(0), self._so_far(1)

    def _take(self, source: object) -> bool:
        """Read what has come; whether more may come."""
        if source is self._server.socket:
            self._finish(self._server.receive(None))
            return False
        assert source is self.stdout or source is self.stderr
        pipe = self.stdout if source is self.stdout else self.stderr
        chunk = os.read(pipe.fileno(), _CHUNK)
        if not chunk:
            self._open.discard(pipe)
            return False
        self._read[pipe].append(chunk)
        return True

    def _so_far(self, index: int) -> bytes:
        return b"".join(self._read[(self.stdout, self.stderr)[index]])

    def poll(self) -> int | None:
        if self.returncode is None and self._server.has_spoken(0.0):
            self._finish(self._server.receive(None))
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not self._server.has_spoken(timeout):
                raise subprocess.TimeoutExpired(self._argv, timeout or 0.0)
            self._finish(self._server.receive(None))
        assert self.returncode is not None
        return self.returncode

    def _finish(self, message: Mapping[str, object]) -> None:
        code = message.get("code")
        if not isinstance(code, int):  # the server was killed: nobody knows how the command ended
            code = -SIGKILL
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, SIGKILL)
        self.returncode = code
        self._server.release()


class ForkServer:
    """One per interpreter and module. It runs one command at a time; `run` refuses another meanwhile."""

    def __init__(self, interpreter: str, preloaded: Preloaded, workspace: Path) -> None:
        self._busy = threading.Lock()
        self._read = b""
        self.served = 0
        """How many commands it has been given."""
        self._server: subprocess.Popen[bytes] | None = None
        self.socket, theirs = socket.socketpair()
        with theirs, contextlib.suppress(OSError):  # the plain command says what is wrong with the interpreter
            self._server = self._start([interpreter, "-c", _call(preloaded)], workspace, theirs.fileno())
        self.usable = self._server is not None and self._loads(self._server)
        if not self.usable:
            self.close()

    def _start(self, argv: Sequence[str], workspace: Path, requests: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            cwd=workspace,
            env=process.clean_environment(workspace),
            stdin=requests,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            umask=UMASK,
        )

    def _loads(self, server: subprocess.Popen[bytes]) -> bool:
        """Whether the libraries could be imported, and without a word: the plain command would print it each time."""
        assert server.stdout is not None
        assert server.stderr is not None
        with selectors.DefaultSelector() as selector:
            for source in (self.socket, server.stdout, server.stderr):
                selector.register(source, selectors.EVENT_READ)
            ready = {key.fileobj for key, _ in selector.select(_START_TIMEOUT)}
            if ready != {self.socket} or self.receive(_START_TIMEOUT).get("ready") is not True:
                return False
            selector.unregister(self.socket)
            return not selector.select(0)

    def run(
        self, argv: Sequence[str], arguments: Sequence[str], directory: Path, environment: Mapping[str, str]
    ) -> ForkedChild | None:
        """Start a command; None if it has to be started plainly, as a process of its own."""
        if not self.usable or not self._busy.acquire(blocking=False):
            return None
        pipes: list[int] = []
        child: ForkedChild | None = None
        try:
            pipes += [*os.pipe(), *os.pipe()]
            request = {
                "argv": list(argv),
                "arguments": list(arguments),
                "directory": str(directory),
                "environment": dict(environment),
            }
            self._send(json.dumps(request).encode() + b"\n", [pipes[1], pipes[3]])
            message = self.receive(_START_TIMEOUT)
            pid = message.get("pid")
            if isinstance(pid, int):
                child = ForkedChild(self, pid, argv, os.fdopen(pipes[0], "rb", 0), os.fdopen(pipes[2], "rb", 0))
                self.served += 1
            self.usable = child is not None or "refused" in message
        except (OSError, ValueError):  # it has ended, or a text that JSON or the system does not take
            self.usable = False
        except BaseException:  # an interruption between request and answer: the next answer would be another's
            self.close()
            raise
        finally:
            for pipe in pipes if child is None else (pipes[1], pipes[3]):
                os.close(pipe)
            if child is None:
                self.release()
        return child

    def _send(self, data: bytes, files: Sequence[int]) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
        sent = self.socket.sendmsg([data], rights)
        self.socket.sendall(data[sent:])

    def has_spoken(self, timeout: float | None) -> bool:
        """Whether an answer, or the server's end, can be received within ``timeout`` seconds."""
        if b"\n" in self._read:
            return True
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            return bool(selector.select(timeout))

    def receive(self, timeout: float | None) -> Mapping[str, object]:
        """The next answer; empty if the server has ended, or says nothing for ``timeout`` seconds."""
        while b"\n" not in self._read:
            if not self.has_spoken(timeout):
                return {}
            try:
                chunk = self.socket.recv(_CHUNK)
            except OSError:
                chunk = b""
            if not chunk:
                self.usable = False
                return {}
            self._read += chunk
        line, _, self._read = self._read.partition(b"\n")
        message = json.loads(line)
        return message if isinstance(message, dict) else {}

    def release(self) -> None:
        """The command has ended: the next may come."""
        self._busy.release()

    def close(self) -> None:
        """End the server, and the command that it runs."""
        self.usable = False
        self.socket.close()
        server, self._server = self._server, None
        if server is None:
            return
        try:
            server.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        for pipe in filter(None, (server.stdout, server.stderr)):
            pipe.close()


def _call(preloaded: Preloaded) -> str:
    """The program's call, as Python's ``-c`` takes it."""
    arguments = [preloaded.module, *map(list, (preloaded.required, preloaded.optional, preloaded.entry_points))]
    program = str(_PROGRAM)
    return (
        "names = dict(__name__='rollback_drills_fork_server')\n"
        f"with open({program!r}) as file:\n"
        f"    exec(compile(file.read(), file.name, 'exec'), names)\n"
        f"names['serve'](*{arguments!r})"
    )


class ForkServers:
    """The fork servers of one runtime, started when they are first needed, and ended with this object at the latest."""

    def __init__(self, workspace: Path, preloaded: Sequence[Preloaded] = (ALEMBIC,)) -> None:
        self._workspace, self._preloaded = workspace, preloaded
        self._servers: dict[tuple[str, str], ForkServer] = {}
        # Also where a stack is kept, and nobody closes its runtime.
        weakref.finalize(self, _close_all, self._servers)

    def start(self, argv: Sequence[str], directory: Path, environment: Mapping[str, str]) -> process.Child | None:
        """Start ``PYTHON -m MODULE …``; None for other commands, and for what only a plain process does equally."""
        if len(argv) < 3 or argv[1] != "-m":
            return None
        ours = process.clean_environment(self._workspace)
        if any(
            environment.get(name) != ours.get(name) for name in {*environment, *ours} if _READ_AT_START.fullmatch(name)
        ):
            return None
        for each in self._preloaded:
            if argv[2] == each.module:
                return self._server(argv[0], each).run(argv, argv[3:], directory, environment)
        return None

    def _server(self, interpreter: str, preloaded: Preloaded) -> ForkServer:
        key = (interpreter, preloaded.module)
        if key not in self._servers:
            self._servers[key] = ForkServer(interpreter, preloaded, self._workspace)
        return self._servers[key]

    def close(self) -> None:
        _close_all(self._servers)


def _close_all(servers: dict[tuple[str, str], ForkServer]) -> None:
    for server in servers.values():
        server.close()
    servers.clear()

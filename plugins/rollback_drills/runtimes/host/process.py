"""Child processes with a clean environment and their own session, always ended with all their descendants."""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGTERM, Signals
from typing import IO, Protocol, TypedDict

import psutil

from rollback_drills.core.errors import StackError
from rollback_drills.core.polling import poll_until
from rollback_drills.core.private_files import UMASK, private
from rollback_drills.runtimes.host.logs import read_tail
from rollback_drills.runtimes.protocols import CommandResult

WORKSPACE_VARIABLE = "ROLLBACK_DRILLS_WORKSPACE"
"""Marks every child, so that the leftovers of a killed run are found by their environment."""

OWNER_VARIABLE = "ROLLBACK_DRILLS_OWNER"
"""Names the process that has started a child: if that lives, so does the run, even if its workspace was deleted."""

_File = int | IO[bytes]
_FIRST_PAUSE, _LONGEST_PAUSE, _LAST_PAUSE = 0.01, 0.1, 1.0  # seconds between two checks of a running command


def clean_environment(workspace: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment with nothing of the caller's: no DATABASE_URL, PG*, POSTGRES_*, PYTHON* or credentials."""
    return {
        "PATH": os.defpath,
        "HOME": str(workspace),
        "TMPDIR": str(workspace),
        "LANG": "C.UTF-8",
        **(extra or {}),
        WORKSPACE_VARIABLE: str(workspace),
        OWNER_VARIABLE: str(os.getpid()),
    }


class _LongRunning(subprocess.Popen[bytes]):
    """Does not warn when it is garbage-collected: the processes of a kept stack outlive this one on purpose."""

    def __del__(self, *_: object) -> None:
        pass


class Process:
    """A long-running child that writes to a log file.

    Args:
        user: the account to run under if the caller is root.

    Raises:
        StackError: the program cannot be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        log: Path,
        user: str | None = None,
    ) -> None:
        self.argv, self.log = tuple(argv), log
        try:
            with open(log, "ab", opener=private) as output:
                self._popen = _LongRunning(
                    argv,
                    cwd=cwd,
                    env=dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    umask=UMASK,
                    **_account(user),
                )
        except (OSError, ValueError) as error:
            raise _not_started(argv, cwd, error) from None

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """Negative: the signal that ended it."""
        return self._popen.poll()

    @property
    def running(self) -> bool:
        return self.exit_code is None

    def died(self) -> str | None:
        """For `poll_until`: why waiting for this process is pointless, or None."""
        return None if self.running else f"{Path(self.argv[0]).name} has exited with code {self.exit_code}"

    def tail(self) -> str:
        return read_tail(self.log)

    def signal(self, number: Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def stop(self, number: Signals = SIGTERM, *, timeout: float) -> bool:
        """Ask the process to end, and kill it after ``timeout`` seconds; return whether it ended by itself."""
        willing = self.ask_to_end(number, timeout=timeout)
        self.kill()
        return willing

    def ask_to_end(self, number: Signals = SIGTERM, *, timeout: float) -> bool:
        """As `stop`, but whatever the process leaves behind goes on, and it itself after ``timeout`` seconds, too."""
        willing = True
        if self.running:
            # Only the leader: a server forwards the signal to its children in its own order.
            self._popen.send_signal(number)
            self._popen.send_signal(SIGCONT)
            try:
                self._popen.wait(timeout)
            except subprocess.TimeoutExpired:
                willing = False
        return willing

    def kill(self) -> None:
        """Kill the whole session, and reap the child.

        Returns when its descendants, which may listen on its port, are gone too: usually a moment later.
        """
        self.signal(SIGKILL)
        self._popen.wait()
        with contextlib.suppress(StackError):  # the workspace's removal finds a process that cannot be killed
            poll_until(lambda: not _group_exists(self.pid), what="ending a process group", timeout=2.0)


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's process has the number now
        return False
    return True


class Child(Protocol):
    """What `run` needs of a command: `subprocess.Popen`, or a child of a fork server."""

    @property
    def pid(self) -> int:
        """It leads a session of this number."""

    @property
    def returncode(self) -> int | None: ...

    @property
    def stdout(self) -> IO[bytes] | None: ...

    @property
    def stderr(self) -> IO[bytes] | None: ...

    def communicate(self, *, timeout: float | None = None) -> tuple[bytes | None, bytes | None]: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...


Starter = Callable[[Sequence[str], Path, Mapping[str, str]], Child | None]
"""Starts a command in a directory with an environment; None: it has to be started as a process of its own."""


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float,
    where: str = "",
    stdin: Path | None = None,
    stdout: Path | None = None,
    user: str | None = None,
    umask: int = UMASK,
    kill_when: Callable[[], bool] | None = None,
    start: Starter | None = None,
) -> CommandResult:
    """Run a command to its end in its own session, killing it with its children after ``timeout`` seconds.

    Args:
        umask: of the command; by default its files are its account's alone.
        start: starts the command in another way, where it can; not with ``stdin``, ``stdout`` or ``user``.
        kill_when: polled while the command runs; once true, the command is killed.

    Raises:
        StackError: the program cannot be started.
    """
    started = time.monotonic()
    with contextlib.ExitStack() as files:
        child = start(argv, cwd, env) if start else None
        if child is None:
            source = files.enter_context(stdin.open("rb")) if stdin else subprocess.DEVNULL
            sink = files.enter_context(stdout.open("wb")) if stdout else subprocess.PIPE
            child = _popen(argv, cwd=cwd, env=env, source=source, sink=sink, user=user, umask=umask)
        try:
            code, out, err = _wait(child, started + timeout, kill_when)
        finally:
            _kill_session(child)  # and what it left running
            child.wait()
            for pipe in filter(None, (child.stdout, child.stderr)):
                pipe.close()
    stdout_text, stderr_text = out.decode(errors="replace"), err.decode(errors="replace")
    return CommandResult(tuple(argv), code, stdout_text, stderr_text, time.monotonic() - started, where)


def _popen(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], source: _File, sink: _File, user: str | None, umask: int
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=source,
            stdout=sink,
            stderr=subprocess.PIPE,
            start_new_session=True,
            umask=umask,
            **_account(user),
        )
    except (OSError, ValueError) as error:
        raise _not_started(argv, cwd, error) from None


def _not_started(argv: Sequence[str], cwd: Path, error: OSError | ValueError) -> StackError:
    reason = getattr(error, "strerror", None) or str(error)
    return StackError(f"{argv[0]} cannot be started: {reason}", cause=f"in {cwd}: {' '.join(argv)}")


def _wait(child: Child, deadline: float, kill_when: Callable[[], bool] | None) -> tuple[int | None, bytes, bytes]:
    """Read the child's output until it ends or is killed; return exit code (None: out of time), stdout and stderr.

    Waits for the child, not for the end of its output, which a process that it leaves behind may keep open for ever.
    """
    pause = _FIRST_PAUSE
    in_time = True
    while True:
        remaining = deadline - time.monotonic()
        try:
            out, err = child.communicate(timeout=max(0.0, min(pause, remaining)))
            return child.returncode if in_time else None, out or b"", err or b""
        except subprocess.TimeoutExpired as expired:
            if child.poll() is not None:
                return _last_words(child, child.returncode if in_time else None, expired)
            if remaining <= 0:
                in_time = False
                _kill_session(child)
            elif kill_when is not None and kill_when():
                _kill_session(child)
                kill_when = None
            pause = _LAST_PAUSE if not in_time else min(pause * 2, _LONGEST_PAUSE)
            deadline = deadline if in_time else time.monotonic() + _LAST_PAUSE


def _last_words(child: Child, code: int | None, expired: subprocess.TimeoutExpired) -> tuple[int | None, bytes, bytes]:
    """The output of a child that has ended, while a process that it left behind keeps the output open."""
    _kill_session(child)
    try:
        out, err = child.communicate(timeout=_LAST_PAUSE)
        return code, out or b"", err or b""
    except subprocess.TimeoutExpired as again:
        return code, again.output or expired.output or b"", again.stderr or expired.stderr or b""


class _SystemAccount(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def _account(user: str | None) -> _SystemAccount:
    """Popen's arguments for running under an account, without root's groups."""
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _kill_session(child: Child) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, SIGKILL)


def family(pid: int) -> list[psutil.Process]:
    """A process and all its descendants that are still alive."""
    try:
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def of_workspace(workspace: Path) -> list[psutil.Process]:
    """Every process that carries the workspace's mark in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(WORKSPACE_VARIABLE) == str(workspace):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def in_directory(directory: Path) -> list[psutil.Process]:
    """Every process whose working directory this is: PostgreSQL's overwrite the mark with their titles."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.cwd() == str(directory.resolve()):
                found.append(process)
    return found


def listens(workspace: Path, port: int) -> bool:
    """Whether a process of the workspace listens on that port."""
    for process in of_workspace(workspace):
        with contextlib.suppress(psutil.Error, OSError):
            for each in process.net_connections("tcp"):
                if each.status == psutil.CONN_LISTEN and each.laddr.port == port:
                    return True
    return False


def end_all(processes: Sequence[psutil.Process], *, timeout: float = 10.0) -> None:
    """Kill processes and all their descendants, and wait until they have ended.

    Raises:
        StackError: one is still alive after ``timeout`` seconds.
    """
    everyone = {member for process in processes for member in family(process.pid)}
    # The oldest first: a postmaster that sees a child die creates new shared memory before it is killed itself.
    for process in sorted(everyone, key=_created):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()

    def ended() -> bool:
        return not any(map(_alive, everyone))

    if everyone:
        poll_until(ended, what="ending leftover processes", timeout=timeout)


def _created(process: psutil.Process) -> float:
    try:
        return float(process.create_time())
    except psutil.Error:
        return 0.0  # it has ended


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False

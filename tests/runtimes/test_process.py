"""Children start with a clean environment, and end with all their descendants."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from rollback_drills.core.errors import StackError
from rollback_drills.core.polling import poll_until
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.host.process import (
    OWNER_VARIABLE,
    WORKSPACE_VARIABLE,
    Process,
    clean_environment,
    read_tail,
    run,
)
from rollback_drills.runtimes.protocols import CommandResult

FOREIGN = {
    "DATABASE_URL": "x",
    "PGHOST": "x",
    "PGPASSWORD": "x",
    "POSTGRES_PASSWORD": "x",
    "COMPOSE_FILE": "x",
    "PYTHONPATH": "x",
    "PYTHONSTARTUP": "x",
    "LD_PRELOAD": "",
    "http_proxy": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "VIRTUAL_ENV": "x",
}
SPAWN = (
    "import subprocess, sys; child = subprocess.Popen(['sleep', '600'], start_new_session={own});"
    " print(child.pid, flush=True)"
)


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., CommandResult]:
    def python(code: str, *, timeout: float = 30.0, **options: object) -> CommandResult:
        environment = clean_environment(tmp_path)
        return run([sys.executable, "-c", code], cwd=tmp_path, env=environment, timeout=timeout, **options)  # type: ignore[arg-type]

    return python


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(code: str, *, until: str = "") -> Process:
        """A child, once it has printed ``until``."""
        environment = clean_environment(tmp_path)
        log = tmp_path / f"{len(started)}.log"
        child = Process([sys.executable, "-c", code], cwd=tmp_path, env=environment, log=log)
        started.append(child)
        poll_until(lambda: until in child.tail(), what="starting", timeout=30)
        return child

    yield start
    for child in started:
        child.kill()
    process.end_all(process.of_workspace(tmp_path))


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def ends(pid: int) -> bool:
    return poll_until(lambda: gone(pid), what=f"the end of {pid}", timeout=10)


# --- environment ---------------------------------------------------------------------------------------


def test_nothing_is_inherited(python: Callable[..., CommandResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    seen = json.loads(python("import json, os; print(json.dumps(dict(os.environ)))").stdout)
    seen.pop("LC_CTYPE", None)  # Python itself may set it
    assert set(seen) == {"PATH", "HOME", "TMPDIR", "LANG", OWNER_VARIABLE, WORKSPACE_VARIABLE}
    assert {seen["HOME"], seen["TMPDIR"], seen[WORKSPACE_VARIABLE]} == {str(tmp_path)}
    assert not set(seen["PATH"].split(":")) - {"/bin", "/usr/bin"}


def test_the_mark_of_the_workspace_cannot_be_overridden(tmp_path: Path):
    environment = clean_environment(tmp_path, {WORKSPACE_VARIABLE: "x", "PATH": "/mine", "A": "b"})
    assert environment[WORKSPACE_VARIABLE] == str(tmp_path)
    assert (environment["PATH"], environment["A"]) == ("/mine", "b")


# --- run -----------------------------------------------------------------------------------------------


def test_a_command_has_code_output_and_duration(python: Callable[..., CommandResult]):
    result = python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)", where="here")
    assert (result.exit_code, result.stdout, result.stderr, result.where) == (3, "out\n", "err\n", "here")
    assert (result.output, result.ok) == ("out\nerr", False)
    assert result.seconds > 0


def test_output_that_is_not_utf8_is_readable(python: Callable[..., CommandResult]):
    assert python(r"import os; os.write(1, b'a\xff\xfeb'); os.write(2, b'\xc3')").output == "a\ufffd\ufffdb\n\ufffd"


@pytest.mark.parametrize("argv", [["no-such-program"], ["/"], ["nul\0"], ["true", "nul\0"]])
def test_a_program_that_cannot_be_started_is_named(tmp_path: Path, argv: list[str]):
    with pytest.raises(StackError, match="cannot be started") as caught:
        run(argv, cwd=tmp_path, env=clean_environment(tmp_path), timeout=5)
    assert argv[0] in caught.value.what
    with pytest.raises(StackError, match="cannot be started"):
        Process(argv, cwd=tmp_path, env=clean_environment(tmp_path), log=tmp_path / "log")


def test_a_missing_directory_is_named(tmp_path: Path):
    with pytest.raises(StackError) as caught:
        run(["true"], cwd=tmp_path / "none", env=clean_environment(tmp_path), timeout=5)
    assert str(tmp_path / "none") in str(caught.value)


@pytest.mark.parametrize("own_session", [False, True], ids=["same-session", "own-session"])
def test_a_time_limit_ends_the_command_with_its_children(
    python: Callable[..., CommandResult], tmp_path: Path, own_session: bool
):
    code = SPAWN.format(own=own_session) + "; sys.stdout.write('half'); sys.stdout.flush(); child.wait()"
    result = python(code, timeout=1.0)
    assert result.exit_code is None
    pid, rest = result.stdout.splitlines()
    assert rest == "half"
    if own_session:  # it survives, and is found by its mark
        assert int(pid) in [each.pid for each in process.of_workspace(tmp_path)]
        process.end_all(process.of_workspace(tmp_path))
    assert ends(int(pid))
    assert result.seconds < 20


@pytest.mark.parametrize("own_session", [False, True], ids=["same-session", "own-session"])
def test_a_child_left_behind_does_not_delay_the_command(
    python: Callable[..., CommandResult], tmp_path: Path, own_session: bool
):
    """It inherits stdout and keeps it open: reading to its end would take for ever."""
    result = python(SPAWN.format(own=own_session), timeout=60)
    assert result.exit_code == 0
    assert result.seconds < 30
    process.end_all(process.of_workspace(tmp_path) if own_session else [])
    assert ends(int(result.stdout))


def test_children_left_behind_are_ended_even_without_a_pipe(python: Callable[..., CommandResult]):
    quiet = "n = subprocess.DEVNULL; child = subprocess.Popen(['sleep', '600'], stdout=n, stderr=n)"
    code = f"import subprocess; {quiet}; print(child.pid)"
    assert ends(int(python(code).stdout))


def test_a_command_that_ignores_sigterm_is_ended_at_its_limit(python: Callable[..., CommandResult]):
    result = python("import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)", timeout=0.5)
    assert result.exit_code is None
    assert result.seconds < 20


FLOOD = "import os; [os.write(1 + i % 2, b'x' * 65536) for i in range(100)]"


def test_a_flood_of_output_causes_no_deadlock(python: Callable[..., CommandResult]):
    result = python(FLOOD, timeout=60)
    assert (result.exit_code, len(result.stdout), len(result.stderr)) == (0, 3_276_800, 3_276_800)


def test_a_flood_while_a_condition_is_polled_causes_no_deadlock(python: Callable[..., CommandResult]):
    result = python(FLOOD, timeout=60, kill_when=lambda: False)
    assert (result.exit_code, len(result.stdout)) == (0, 3_276_800)


def test_a_command_is_killed_once_a_condition_holds(python: Callable[..., CommandResult], tmp_path: Path):
    code = "import time; open('started', 'w').close(); print('said', flush=True); time.sleep(600)"
    result = python(code, timeout=60, kill_when=lambda: (tmp_path / "started").exists())
    assert result.exit_code == -signal.SIGKILL
    assert result.seconds < 30


def test_the_time_limit_holds_while_a_condition_is_polled(python: Callable[..., CommandResult]):
    asked: list[int] = []
    result = python("import time; time.sleep(600)", timeout=0.5, kill_when=lambda: bool(asked.append(1)))
    assert result.exit_code is None
    assert len(asked) > 1


def test_a_condition_that_raises_ends_the_command(python: Callable[..., CommandResult], tmp_path: Path):
    def broken() -> bool:
        raise KeyError("broken")

    with pytest.raises(KeyError):
        python("import time; time.sleep(600)", timeout=60, kill_when=broken)
    assert poll_until(lambda: not process.of_workspace(tmp_path), what="its end", timeout=10)


def test_files_are_input_and_output(python: Callable[..., CommandResult], tmp_path: Path):
    (tmp_path / "in").write_bytes(b"a\xff")
    code = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])"
    assert python(code, stdin=tmp_path / "in", stdout=tmp_path / "out").stdout == ""
    assert (tmp_path / "out").read_bytes() == b"\xffa"
    assert python("import sys; print(len(sys.stdin.read()))").stdout == "0\n", "there is no terminal"


# --- long-running children -----------------------------------------------------------------------------


def test_a_process_is_asked_to_end_first(start: Callable[..., Process]):
    child = start(
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(7)); print('up', flush=True)\n"
        "while True: time.sleep(0.01)",
        until="up",
    )
    assert child.running
    assert child.died() is None
    assert child.stop(timeout=30)
    assert child.exit_code == 7
    assert "exited with code 7" in (child.died() or "")
    assert child.stop(timeout=30), "stopping twice is fine"


def test_a_process_that_ignores_sigterm_is_killed(start: Callable[..., Process]):
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    child = start(stubborn, until="up")
    began = time.monotonic()
    assert not child.stop(timeout=0.2)
    assert child.exit_code == -signal.SIGKILL
    assert time.monotonic() - began < 10


def test_a_stopped_process_can_be_stopped(start: Callable[..., Process]):
    child = start("import time; print('up', flush=True); time.sleep(600)", until="up")
    child.signal(signal.SIGSTOP)
    assert child.stop(timeout=30)


def test_children_of_children_are_ended(start: Callable[..., Process]):
    inner = SPAWN.format(own=False) + "; child.wait()"
    child = start(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])", until="\n")
    grandchild = int(child.tail())
    child.kill()
    assert ends(grandchild)


def test_children_are_ended_when_their_parent_has_died_already(start: Callable[..., Process]):
    child = start(SPAWN.format(own=False), until="\n")
    poll_until(lambda: not child.running, what="its end", timeout=30)
    child.stop(timeout=1)
    assert ends(int(child.tail()))


def test_a_daemon_is_found_by_its_mark(start: Callable[..., Process], tmp_path: Path):
    child = start(SPAWN.format(own=True), until="\n")
    child.kill()
    daemon = int(child.tail())
    assert daemon in [found.pid for found in process.of_workspace(tmp_path)]
    assert daemon not in [found.pid for found in process.of_workspace(tmp_path / "another")]
    process.end_all(process.of_workspace(tmp_path))
    assert gone(daemon)


def test_a_process_that_has_ended_can_be_ended_again():
    process.end_all([])
    assert process.family(2**22 + 1) == []


# --- logs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "limit", "tail"),
    [
        (b"", 10, ""),
        (b"short\n", 10, "short\n"),
        (b"0123456789", 10, "0123456789"),
        (b"first\nsecond\n", 10, "second\n"),
        (b"x" * 50, 10, "x" * 10),
        (b"x" * 50 + b"\n", 10, "x" * 9 + "\n"),
        (b"a\n\xff\xfe", 10, "a\n\ufffd\ufffd"),
    ],
)
def test_the_end_of_a_log_begins_with_a_line(tmp_path: Path, content: bytes, limit: int, tail: str):
    (tmp_path / "log").write_bytes(content)
    assert read_tail(tmp_path / "log", limit) == tail


def test_a_missing_log_is_empty(tmp_path: Path):
    assert read_tail(tmp_path / "none") == read_tail(tmp_path) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of another account")
def test_another_account_does_not_have_roots_groups():
    assert shutil.which("id")
    with contextlib.suppress(KeyError):
        result = run(["id"], cwd=Path("/"), env={"PATH": os.defpath}, timeout=10, user="nobody")
        assert "root" not in result.stdout

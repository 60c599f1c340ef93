"""A command in a child of a fork server does what the same command does as a process of its own."""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rollback_drills.core.polling import poll_until
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.host.fork_server import ALEMBIC, ForkServers, Preloaded
from rollback_drills.runtimes.protocols import CommandResult

# The module that runs: it executes its last argument.
OBSERVED = "import sys\nexec(compile(sys.argv[-1], 'given', 'exec'))\n"
STATE = """
import gc, json, os, signal, sys, threading
state = {
    "argv": sys.argv, "orig_argv": sys.orig_argv, "path": sys.path, "directory": os.getcwd(),
    "environment": dict(os.environ), "main": sorted(vars(sys.modules["__main__"])), "name": __name__,
    "file": __file__, "spec": __spec__.name, "package": __package__, "flags": str(sys.flags),
    "descriptors": sorted(n for n in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + n)),
    "leads a session": os.getsid(0) == os.getpid(), "stdin": sys.stdin.read(), "umask": os.umask(0o22),
    "signals": [str(signal.getsignal(each)) for each in signal.valid_signals()],
    "threads": threading.active_count(), "hook": str(sys.excepthook), "executable": sys.executable,
    "streams": [(s.encoding, s.errors, s.isatty(), s.seekable(), s.line_buffering) for s in (sys.stdout, sys.stderr)],
    "collects": gc.isenabled(), "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
}
print(json.dumps(state, indent=1, default=str))
"""
ENDS = {
    "by itself": "print('ä')",
    "with a code": "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)",
    "with a text": "import sys; sys.exit('it is over')",
    "with an error": "def f(): raise ValueError('wrong')\nf()",
    "with an error of an error": "try: 1 / 0\nexcept Exception as error: raise KeyError('b') from error",
    "with a group of errors": "raise ExceptionGroup('several', [ValueError('a'), KeyError('b')])",
    "with a hook": "import sys\nsys.excepthook = lambda *_: print('hooked', file=sys.stderr)\n1 / 0",
    "as if interrupted": "raise KeyboardInterrupt",
    "at once": "import os; os.write(1, b'x'); os._exit(7)",
    "by a signal": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "by SIGKILL": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "with what it has registered": "import atexit; atexit.register(print, 'last'); print('first')",
    "after its threads": "import threading, time\n"
    "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()",
    "after a flood": "import sys\nfor n in range(20000): print('o' * 99); print('e' * 99, file=sys.stderr)",
    "after a warning": "import warnings; warnings.warn('careful')",
}
SPAWN = "import subprocess, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"


class Runs:
    """Runs the same command in both ways, in one directory."""

    def __init__(self, directory: Path, workspace: Path) -> None:
        self.directory, self.workspace = directory, workspace
        self.servers = ForkServers(workspace, [Preloaded("observed", ("json", "threading"))])
        self.children: list[process.Child] = []
        (directory / "observed.py").write_text(OBSERVED)

    def argv(self, code: str) -> list[str]:
        return [sys.executable, "-m", "observed", "an argument", code]

    def environment(self, **variables: str) -> dict[str, str]:
        return process.clean_environment(self.workspace, {"DATABASE_URL": "x", **variables})

    def forked(self, code: str, *, timeout: float = 60.0, **options: object) -> CommandResult:
        """In a child of the server, never plainly."""
        started: list[object] = []

        def start(argv: list[str], cwd: Path, env: dict[str, str]) -> process.Child | None:
            started.append(self.servers.start(argv, cwd, env))
            return started[0]  # type: ignore[return-value]

        result = process.run(
            self.argv(code), cwd=self.directory, env=self.environment(), timeout=timeout, start=start, **options
        )  # type: ignore[arg-type]
        assert started[0] is not None, "the command was run plainly"
        return result

    def plain(self, code: str) -> CommandResult:
        return process.run(self.argv(code), cwd=self.directory, env=self.environment(), timeout=60.0)

    def start(self, argv: list[str], **variables: str) -> process.Child | None:
        child = self.servers.start(argv, self.directory, self.environment(**variables))
        if child is not None:
            self.children.append(child)
        return child

    def child(self, code: str = "pass", **variables: str) -> process.Child | None:
        return self.start(self.argv(code), **variables)

    def pid(self) -> int:
        """Of the server."""
        ((server),) = self.servers._servers.values()
        assert server._server is not None
        return server._server.pid


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    for name in ("tree", "workspace"):
        (tmp_path / name).mkdir()
    runs = Runs(tmp_path / "tree", tmp_path / "workspace")
    yield runs
    runs.servers.close()
    process.end_all(process.of_workspace(runs.workspace))
    for child in runs.children:
        for pipe in filter(None, (child.stdout, child.stderr)):
            pipe.close()


def told(result: CommandResult) -> tuple[int | None, str, str]:
    """Without the numbers in frames of the frozen runpy, and addresses."""
    return result.exit_code, result.stdout, re.sub(r"0x[0-9a-f]+", "0x", result.stderr)


def state(result: CommandResult) -> dict[str, object]:
    assert result.ok, result.stderr
    return json.loads(result.stdout)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_command_finds_the_same_state(runs: Runs):
    plain = state(runs.plain(STATE))
    assert state(runs.forked(STATE)) == plain
    assert state(runs.forked(STATE)) == plain


def test_commands_end_in_the_same_way(runs: Runs):
    """All with one server: what ends one command has no effect on the next."""
    for name, code in ENDS.items():
        assert (name, told(runs.forked(code))) == (name, told(runs.plain(code)))


def test_nothing_is_carried_over(runs: Runs):
    runs.forked(
        "import json, os, sys\njson.dumps = None\nos.environ['LEFT'] = 'x'\nos.chdir('/')\nsys.path.append('/x')\n"
        "os.umask(0)\nimport decimal\nsys.stdout.reconfigure(encoding='ascii')"
    )
    assert state(runs.forked(STATE)) == state(runs.plain(STATE))
    assert runs.forked("import sys; print('decimal' in sys.modules)").stdout == "False\n"


def test_a_time_limit_ends_the_command_with_its_children(runs: Runs):
    result = runs.forked(SPAWN, timeout=3.0)
    assert result.exit_code is None
    poll_until(lambda: gone(int(result.stdout)), what="the end of its child", timeout=10)
    assert runs.forked("print(1)").stdout == "1\n"


def test_a_command_is_killed_once_a_condition_holds(runs: Runs):
    (runs.workspace / "pid").touch()
    code = f"import os, time\nopen({str(runs.workspace / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    result = runs.forked(code, kill_when=lambda: bool((runs.workspace / "pid").read_text()))
    assert result.exit_code == -9
    assert gone(int((runs.workspace / "pid").read_text()))
    assert runs.forked("print(1)").stdout == "1\n"


def test_a_child_left_behind_does_not_delay_the_command(runs: Runs):
    result = runs.forked("import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True)")
    assert result.exit_code == 0
    poll_until(lambda: gone(int(result.stdout)), what="the end of its child", timeout=10)


def test_a_second_command_at_the_same_time_is_a_process_of_its_own(runs: Runs):
    first = runs.child("import time; time.sleep(600)")
    assert first is not None
    assert runs.child() is None
    os.kill(first.pid, 9)
    assert first.wait() == -9
    assert runs.forked("print(1)").stdout == "1\n"


def test_a_server_that_was_killed_ends_its_command(runs: Runs):
    running = runs.child("import time; time.sleep(600)")
    assert running is not None
    os.kill(runs.pid(), 9)
    assert running.wait(30) == -9
    poll_until(lambda: gone(running.pid), what="the end of the command", timeout=10)
    assert runs.child() is None
    assert runs.plain("print(1)").stdout == "1\n"


HARNESS = """
import sys, time
from pathlib import Path
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.host.fork_server import ForkServers, Preloaded
tree, workspace, code = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
servers = ForkServers(workspace, [Preloaded("observed", ("json",))])
argv = [sys.executable, "-m", "observed", code]
child = servers.start(argv, tree, process.clean_environment(workspace))
if code == "pass":
    child.wait()
((server),) = servers._servers.values()
print(child.pid, server._server.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("code", ["pass", "import time; time.sleep(600)"], ids=["idle", "with a command"])
def test_a_server_ends_with_a_client_that_was_killed(runs: Runs, code: str):
    argv = [sys.executable, "-c", HARNESS, str(runs.directory), str(runs.workspace), code]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        pids = [int(each) for each in harness.stdout.readline().split()]
        marked = {each.pid for each in process.of_workspace(runs.workspace)}
        harness.kill()
    assert marked == {each for each in pids if each in marked}, "the next run could not find them"
    assert pids[1] in marked
    for pid in pids:
        poll_until(lambda pid=pid: gone(pid), what="the end of the server", timeout=10)


def test_servers_that_nobody_closes_end_with_their_owner(runs: Runs):
    """A stack that is kept leaves its runtime open."""
    assert runs.child() is not None
    server = runs.pid()
    runs.servers = ForkServers(runs.workspace)
    gc.collect()
    poll_until(lambda: gone(server), what="the end of the server", timeout=10)


def test_closing_ends_a_command_that_runs(runs: Runs):
    running = runs.child("import time; time.sleep(600)")
    assert running is not None
    server = runs.pid()
    runs.servers.close()
    for pid in (running.pid, server):
        poll_until(lambda pid=pid: gone(pid), what="the end", timeout=10)


@pytest.mark.parametrize("variable", ["PYTHONPATH", "PYTHONWARNINGS", "HOME", "LANG", "TZ", "LD_PRELOAD", "LC_ALL"])
def test_a_variable_that_is_read_at_the_start_needs_a_process_of_its_own(runs: Runs, variable: str):
    assert runs.child(**{variable: "x"}) is None


@pytest.mark.parametrize("name", ["json.py", "threading/__init__.py", "os.pyc", "plugin.egg-info/PKG-INFO"])
def test_a_tree_that_shadows_a_library_needs_a_process_of_its_own(runs: Runs, name: str):
    file = runs.directory / name
    file.parent.mkdir(exist_ok=True)
    file.touch()
    assert runs.child() is None
    file.unlink()
    if file.parent != runs.directory:
        file.parent.rmdir()
    assert runs.forked("print(1)").stdout == "1\n"


def test_a_directory_without_init_shadows_nothing(runs: Runs):
    (runs.directory / "json").mkdir()
    assert runs.forked("import json; print(json.dumps(1))").stdout == "1\n"


@pytest.mark.parametrize(
    "argv",
    [
        ["alembic", "current"],
        [sys.executable, "-m", "timeit"],
        [sys.executable, "-u", "-m", "observed"],
        ["/there/is/no/python", "-m", "observed"],
    ],
    ids=" ".join,
)
def test_other_commands_are_processes_of_their_own(runs: Runs, argv: list[str]):
    assert runs.start(argv) is None


@pytest.mark.parametrize(
    "preloaded",
    [
        Preloaded("observed", ("there_is_no_such_library",)),
        Preloaded("observed", ("json",), ("this",)),  # it prints a poem
        Preloaded("observed", ("json",), entry_points=("pytest11",)),
    ],
    ids=["missing", "talkative", "with plugins"],
)
def test_libraries_that_cannot_be_loaded_in_advance(runs: Runs, preloaded: Preloaded):
    runs.servers = ForkServers(runs.workspace, [preloaded])
    assert runs.child() is None
    assert process.of_workspace(runs.workspace) == []


def test_alembic_and_its_drivers_can_be_loaded_in_advance(runs: Runs):
    runs.servers = ForkServers(runs.workspace, [ALEMBIC])
    argv = [sys.executable, "-m", "alembic", "--version"]
    options = {"cwd": runs.directory, "env": runs.environment(), "timeout": 60.0}
    child = runs.start(argv)
    assert child is not None
    assert child.communicate(timeout=60)[0].decode() == process.run(argv, **options).stdout  # type: ignore[arg-type]

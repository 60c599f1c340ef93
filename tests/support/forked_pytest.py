"""Runs ``python -m pytest`` in a forked child of a process that has imported the suite and its libraries once.

Starting Python, pytest and the suite takes two seconds of processor time, and the tests start hundreds of runs. A run
is a process with its own session, directory, environment and arguments, as it would have without this; what it imports
of a project, it imports itself. Tests of the start, and of what a run leaves when it is killed, start it plainly.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from signal import SIGKILL

from rollback_drills.runtimes.host.fork_server import ForkServer, Preloaded

_LIBRARIES = ("pytest", "hypothesis", "hypothesis.stateful", "jinja2", "pydantic", "httpx", "psycopg", "xdist.plugin")
_SUITE = (
    "evidence.findings.catalogue",
    "drill.drill",
    "gamedays.search",
    "lab.lab",
    "pytest_plugin.activation",
    "pytest_plugin.collection",
    "pytest_plugin.fixtures",
    "pytest_plugin.hookspecs",
    "pytest_plugin.options",
    "pytest_plugin.revisions",
    "pytest_plugin.selection",
    "pytest_plugin.xdist",
    "report.filing.filing",
    "runtimes.embedded.runtime",
)
# Of the modules of its plugins, pytest warns that they were imported before it could rewrite their assertions.
_PREPARATION = """
import sys
from importlib import import_module, metadata
for name in {libraries!r}: import_module(name)
for plugin in metadata.entry_points(group="pytest11"):
    for file in plugin.dist.files or ():
        module = sys.modules.get(file.parts[0].removesuffix(".py"))
        if module is not None and module.__name__ != "pytest":
            module.__doc__ = (module.__doc__ or "") + " PYTEST_DONT_REWRITE"
del sys, import_module, metadata
"""


class _PytestServer(ForkServer):
    def _start(self, argv: Sequence[str], workspace: Path, requests: int) -> subprocess.Popen[bytes]:
        python, option, program = argv
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        return subprocess.Popen(
            [python, option, _PREPARATION.format(libraries=_LIBRARIES) + program],
            cwd=workspace,
            env=environment,
            stdin=requests,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


def _read_by_python(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that Python reads when it starts."""
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


_READ_AT_START = _read_by_python(os.environ)


@cache
def _server() -> ForkServer:
    preloaded = Preloaded("pytest", (*_LIBRARIES, *(f"rollback_drills.{name}" for name in _SUITE)))
    server = _PytestServer(sys.executable, preloaded, Path(tempfile.gettempdir()))
    assert server.usable, "pytest cannot be imported in advance"
    atexit.register(server.close)
    return server


def run_pytest(
    arguments: Sequence[str | os.PathLike[str]],
    *,
    directory: Path,
    timeout: float | None = None,
    environment: Mapping[str, str] = os.environ,
) -> subprocess.CompletedProcess[str]:
    """What ``python -m pytest ARGUMENTS`` does in a directory.

    Raises:
        subprocess.TimeoutExpired: after ``timeout`` seconds; the run has been killed.
    """
    argv = [sys.executable, "-m", "pytest", *map(os.fspath, arguments)]
    forkable = _read_by_python(environment) == _READ_AT_START
    child = _server().run(argv, argv[3:], directory, environment) if forkable else None
    if child is None:  # or the directory has a module of a name that is imported already
        return subprocess.run(
            argv,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    with child.stdout, child.stderr:
        try:
            out, err = child.communicate(timeout)
        except BaseException:
            os.killpg(child.pid, SIGKILL)
            child.wait()
            raise
    return subprocess.CompletedProcess(argv, child.wait(), out.decode(), err.decode())

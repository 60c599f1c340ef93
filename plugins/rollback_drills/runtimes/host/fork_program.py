"""The program of a fork server: it imports a module's libraries once, and runs each command in a forked child.

It runs in the target's interpreter (Python 3.8 and newer) and needs its standard library only; it is never imported
here. `fork_server.py` documents the messages. Libraries only are imported before a fork: nothing of the release, whose
tree is no place of imports until the child is in it. The child ends as ``python -m MODULE`` does, through the
interpreter's own exit.
"""

from __future__ import annotations

import array
import contextlib
import importlib
import importlib.machinery
import importlib.util
import json
import os
import runpy
import select
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # Python 3.8 has no such generics; annotations are never evaluated here
    Json = dict[str, Any]


def serve(module: str, required: list[str], optional: list[str], groups: list[str]) -> bool:
    """Answer requests on file descriptor 0. Returns True in a child, which then has to `become` its command."""
    server = socket.socket(fileno=os.dup(0))
    _replace(os.open(os.devnull, os.O_RDONLY), 0)
    sys.path[:] = [place for place in sys.path if place]
    refusal = load(module, required, optional, groups)
    sys.stdout.flush()  # what was printed is not the first command's, and the client refuses a server that prints
    _send(server, refused=refusal) if refusal else _send(server, ready=True)
    while not refusal:
        request, files = _receive(server)
        if request is None:
            break
        shadow = shadowing(request["directory"])
        if shadow:
            _send(server, refused=shadow)
        elif _fork(server, files):
            server.close()
            become(module, request, files)
            return True
        for file in files:
            os.close(file)
    return False


def load(module: str, required: list[str], optional: list[str], groups: list[str]) -> str:
    """Import the libraries; why commands have to be run without this server, or an empty string."""
    try:
        from importlib import metadata

        found = metadata.entry_points()
        for group in groups:
            if found.select(group=group) if hasattr(found, "select") else found.get(group):
                return "the interpreter has entry points of the group " + group
        for name in required:
            importlib.import_module(name)
    except BaseException as error:
        return module + " cannot be imported: " + repr(error)
    for name in optional:
        try:
            if importlib.util.find_spec(name.partition(".")[0]) is not None:
                importlib.import_module(name)
        except BaseException as error:
            return name + " cannot be imported: " + repr(error)
    return ""


def shadowing(directory: str) -> str:
    """What in a directory ``python -m`` would import, or read, in place of something that is loaded here."""
    loaded = {name.partition(".")[0] for name in sys.modules} - {"__main__"}
    for entry in os.scandir(directory):
        name, dot, ending = entry.name.partition(".")
        if entry.name.endswith((".egg-info", ".dist-info")):
            return entry.name
        if name not in loaded:
            continue
        if dot and "." + ending in importlib.machinery.all_suffixes():
            return entry.name
        if not dot and entry.is_dir() and any(each.startswith("__init__.") for each in os.listdir(entry.path)):
            return entry.name
    return ""


def _fork(server: Any, files: list[int]) -> bool:
    """Fork; True in the child, which leads a session of its own. The parent returns when the child has ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.setsid()
        os.write(writer, b"1")
        os.close(writer)
        return True
    os.close(writer)
    os.read(reader, 1)  # until it has its session: the client kills by session
    os.close(reader)
    while files:
        os.close(files.pop())
    _send(server, pid=child)
    _wait_for_end(server, child)
    _, status = os.waitpid(child, 0)
    _send(server, code=-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))
    return False


def _wait_for_end(server: Any, child: int) -> None:
    """Wait for the child; kill it if the client goes away, which says nothing while a command runs."""
    try:
        watch = os.pidfd_open(child)
    except (AttributeError, OSError):  # Linux 5.3 and Python 3.9 have it
        return
    ended, _, _ = select.select([watch, server], [], [])
    if watch not in ended:
        os.killpg(child, signal.SIGKILL)
    os.close(watch)


def become(module: str, request: Json, files: list[int]) -> None:
    """Be what the interpreter is at the beginning of ``python -m MODULE ARGUMENTS``, and run the module."""
    for number, file in enumerate(files, 1):
        _replace(file, number)
    del files[:]
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[:] = ["-m", *request["arguments"]]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = request["argv"]
    sys.path.insert(0, os.getcwd())
    importlib.invalidate_caches()
    main = vars(sys.modules["__main__"])
    for name in [name for name in main if not name.startswith("__")]:
        del main[name]
    try:
        runpy._run_module_as_main(module)  # type: ignore[attr-defined]  # what the interpreter calls for -m
    except SystemExit:
        raise
    except BaseException:
        if sys.excepthook is sys.__excepthook__:
            sys.excepthook = _without_these_frames
        raise


def _without_these_frames(kind: Any, error: BaseException, trace: Any) -> None:
    """Print a traceback that begins where that of the plain command begins."""
    rest = trace
    while rest is not None and rest.tb_frame.f_code.co_name != "_run_module_as_main":
        rest = rest.tb_next
    rest = rest or trace
    sys.__excepthook__(kind, error.with_traceback(rest), rest)


def _replace(file: int, number: int) -> None:
    os.dup2(file, number, inheritable=True)
    os.close(file)


def _send(server: Any, **message: Any) -> None:
    with contextlib.suppress(OSError):  # the client has gone: the next request is the end
        server.sendall(json.dumps(message).encode() + b"\n")


def _receive(server: Any) -> tuple[Any, list[int]]:
    """One request, and the descriptors for its output; None at the end."""
    size = array.array("i").itemsize
    files = array.array("i")
    try:
        text, ancillary, _, _ = server.recvmsg(1 << 16, socket.CMSG_SPACE(2 * size))
    except OSError:
        return None, []
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            files.frombytes(data[: len(data) - len(data) % size])
    while text and not text.endswith(b"\n"):
        more = server.recv(1 << 16)
        if not more:
            return None, list(files)
        text += more
    return (json.loads(text) if text else None), list(files)

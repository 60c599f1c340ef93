"""The programs that a command runs, one within the other: `sudo docker compose exec db sh -c 'dropdb x'` is four."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rollback_drills.runbook.compose_command import ComposeCommand, read_compose_command
from rollback_drills.runbook.options import read_options
from rollback_drills.runbook.shell import SimpleCommand, parse

_SHELLS = {"sh", "bash", "zsh", "ash", "dash", "ksh"}
_PYTHON = re.compile(r"python[\d.]*")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_PLAIN = {"nohup", "exec", "command", "builtin", "time", "then", "do"}
_RUNNERS = {"poetry", "uv", "pipenv", "pdm", "hatch", "rye", "bundle", "pixi"}
_DEPTH = 6  # of programs within programs; more is no runbook
_SUDO = ("ugHhpCTURDr", "user group host prompt chroot chdir role type")
_SSH = "bcDEeFIiJLlmOopQRSWw"
_DOCKER_EXEC = ("euw", "env env-file user workdir detach-keys")
_DOCKER_RUN = (
    "aceghlmpuvw",
    "add-host entrypoint env env-file hostname label memory mount name network platform publish pull user volume"
    " workdir volumes-from restart cpus ulimit cap-add cap-drop log-driver log-opt security-opt network-alias tmpfs"
    " shm-size ip dns gpus ipc pid userns device",
)


@dataclass(frozen=True, slots=True)
class Call:
    """A program with its arguments.

    Args:
        command: the simple command that it belongs to.
        line: in which line of the page it stands, counted from 1.
        column: at which character of that line, counted from 1.
        fence: the number of its block of code.
        words: the program's name without its directory, and its arguments.
        assignments: variables that are set for it.
        inside: the service or container in which it runs; empty on the machine itself.
        remote: whether it runs on another machine, or where nothing is known of.
        wrapper: the programs that run it, outermost first.
        compose: what it asks of Docker Compose, if it does.
        own_container: whether it gets a container of its own, by `run`.
    """

    command: SimpleCommand
    line: int
    column: int
    fence: int
    words: tuple[str, ...]
    assignments: tuple[tuple[str, str], ...] = ()
    inside: str = ""
    remote: bool = False
    wrapper: tuple[str, ...] = ()
    compose: ComposeCommand | None = None
    own_container: bool = False

    @property
    def program(self) -> str:
        return self.words[0].rpartition("/")[2] if self.words else ""

    @property
    def arguments(self) -> tuple[str, ...]:
        return self.words[1:]

    @property
    def text(self) -> str:
        return self.command.text

    @property
    def outermost(self) -> bool:
        """Whether no other program runs it."""
        return not self.wrapper


def calls_of(command: SimpleCommand, *, line: int, column: int, fence: int) -> Iterator[Call]:
    """The programs that a command runs, outermost first. A plain assignment is one without words."""
    yield from _layers(Call(command, line, column, fence, command.words, command.assignments), 0)


def _layers(call: Call, depth: int) -> Iterator[Call]:
    call = replace(call, compose=read_compose_command(call.words))
    yield call
    if depth < _DEPTH:
        for inner in _inner(call):
            yield from _layers(inner, depth + 1)


def _inner(call: Call) -> Iterator[Call]:
    """The programs that a program runs itself."""
    if not call.words:
        return
    script, call = _script(call)
    if script is not None:
        for each in parse(script).commands:
            merged = replace(
                each,
                text=call.command.text,
                fed_by=each.fed_by or call.command.fed_by,
                redirections=each.redirections or call.command.redirections,
            )
            words = _within(call, each.words)
            yield replace(words, command=merged, assignments=(*call.assignments, *each.assignments))
        return
    found = _run_by(call)
    if found is not None and found.words:
        yield found


def _within(call: Call, words: tuple[str, ...]) -> Call:
    return replace(call, words=words, wrapper=(*call.wrapper, call.program), compose=None)


def _script(call: Call) -> tuple[str | None, Call]:
    """The text of shell that a program is given (`sh -c`, `ssh`, `su -c`), and where it runs."""
    program, arguments = call.program, call.arguments
    if program in _SHELLS:
        options = read_options(arguments, "oO", stop=True)
        return (options.operands[0], call) if options.has("-c") and options.operands else (None, call)
    if program == "ssh":
        operands = read_options(arguments, _SSH, stop=True).operands
        return (" ".join(operands[1:]), replace(call, remote=True)) if operands[1:] else (None, call)
    if program in {"su", "runuser"}:
        script = read_options(arguments, "cgGsw", "command group shell").value("-c", "--command")
        return script, call
    return None, call


def _run_by(call: Call) -> Call | None:
    """The one program that a program runs, with the arguments that follow it."""
    program, arguments = call.program, call.arguments
    compose = call.compose
    if compose is not None:
        runs = compose.verb in {"exec", "run"} and compose.services
        own = compose.verb == "run"
        return replace(_within(call, compose.runs), inside=compose.services[0], own_container=own) if runs else None
    if program in _PLAIN:
        rest = arguments[1:] if arguments[:1] == ("-p",) else arguments
        return _within(call, rest)
    if program in {"sudo", "doas"}:
        return _assigned(call, read_options(arguments, *_SUDO, stop=True).operands)
    if program == "env":
        return _assigned(call, read_options(arguments, "uCS", "unset chdir split-string", stop=True).operands)
    if program in {"nice", "stdbuf", "ionice", "xargs", "gosu", "timeout"}:
        return _prefixed(call)
    if program in {"docker", "podman", "kubectl", "oc"}:
        return _in_container(call)
    if program in _RUNNERS and arguments[:1] in {("run",), ("exec",)}:
        return _within(call, read_options(arguments[1:], "p", "with python project group extra", stop=True).operands)
    if _PYTHON.fullmatch(program):
        options = read_options(arguments, "mcWX", stop=True)
        module = options.value("-m")
        at = arguments.index(module) + 1 if module in arguments else 0
        return _within(call, (module, *arguments[at:])) if module and at else None
    return None


def _assigned(call: Call, operands: tuple[str, ...]) -> Call:
    """`env A=b program` and `sudo A=b program`."""
    count = next((place for place, word in enumerate(operands) if not _ASSIGNMENT.match(word)), len(operands))
    pairs = tuple((word.partition("=")[0], word.partition("=")[2]) for word in operands[:count])
    inner = _within(call, operands[count:])
    return replace(inner, assignments=(*call.assignments, *pairs))


def _prefixed(call: Call) -> Call:
    valued = {"nice": "n", "stdbuf": "ioe", "ionice": "cnp", "xargs": "IPnLdasE", "timeout": "ks", "gosu": ""}
    operands = read_options(call.arguments, valued[call.program], stop=True).operands
    return _within(call, operands[1:] if call.program in {"timeout", "gosu"} else operands)


def _in_container(call: Call) -> Call | None:
    """`docker exec`, `docker run` and `kubectl exec`."""
    arguments = call.arguments[1:] if call.arguments[:1] == ("container",) else call.arguments
    if arguments[:1] == ("exec",) and call.program in {"docker", "podman"}:
        operands = read_options(arguments[1:], *_DOCKER_EXEC, stop=True).operands
        return replace(_within(call, operands[1:]), inside=operands[0]) if operands else None
    if arguments[:1] == ("run",) and call.program in {"docker", "podman"}:
        options = read_options(arguments[1:], *_DOCKER_RUN, stop=True)
        entry = options.value("--entrypoint")
        words = (*(entry.split() if entry else ()), *options.operands[1:])
        image = "".join(options.operands[:1])
        return replace(_within(call, words), inside=image, remote=True, own_container=True) if image else None
    if call.program in {"kubectl", "oc"} and "exec" in arguments and "--" in arguments:
        return replace(_within(call, arguments[arguments.index("--") + 1 :]), inside="pod", remote=True)
    return None

"""Rules about names: services, containers, files, targets, tags and ports that are not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from rollback_drills.runbook.calls import Call
from rollback_drills.runbook.context import Context, KnownProject
from rollback_drills.runbook.flow import Flow
from rollback_drills.runbook.instruction import Instruction, at
from rollback_drills.runbook.options import read_options
from rollback_drills.runbook.rules.checks import request_of

_PLAIN = re.compile(r"[\w./-]+")
_WITH_SERVICES = {
    *("exec", "run", "up", "start", "stop", "restart", "logs", "kill", "rm", "build", "pull", "pause", "unpause"),
    *("create", "top", "events", "cp", "port", "ps"),
}
_LOCAL = re.compile(r"^(https?://)?(localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]):(?P<port>\d+)")
_OTHER_PORTS = {22, 80, 443, 2019, 3000, 3100, 4317, 4318, 5601, 6443, 8428, 9000, 9090, 9091, 9093, 9100, 9200}
_EXAMPLES = re.compile(r"v?(1\.2\.3|x\.y\.z|0\.0\.0|1\.0\.0)$", re.IGNORECASE)
_SHELLS = {"bash", "sh", "zsh", "python", "python3", "source", ".", "node", "ruby", "perl"}
_MOVES = {"clone", "checkout", "switch", "worktree", "pull", "reset"}
_TAG = re.compile(r"v?\d+\.\d+[\w.+-]*|[\w-]+[-/]v?\d+\.\d+[\w.+-]*")


def service_not_there(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A service of Docker Compose that the compose file does not have."""
    project = context.project
    if project is None or not project.services:
        return
    for call in flow.calls:
        compose = call.compose
        if compose is None or compose.elsewhere or call.inside or call.remote or compose.verb not in _WITH_SERVICES:
            continue
        if _elsewhere(flow, call, project):
            continue
        for name in compose.services:
            if _PLAIN.fullmatch(name) and name not in {*project.services, *project.others} and not name.isdigit():
                known = ", ".join(sorted(project.services))
                yield at(call, f"the compose file has no service {name}, only {known}{_similar(name, project)}")


def _similar(name: str, project: KnownProject) -> str:
    found = get_close_matches(name, project.services, 1)
    return f"; {found[0]} is meant?" if found else ""


def container_not_there(flow: Flow, context: Context) -> Iterator[Instruction]:
    """The name of a service where Docker wants the name of a container."""
    project = context.project
    if project is None or not project.services:
        return
    named = {service.container for service in project.services.values() if service.container}
    made = {name for call in flow.calls for name in _made(call)}
    for call in flow.calls:
        if call.program not in {"docker", "podman"} or call.compose is not None or call.inside or call.remote:
            continue
        for name in _containers(call):
            if name in project.services and name not in named | made:
                yield at(call, f"{name} is a service of the compose file; its container has another name")


def _made(call: Call) -> list[str]:
    return read_options(call.arguments[1:], "", "name").all_of("--name") if call.program in {"docker", "podman"} else []


def _containers(call: Call) -> tuple[str, ...]:
    words = call.arguments[1:] if call.arguments[:1] == ("container",) else call.arguments
    verb = words[0] if words else ""
    if verb == "exec":
        operands = read_options(words[1:], "euw", "env env-file user workdir detach-keys", stop=True).operands
        return operands[:1]
    if verb in {"logs", "restart", "stop", "start", "kill", "rm", "pause", "unpause", "top"}:
        return read_options(words[1:], "nts", "tail since until time timeout signal").operands
    return ()


def file_not_there(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A script or a compose file that the repository does not have."""
    project = context.project
    if project is None:
        return
    made = _made_files(flow)
    for call in flow.calls:
        if call.inside or call.remote or call.command.function or _elsewhere(flow, call, project):
            continue
        if any(each.program in {"cd", "pushd"} for each in flow.until(call)):
            continue
        for name in _files(call):
            known = name.removeprefix("./")
            plain = _PLAIN.fullmatch(name) and not name.startswith(("/", "~", "../"))
            if plain and known not in made and not project.exists(known):
                yield at(call, f"there is no {name}")


def _files(call: Call) -> tuple[str, ...]:
    if call.compose is not None:
        return call.compose.files
    first = call.words[0] if call.words else ""
    if first.startswith("./") or (first.startswith(("scripts/", "bin/", "tools/", "deploy/")) and "/" in first):
        return (first,)
    if call.program in _SHELLS:
        operands = read_options(call.arguments, "cmOo", stop=True)
        script = not operands.has("-c", "-m") and operands.operands[:1]
        return operands.operands[:1] if script and _is_script(operands.operands[0]) else ()
    return ()


def _is_script(name: str) -> bool:
    return name.endswith((".sh", ".py", ".bash", ".js", ".rb", ".pl")) and not name.startswith(("venv/", ".venv/"))


def _made_files(flow: Flow) -> set[str]:
    """The files that commands of the page write."""
    found = set[str]()
    for call in (*flow.above, *flow.calls):
        found |= {each.target.removeprefix("./") for each in call.command.redirections if each.operator.startswith(">")}
        if call.program in {"cp", "mv", "ln", "tee", "touch", "curl", "wget", "scp", "unzip", "chmod"}:
            found |= {word.removeprefix("./") for word in call.arguments}
    return found


def _elsewhere(flow: Flow, call: Call, project: KnownProject) -> bool:
    """Whether a command may run in another directory, machine or commit than the one that is known."""
    visited = set[str]()
    for each in flow.until(call):
        if each.inside:
            continue
        if each.program in {"cd", "pushd"}:
            visited |= set(each.arguments[:1])
        elif each.program == "ssh" or (each.program == "git" and _MOVES & set(each.arguments)):
            return True
        if any(name.startswith("COMPOSE_") for name, _ in each.assignments):
            return True
    return len(visited) > 1 or any(_is_below(name, project) for name in visited)


def _is_below(directory: str, project: KnownProject) -> bool:
    """Whether it is another directory of the repository; one that is not there is the project itself, elsewhere."""
    plain = bool(_PLAIN.fullmatch(directory)) and not directory.startswith("/") and directory != "."
    return plain and (directory.startswith("..") or project.exists(directory))


def target_not_there(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A target that the Makefile does not have."""
    project = context.project
    if project is None or project.make_targets is None:
        return
    for call in flow.calls:
        if call.program != "make" or call.inside or call.remote or _elsewhere(flow, call, project):
            continue
        options = read_options(call.arguments, "fCIjlo", "file directory makefile jobs")
        if options.has("-C", "-f", "--file", "--directory", "--makefile"):
            continue
        for name in options.operands:
            if re.fullmatch(r"[\w.-]+", name) and name not in project.make_targets:
                yield at(call, f"the Makefile has no target {name}")


def tag_not_there(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A tag that the repository does not have."""
    project = context.project
    if project is None:
        return
    made = {word for call in flow.calls if call.program == "git" and "tag" in call.arguments for word in call.arguments}
    for call in flow.calls:
        if (
            call.program != "git"
            or call.inside
            or call.remote
            or call.arguments[:1] not in {("checkout",), ("switch",)}
        ):
            continue
        operands = read_options(call.arguments[1:], "bBcC").operands
        creates = read_options(call.arguments[1:], "bBcC").has("-b", "-B", "-c", "-C")
        if len(operands) != 1 or creates or "--" in call.arguments or operands[0] in made:
            continue
        name = operands[0].removeprefix("tags/")
        if _TAG.fullmatch(name) and not _EXAMPLES.search(name) and project.has_ref(name) is False:
            yield at(call, f"the repository has no tag {name}")


def port_not_there(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A port of this machine that no service publishes."""
    project = context.project
    if project is None or not project.services:
        return
    published = [service.ports for service in project.services.values()]
    if any(ports is None for ports in published) or not any(published):
        return
    known = {port for ports in published for port in ports or ()}
    if known <= {80, 443}:  # a proxy stands before them all
        return
    forwarded = " ".join(call.text for call in (*flow.above, *flow.calls) if _forwards(call))
    for call in flow.calls:
        request = request_of(call)
        found = _LOCAL.match(request.url) if request is not None else None
        if found is None or call.inside or call.remote:
            continue
        port = int(found["port"])
        if port not in known | _OTHER_PORTS and str(port) not in forwarded:
            ports = ", ".join(map(str, sorted(known)))
            yield at(call, f"the compose file publishes port {ports}, and not {port}")


def _forwards(call: Call) -> bool:
    return call.program in {"ssh", "kubectl", "socat"} or (call.program == "docker" and "run" in call.arguments)

"""Rules about variables: where they are set, and whether a container ever sees them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rollback_drills.runbook.calls import Call
from rollback_drills.runbook.context import Context
from rollback_drills.runbook.flow import Flow
from rollback_drills.runbook.instruction import Instruction, at

_NAME = re.compile(r"[A-Z][A-Z0-9_]*(<[^>]+>[A-Z0-9_]*)*")
_CLIENTS = re.compile(
    r"(PG|DOCKER_|COMPOSE_|AWS_|GIT_|SSH_|LC_|KUBE|GOOGLE_|CLOUDSDK_|AZURE_|BUILDKIT|HTTPS?_PROXY|NO_PROXY|PYTHON)\w*"
    r"|PATH|HOME|USER|LANG|TZ|EDITOR|VISUAL|PAGER|SHELL|TERM|DEBIAN_FRONTEND|BACKUP\w*|DUMP\w*|IFS"
)
_ENV_FILE = re.compile(r"(^|/)(\.env(\.[\w.-]+)?|[\w.-]+\.env)$")
_EXAMPLE = re.compile(r"example|sample|template|dist$|bak|backup|old|orig|save|prev|before|\.\d{4,}|<|\$")
_EDITORS = {"nano", "vi", "vim", "nvim", "emacs", "code", "$EDITOR", "${EDITOR}", "$VISUAL", "ed", "micro"}
_LOOKS = {"cat", "grep", "rg", "less", "more", "head", "tail", "diff", "ls", "source", ".", "test", "wc", "stat"}
_RELEASE = re.compile(r"VERSION|TAG|IMAGE|RELEASE|DIGEST|(GIT|COMMIT)_SHA")
_CHOICE = re.compile(r"v?\d+(\.\d+)+[\w.-]*|true|false|on|off", re.IGNORECASE)


def restart_keeps_environment(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A restart after a variable was set; a restart alone does no harm."""
    edited = False
    for call in flow.calls:
        if _creates_anew(call):
            edited = False
        if _restarts(call, context):
            given = [name for name, _ in call.assignments if _counts(name, flow, context)]
            if (edited or given) and not _reads_file_itself(context):
                yield at(call)
        edited = edited or _edits(call, flow, context)


def _edits(call: Call, flow: Flow, context: Context) -> bool:
    """Whether it changes what the next container of the gateway is created with: a variable, or an .env file."""
    if call.inside or call.remote:
        return False
    if not call.words or call.program in {"export", "declare", "typeset", "set"}:
        return any(_counts(name, flow, context) for name, _ in call.assignments)
    written = [each.target for each in call.command.redirections if each.operator.startswith((">", "&>"))]
    if any(_is_env_file(name) for name in written):
        return True
    named = [word for word in call.arguments if _is_env_file(word)]
    if call.program in {"cp", "mv", "ln"}:
        return bool(call.arguments) and _is_env_file(call.arguments[-1])
    if call.program in {"sed", "perl"}:
        return bool(named) and any(re.match(r"-\w*i|--in-place", word) for word in call.arguments)
    return bool(named) and call.program in {*_EDITORS, "tee", "sponge", "dotenv", "crudini", "ex"}


def _is_env_file(name: str) -> bool:
    return bool(_ENV_FILE.search(name)) and not _EXAMPLE.search(name)


def _counts(name: str, flow: Flow, context: Context) -> bool:
    """Whether a variable is meant for the system, and not for the commands of the page or for a client."""
    if not _NAME.fullmatch(name) or _CLIENTS.fullmatch(name):
        return False
    project = context.project
    if project is not None and project.variables is not None and not project.env_files and "<" not in name:
        return name in project.variables
    return bool(_RELEASE.search(name)) or not _used_on_page(name, flow)


def _used_on_page(name: str, flow: Flow) -> bool:
    used = re.compile(rf"\$\{{?{re.escape(name)}\b")
    return any(used.search(expansion) for block in flow.blocks for _, _, expansion in block.script.expansions)


def _restarts(call: Call, context: Context) -> bool:
    """Whether the gateway's container is started again as it was created."""
    if call.inside or call.remote:
        return False
    if call.compose is not None:
        named = any(context.is_gateway(name) for name in call.compose.services)
        return call.compose.verb in {"restart", "start"} and (named or not call.compose.services)
    if call.program in {"docker", "podman"}:
        words = call.arguments[1:] if call.arguments[:1] == ("container",) else call.arguments
        return words[:1] in {("restart",), ("start",)} and any(context.is_gateway(name) for name in words[1:])
    return False


def _creates_anew(call: Call) -> bool:
    return call.compose is not None and call.compose.verb in {"up", "down", "rm", "create"}


def _reads_file_itself(context: Context) -> bool:
    """Whether the gateway's container sees the .env file itself, so that a restart reads it again."""
    project = context.project
    service = project.services.get(context.gateway) if project is not None else None
    return service is not None and any(_is_env_file(each) or each in {".", "./"} for each in service.mounts)


def rollback_lives_in_a_shell(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A variable that is exported for a start by Compose, and set nowhere else."""
    kept = " ".join(call.text for call in flow.calls if _edits(call, flow, context) and call.words[:1] != ("export",))
    automatic = False
    for call in flow.calls:
        automatic = automatic or _exports_all(call)
        if call.inside or call.remote or call.command.function:
            continue
        names = [name for name, value in call.assignments if _rolls_back(name, value, flow, context)]
        lasting = names and all(re.search(rf"\b{re.escape(name)}\b", _without(kept, call)) for name in names)
        if not names or lasting:
            continue
        exported = call.program == "export" or (not call.words and automatic)
        if _brings_up(call) or (exported and any(map(_brings_up, _after(flow, call)))):
            yield at(call)


def _rolls_back(name: str, value: str, flow: Flow, context: Context) -> bool:
    """Whether a variable chooses a release or a flag, by its name or its value."""
    chosen = bool(_RELEASE.search(name) or _CHOICE.fullmatch(value) or _is_flag(name, context))
    return chosen and _counts(name, flow, context)


def _brings_up(call: Call) -> bool:
    return call.compose is not None and call.compose.verb == "up"


def _without(kept: str, call: Call) -> str:
    return kept.replace(call.text, "") if not call.words else kept


def _after(flow: Flow, call: Call) -> tuple[Call, ...]:
    return flow.calls[flow.calls.index(call) + 1 :]


def _exports_all(call: Call) -> bool:
    return call.program == "set" and ("-a" in call.arguments or "allexport" in call.arguments)


def variable_not_used(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A variable that is set for Compose, and that no compose file uses or passes on."""
    project = context.project
    if project is None or project.variables is None or not project.services:
        return
    for call in flow.calls:
        if call.inside or call.remote or _runs_a_script(flow, call):
            continue
        for name in _set_for_compose(call, flow):
            plain = _NAME.fullmatch(name) and "<" not in name and not _CLIENTS.fullmatch(name)
            meant = bool(_RELEASE.search(name)) or _is_flag(name, context)
            if plain and meant and name not in project.variables and not _used_on_page(name, flow):
                yield at(call, f"no compose file uses {name}")


def _is_flag(name: str, context: Context) -> bool:
    before, _, after = context.flag.partition("{")
    known = bool(before) and name.startswith(before) and name.endswith(after.partition("}")[2])
    return known or bool(re.search(r"_ENABLED$|^(FEATURE|ENABLE|DISABLE)_", name))


def _set_for_compose(call: Call, flow: Flow) -> list[str]:
    names = [name for name, _ in call.assignments]
    if call.compose is not None and call.compose.verb in {"up", "run", "restart"}:
        return names
    starts = any(each.compose is not None and each.compose.verb in {"up", "restart"} for each in _after(flow, call))
    return names if starts and call.program == "export" else []


def _runs_a_script(flow: Flow, call: Call) -> bool:
    """Whether a script or make may use the variable."""
    return any(
        each.program in {"make", "just", "task", "npm", "python", "bash", "sh", "helm", "terraform"}
        or "".join(each.words[:1]).startswith(("./", "scripts/", "bin/"))
        for each in (call, *_after(flow, call))
    )

"""Rules about releases: images, tags, builds, containers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rollback_drills.runbook.calls import Call
from rollback_drills.runbook.context import Context
from rollback_drills.runbook.flow import Flow
from rollback_drills.runbook.instruction import Instruction, at
from rollback_drills.runbook.options import read_options

_ASIDE = re.compile(r"clean.?up|tear.?down|rehears|local|development|practice|staging", re.IGNORECASE)
_FILE_ASIDE = re.compile(r"test|rehears|scratch|[._-](ci|e2e|dev|local)\b", re.IGNORECASE)
_BRANCHES = {"main", "master", "develop", "trunk", "-", ".", "HEAD"}
_RELEASED = re.compile(r":v?\d+\.\d+[\w.-]*$|:latest$|:<[^>]*(version|tag|release)[^>]*>$", re.IGNORECASE)
_LOOKING = {"ls", "cat", "echo", "cd", "pwd", "printf", "head", "tail", "grep", "sleep", "date"}
_GIT_LOOKING = {"log", "status", "describe", "show", "rev-parse", "diff", "branch", "tag", "fetch"}
_TAG = re.compile(r"v?\d+(\.\d+)+[\w.-]*|<[^>]+>|\$\{?\w+\}?|v<[^>]+>|v\$\{?\w+\}?|release[/-][\w.-]+")


def down_destroys_evidence(flow: Flow, context: Context) -> Iterator[Instruction]:
    """`docker compose down` or `rm`, which remove containers and their logs, unless the logs were saved before."""
    saved = False
    for call in flow.calls:
        saved = saved or _saves_logs(call)
        removes = not saved and not call.remote and not call.inside and _removes(call, context)
        if removes and not _is_aside(flow, call):
            yield at(call)


def _removes(call: Call, context: Context) -> bool:
    if call.compose is not None:
        concerns = not call.compose.services or any(
            context.is_gateway(name) or context.is_database(name) for name in call.compose.services
        )
        return call.compose.verb in {"down", "rm"} and concerns and not _another_project(call)
    if call.program in {"docker", "podman"}:
        words = call.arguments[1:] if call.arguments[:1] == ("container",) else call.arguments
        named = (context.gateway and context.is_gateway(name) for name in words[1:])
        return words[:1] == ("rm",) and any(named)
    return False


def _another_project(call: Call) -> bool:
    """Whether it is about a project beside the usual one: `-p rehearsal`, `-f compose.test.yaml`."""
    words = " ".join(call.arguments)
    return bool(re.search(r"(^|\s)(-p|--project-name)[ =]", words) or _FILE_ASIDE.search(words))


def _saves_logs(call: Call) -> bool:
    logs = (call.compose is not None and call.compose.verb == "logs") or (
        call.program in {"docker", "podman"} and call.arguments[:1] == ("logs",)
    )
    kept = any(each.operator.startswith(">") for each in call.command.redirections)
    return logs and (kept or call.command.feeds[:1] in {("tee",), ("gzip",), ("aws",)})


def _is_aside(flow: Flow, call: Call) -> bool:
    heading = next((block.fence.heading for block in flow.blocks if block.fence.number == call.fence), None)
    return heading is not None and bool(_ASIDE.search(heading.title))


def down_deletes_volumes(flow: Flow, context: Context) -> Iterator[Instruction]:
    """`down --volumes` and its like, which delete the database."""
    for call in flow.calls:
        if call.inside or call.remote or _is_aside(flow, call):
            continue
        compose = call.compose
        if compose is not None and compose.verb in {"down", "rm"} and compose.options.has("-v", "--volumes"):
            if (compose.verb == "down" or compose.options.has("--volumes")) and not _another_project(call):
                yield at(call)
        elif call.program in {"docker", "podman"} and _deletes_volumes(call.arguments):
            yield at(call)


def _deletes_volumes(words: tuple[str, ...]) -> bool:
    if words[:1] == ("system",):
        return words[1:2] == ("prune",) and "--volumes" in words
    if words[:1] != ("volume",):
        return False
    removed = [word for word in words[2:] if not word.startswith("-")]
    aside = all(re.search(r"test|restor|scratch|tmp|old|rehears", word) for word in removed) and removed
    return (words[1:2] == ("prune",)) or (words[1:2] in {("rm",), ("remove",)} and not aside)


def build_replaces_release(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A build that gives the name of a released image to another one."""
    for call in flow.calls:
        if call.inside or call.remote or call.command.before == "||":
            continue
        compose = call.compose
        if compose is not None:
            named = not compose.services or any(context.is_gateway(name) for name in compose.services)
            builds = compose.verb == "build" or (compose.verb in {"up", "run"} and compose.options.has("--build"))
            performed = not compose.elsewhere and not compose.options.has("--help", "-h", "--dry-run", "--print")
            if builds and named and performed and not _keeps_tag_apart(call):
                yield at(call)
        elif call.program in {"docker", "podman"} and _builds_release(call, context) and not _guarded(flow, call):
            yield at(call)


def _keeps_tag_apart(call: Call) -> bool:
    """Whether the build is for a name of its own: `VERSION=test docker compose build`."""
    return any(re.search(r"test|candidate|rc\d|rehears|local", value) for _, value in call.assignments)


def _builds_release(call: Call, context: Context) -> bool:
    words = call.arguments
    if words[:2] == ("buildx", "bake"):
        return True
    words = words[1:] if words[:1] in {("buildx",), ("image",), ("builder",)} else words
    if words[:1] != ("build",):
        return False
    tags = read_options(words[1:], "tfomc", "tag file build-arg target platform output progress").all_of("-t", "--tag")
    known = any(tag.endswith(f":{release}") for tag in tags for release in context.releases)
    return known or any(_RELEASED.search(tag) for tag in tags)


def _guarded(flow: Flow, call: Call) -> bool:
    """Whether the block makes sure of the source first."""
    return any(each.program == "git" and {"worktree", "rev-parse"} & set(each.arguments) for each in flow.earlier(call))


def checkout_not_checked(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A checkout of a release, followed by commands that run even if it has failed."""
    for call in flow.calls:
        if not _checks_out(call) or call.command.after or call.command.tested or call.command.substituted:
            continue
        later = [each for each in flow.later(call) if each.outermost and each.words]
        if _is_strict(flow, call) or not any(_acts(each) for each in later):
            continue
        guard = next((each for each in later if not _is_looking(each) or each.command.after == "||"), None)
        if guard is None or not re.search(r"\bexit\b|\breturn\b", guard.command.otherwise):
            yield at(call)


def _acts(call: Call) -> bool:
    return not _is_looking(call)


def _is_looking(call: Call) -> bool:
    if call.program == "git":
        return bool(_GIT_LOOKING & set(call.arguments[:1]))
    return call.program in _LOOKING or call.program == "test"


def _is_strict(flow: Flow, call: Call) -> bool:
    """Whether a failure ends the shell there, as far as the page says so."""
    if any("-e" in word or re.match(r"-\w*e\w*$", word) for word in _shell_of(call)):
        return True
    strict = False
    for each in flow.until(call):
        words = each.arguments if each.program == "set" and not each.inside else ()
        if any(re.fullmatch(r"-\w*e\w*", word) or word == "errexit" for word in words):
            strict = "+o" not in words
        elif any(re.fullmatch(r"\+\w*e\w*", word) for word in words):
            strict = False
    return strict


def _shell_of(call: Call) -> tuple[str, ...]:
    return call.command.words[1:3] if call.wrapper and call.wrapper[-1] in {"bash", "sh"} else ()


def _checks_out(call: Call) -> bool:
    """Whether it checks out a release: no files, no new branch, and none that is always there."""
    if call.program != "git" or call.remote:
        return False
    words = list(read_options(call.arguments, "Cc", "git-dir work-tree", stop=True).operands)
    if not words:
        return False
    verb, given = words[0], tuple(words[1:])
    options = read_options(given, "bBcC", "orphan")
    if verb == "reset":
        return options.has("--hard") and _names_release(options.operands[-1:])
    if verb == "pull":
        return len(options.operands) == 2 and bool(_TAG.fullmatch(options.operands[1]))
    if verb not in {"checkout", "switch"} or "--" in given:
        return False
    makes = options.has("-b", "-B", "-c", "-C", "--create", "--orphan")
    return not makes and len(options.operands) == 1 and _names_release(options.operands)


def _names_release(operands: tuple[str, ...]) -> bool:
    return bool(operands) and operands[0] not in _BRANCHES and not re.match(r"HEAD[~^@]|ORIG_HEAD|origin/", operands[0])


def checkout_without_build(flow: Flow, context: Context) -> Iterator[Instruction]:
    """`up -d` after a checkout, where the image that runs is not chosen by what is checked out."""
    project = context.project
    service = project.services.get(context.gateway) if project is not None else None
    if service is None or not service.builds or (service.image and "$" not in service.image):
        return
    for call in flow.calls:
        if not _checks_out(call):
            continue
        for each in flow.later(call):
            if _may_build(each) or each.assignments:
                break
            if each.compose is not None and each.compose.verb == "up" and each.compose.concerns(context.gateway):
                yield at(each, "the image that is there already is started again, whatever is checked out")
                break


def _may_build(call: Call) -> bool:
    if call.compose is not None:
        return call.compose.verb in {"build", "pull"} or call.compose.options.has("--build", "--pull")
    named = {"build", "pull", "tag", "load", "buildx"} & set(call.arguments[:2])
    return bool(call.program in {"docker", "podman"} and named) or call.program in {"make", "sed", "sh", "bash", "cp"}

"""What a command asks of Docker Compose (docs.docker.com/reference/cli/docker/compose)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollback_drills.runbook.options import Options, read_options

_GLOBAL_LONG = "file project-name profile env-file project-directory parallel ansi progress"
_VALUED = {
    "exec": ("euw", "env user workdir index"),
    "run": ("eluvwp", "env env-from-file label user volume workdir name entrypoint publish cap-add cap-drop pull"),
    "up": ("t", "timeout scale exit-code-from attach no-attach pull wait-timeout"),
    "logs": ("n", "tail since until index"),
    "build": ("m", "build-arg memory progress ssh builder provenance sbom"),
    "down": ("t", "timeout rmi"),
    "kill": ("s", "signal"),
    "cp": ("", "index"),
    "ps": ("", "format filter status"),
    "wait": ("", ""),
}
_STOP = {"exec", "run"}


@dataclass(frozen=True, slots=True)
class ComposeCommand:
    """A command of Docker Compose: its verb, its options, and the services that it names.

    Args:
        runs: for `exec` and `run`, the program that it runs with its arguments.
        elsewhere: whether it names another project, file or directory than the usual ones.
    """

    verb: str
    options: Options
    services: tuple[str, ...]
    runs: tuple[str, ...]
    files: tuple[str, ...]
    elsewhere: bool

    def concerns(self, service: str) -> bool:
        """Whether it concerns a service: it names that one, or none at all."""
        return not self.services or service in self.services


def read_compose_command(words: Sequence[str]) -> ComposeCommand | None:
    """The command of Docker Compose in the words of a command line; None if it is another program."""
    if not words:
        return None
    program = words[0].rpartition("/")[2]
    if program in {"docker-compose", "podman-compose"}:
        rest = words[1:]
    elif program in {"docker", "podman"} and "compose" in words[1:3]:
        rest = words[words.index("compose") + 1 :]
    else:
        return None
    above = read_options(rest, "fp", _GLOBAL_LONG, stop=True)
    if not above.operands:
        return None
    verb, arguments = above.operands[0], above.operands[1:]
    short, long = _VALUED.get(verb, ("t", "timeout"))
    options = read_options(arguments, short, long, stop=verb in _STOP)
    services, runs = options.operands, tuple[str, ...]()
    if verb in _STOP:
        services, runs = options.operands[:1], options.operands[1:]
        entry = options.value("--entrypoint")
        runs = (*entry.split(), *runs) if entry else runs
    elif verb == "cp":
        services = tuple(each.partition(":")[0] for each in options.operands if ":" in each)
    elif verb in {"ls", "version", "config", "images", "port"}:
        services = ()
    files = tuple(above.all_of("-f", "--file"))
    elsewhere = bool(files) or above.has("-p", "--project-name", "--project-directory", "--profile")
    return ComposeCommand(verb, options, services, runs, files, elsewhere)

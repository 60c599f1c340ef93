"""The command ``rollback-drills``: what there is to do before and after a run of pytest."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from rollback_drills.cli import doctor_command, init_command, report_command, verify_command

_COMMANDS = {
    "init": (
        init_command.add_to,
        "write a first target file for a project",
        "Read compose file, Dockerfile, alembic.ini, sources and git tags of a project, and write target.toml: "
        "what was found, what is guessed, what is left to fill in. Nothing is run, and nothing overwritten. "
        "Exit code 0: written; 2: a file is in the way, or there is no such directory.",
    ),
    "doctor": (
        doctor_command.add_to,
        "go through a target step by step, and say how to mend what does not hold",
        "Obtain the releases, start a disposable stack, migrate, and ask each release all that a drill will ask. "
        "Exit code 0: drills can run; 1: something does not hold, and is named with its remedy; 2: a wrong option.",
    ),
    "report": (
        report_command.add_to,
        "write the report of a run once more, or of several as one",
        "Render the evidence of a run again, or merge those of several runs or shards of a CI into one document. "
        "No run is ever overwritten. Exit code 0: written; 1: written, but a file of these runs was changed since, and "
        "is named; 2: it could not be written. The verdict of the drills is no part of it.",
    ),
    "verify": (
        verify_command.add_to,
        "check the files of a run against its manifest",
        "Check every file of a run against its manifest, and the manifests of the runs before it. "
        "Exit code 0: nothing was changed; 1: something was, and is named; 2: there is no such run.",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Perform a command of the command line.

    Returns:
        The exit code: 0 all is well, 1 it is not, 2 the command cannot be performed.
    """
    options = _parser().parse_args(arguments)
    code: int = options.perform(options)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rollback-drills", description="What there is to do before and after a run. The drills run under pytest."
    )
    parser.add_argument("--version", action="version", version=f"rollback-drills {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (add_to, what, description) in _COMMANDS.items():
        add_to(commands.add_parser(name, help=what, description=description))
    return parser


def _version() -> str:
    try:
        return version("pytest-rollback-drills")
    except PackageNotFoundError:
        return "(not installed)"

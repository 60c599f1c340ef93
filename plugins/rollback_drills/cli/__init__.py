"""The command ``rollback-drills``: everything before and after a run of pytest."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from rollback_drills.cli import doctor_command, init_command, lint_command, report_command, verify_command

_COMMANDS = {
    "init": (
        init_command.add_to,
        "Draft a target file for a project",
        "Draft target.toml from a project's compose file, Dockerfile, alembic.ini, sources and Git tags: what was "
        "found, what is guessed, what is left to fill in. Runs nothing and overwrites nothing. "
        "Exit codes: 0 written; 2 the file exists, or there is no such directory.",
    ),
    "doctor": (
        doctor_command.add_to,
        "Check a target file step by step, with a remedy for each problem",
        "Obtain the releases, start a disposable stack, migrate it, and check everything that the drills need of each "
        "release. Exit codes: 0 drills can run; 1 there are problems, each named with its remedy; 2 wrong option.",
    ),
    "lint": (
        lint_command.add_to,
        "Check a runbook's commands without performing them",
        "Read the shell blocks of a runbook, and report the commands that exit 0 and leave the wrong state, names that "
        "do not exist, placeholders, and what a shell does not read as it is meant. Runs nothing. "
        "Exit codes: 0 no findings; 1 findings; 2 a file cannot be read, or the target file is wrong.",
    ),
    "report": (
        report_command.add_to,
        "Re-render a report, or merge several runs",
        "Render the evidence of a run again, or merge several runs, such as the shards of a CI job, into one report. "
        "Never overwrites a run. Exit codes: 0 written; 1 written, but files of these runs were changed since, and are "
        "named; 2 not written. The verdicts of the drills do not matter.",
    ),
    "verify": (
        verify_command.add_to,
        "Verify the files of a run against its manifest",
        "Verify every file of a run against its manifest, and the manifests of the runs before it. "
        "Exit codes: 0 nothing was changed; 1 something was, and is named; 2 there is no such run.",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0 no problems, 1 problems, 2 the command could not run.
    """
    options = _parser().parse_args(arguments)
    code: int = options.perform(options)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rollback-drills",
        description="Prepare and check a target, read and verify reports. pytest runs the drills.",
    )
    parser.add_argument("--version", action="version", version=f"rollback-drills {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (add_to, summary, description) in _COMMANDS.items():
        add_to(commands.add_parser(name, help=summary, description=description))
    return parser


def _version() -> str:
    try:
        return version("pytest-rollback-drills")
    except PackageNotFoundError:
        return "(not installed)"

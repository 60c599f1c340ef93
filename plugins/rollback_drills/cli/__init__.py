"""The command ``rollback-drills``: prepares and performs drills, and reads their reports."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from rollback_drills.cli import (
    card_command,
    doctor_command,
    init_command,
    lint_command,
    report_command,
    run_command,
    verify_command,
)
from rollback_drills.cli.exit_codes import CLOSED_OUTPUT
from rollback_drills.core.closed_output import discard_output, is_closed_output

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
        "release. Exit codes: 0 drills can run; 1 there are problems, each named with its remedy; 2 wrong option, "
        "or no target file.",
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
    "card": (
        card_command.add_to,
        "Print which way back worked best, and at what price",
        "Print the card of a run: for each symptom the way back that worked best, how long it took, what it loses and "
        "destroys, what it needs, and what not to do. Never better than what was drilled. "
        "Exit codes: 0 printed; 1 for a symptom no way back is proven; 2 there is no such run.",
    ),
    "verify": (
        verify_command.add_to,
        "Verify the files of a run against its manifest",
        "Verify every file of a run against its manifest, and the manifests of the runs before it. "
        "Exit codes: 0 nothing was changed; 1 something was, and is named; 2 there is no such run.",
    ),
}

# These take whatever pytest takes, and become pytest.
_PYTEST_COMMANDS = {
    "run": (
        run_command.run,
        "Perform the drills, apart from the project's own pytest configuration",
        "Perform the drills with pytest, and without the project's own conftest.py, pytest.ini, addopts, warning "
        "filters and plugins. Takes the options of pytest (-k, -n, -v, -x, --collect-only …) and those of the drills, "
        "without --drill- in front: --target FILE, --runtime NAME, --report-dir DIR … (docs/reference/options.md). "
        "The target file is target.toml, or [tool.rollback-drills] in pyproject.toml, of this directory or one above "
        "it. `-p NAME` loads a plugin of your own. Exit codes: those of pytest; 4 there is no target file.",
    ),
    "migrations": (
        run_command.migrations,
        "Prove that every migration of an alembic.ini can be undone with data in it",
        "Walk an Alembic history up and down with rows in every table. Takes a path to alembic.ini or pyproject.toml "
        "(default: the one in this directory), then the options of `rollback-drills run`; those for Alembic without "
        "--drill-alembic- in front: --python, --env NAME=VALUE … Exit codes: those of pytest; 4 there is no such file.",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0 no problems, 1 problems, 2 the command could not run, 141 nobody reads its output any more.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in _PYTEST_COMMANDS and not {"-h", "--help"} & set(given[1:2]):
        return _PYTEST_COMMANDS[given[0]][0](given[1:])
    try:
        try:
            options = _parser().parse_args(given)
            code: int = options.perform(options)
        finally:
            sys.stdout.flush()
    except OSError as error:
        if not is_closed_output(error):
            raise
        for stream in (sys.stdout, sys.stderr):
            discard_output(stream)
        return CLOSED_OUTPUT
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rollback-drills",
        description="Prepare and check a target, perform drills, read and verify reports.",
    )
    parser.add_argument("--version", action="version", version=f"rollback-drills {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (add_to, summary, description) in _COMMANDS.items():
        add_to(commands.add_parser(name, help=summary, description=description))
    for name, (_, summary, description) in _PYTEST_COMMANDS.items():
        usage = f"rollback-drills {name} [ARGUMENTS OF PYTEST]"
        command = commands.add_parser(name, help=summary, description=description, usage=usage)
        command.add_argument("arguments", nargs="*", help="options and paths, as pytest takes them")
    return parser


def _version() -> str:
    try:
        return version("pytest-rollback-drills")
    except PackageNotFoundError:
        return "(not installed)"

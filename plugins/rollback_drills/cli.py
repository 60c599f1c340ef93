"""The command ``rollback-drills``: what there is to do with a report after its run has ended."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rollback_drills.errors import DrillError
from rollback_drills.report.manifest import verify
from rollback_drills.report.text import count, visible

OK, CHANGED, USAGE = 0, 1, 2


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
        prog="rollback-drills", description="Work with the reports of rollback drills. The drills run under pytest."
    )
    parser.add_argument("--version", action="version", version=f"rollback-drills {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    checking = commands.add_parser(
        "verify",
        help="check the files of a run against its manifest",
        description="Check every file of a run against its manifest, and the manifests of the runs before it. "
        "Exit code 0: nothing was changed; 1: something was, and is named; 2: there is no such run.",
    )
    checking.add_argument("directories", metavar="DIRECTORY", nargs="+", type=Path, help="of a run: reports/latest")
    checking.set_defaults(perform=_verify)
    return parser


def _version() -> str:
    try:
        return version("pytest-rollback-drills")
    except PackageNotFoundError:
        return "(not installed)"


def _verify(options: argparse.Namespace) -> int:
    codes = [_verify_one(directory) for directory in options.directories]
    return max(codes)


def _verify_one(directory: Path) -> int:
    try:
        found = verify(_run_directory(directory))
    except DrillError as error:
        print(f"rollback-drills verify: {visible(str(error))}", file=sys.stderr)
        return USAGE
    if found.changes:
        print(f"{visible(str(directory))}: run {visible(found.run)} is not as it was written")
    else:
        print(f"{visible(str(directory))}: run {visible(found.run)} is as it was written, {count(found.files, 'file')}")
    for line in (*found.changes, *(f"note: {note}" for note in found.notes)):
        print(f"  {visible(line)}")
    return CHANGED if found.changes else OK


def _run_directory(directory: Path) -> Path:
    """Follow ``latest`` where it could not be made a link."""
    text = directory.with_name(f"{directory.name}.txt")
    if directory.is_dir() or not text.is_file():
        return directory
    return directory.with_name(text.read_text(encoding="utf-8", errors="replace").strip())

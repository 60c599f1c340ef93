"""``rollback-drills verify``: whether the files of a run are unchanged."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rollback_drills.cli.exit_codes import OK, PROBLEMS, USAGE
from rollback_drills.core.errors import DrillError
from rollback_drills.report.text import count, visible


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directories", metavar="DIRECTORY", nargs="+", type=Path, help="the directory of a run: reports/latest"
    )
    parser.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    return max(_verify_one(directory) for directory in options.directories)


def _verify_one(directory: Path) -> int:
    from rollback_drills.report.filing.manifest import verify
    from rollback_drills.report.filing.rerender import run_directory

    try:
        found = verify(run_directory(directory))
    except DrillError as error:
        print(f"rollback-drills verify: {visible(str(error))}", file=sys.stderr)
        return USAGE
    if found.changes:
        print(f"{visible(str(directory))}: run {visible(found.run)} was changed since it was written")
    else:
        print(f"{visible(str(directory))}: run {visible(found.run)} is unchanged, {count(found.files, 'file')}")
    for line in (*found.changes, *(f"note: {note}" for note in found.notes)):
        print(f"  {visible(line)}")
    return PROBLEMS if found.changes else OK

"""``rollback-drills report``: re-renders a report, or merges several runs."""

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
    parser.add_argument(
        "--output", metavar="DIR", type=Path, required=True, help="where to write the report: a new directory"
    )
    parser.add_argument("--junitxml", metavar="FILE", type=Path, help="also write the drills as JUnit XML")
    parser.add_argument(
        "--different-targets", action="store_true", help="merge runs of different target files, releases or runbooks"
    )
    parser.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    from rollback_drills.report.filing.files import write_whole
    from rollback_drills.report.filing.filing import PAGE
    from rollback_drills.report.filing.rerender import report_again
    from rollback_drills.report.formats.job_summary import append_job_summary
    from rollback_drills.report.formats.junit import render_junit
    from rollback_drills.report.formats.terminal import terminal_lines

    try:
        reports, changes = report_again(
            options.directories, options.output, different_targets=options.different_targets
        )
        if options.junitxml is not None:
            write_whole(options.junitxml, render_junit(reports.run))
        append_job_summary(reports)
    except DrillError as error:
        print(f"rollback-drills report: {visible(str(error))}", file=sys.stderr)
        return USAGE
    for line, _ in terminal_lines(reports, options.output / PAGE):
        print(line)
    if changes:
        print(f"{count(len(changes), 'file')} of these runs changed since they were written:", file=sys.stderr)
        for change in changes:
            print(f"  {visible(change)}", file=sys.stderr)
    return PROBLEMS if changes else OK

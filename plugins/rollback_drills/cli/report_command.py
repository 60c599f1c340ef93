"""``rollback-drills report``: re-renders a report, merges several runs, compares two, and writes others' formats."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rollback_drills.cli.exit_codes import OK, PROBLEMS, USAGE
from rollback_drills.core.errors import DrillError
from rollback_drills.report.text import count, visible

if TYPE_CHECKING:
    from rollback_drills.report.views.report import Reports


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directories", metavar="DIRECTORY", nargs="+", type=Path, help="the directory of a run: reports/latest"
    )
    parser.add_argument("--output", metavar="DIR", type=Path, help="where to write the report: a new directory")
    parser.add_argument(
        "--against", metavar="RUN", type=Path, help="compare with this run: what got better, worse, is new or gone"
    )
    parser.add_argument("--junitxml", metavar="FILE", type=Path, help="also write the drills as JUnit XML")
    parser.add_argument(
        "--comment", metavar="FILE", type=Path, help="also write a short comment for a pull request, in Markdown"
    )
    parser.add_argument(
        "--prometheus", metavar="FILE", type=Path, help="also write the figures for Prometheus' textfile collector"
    )
    parser.add_argument(
        "--different-targets", action="store_true", help="merge runs of different target files, releases or runbooks"
    )
    parser.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    try:
        reports, changes = _reports(options)
        _export(options, reports)
    except DrillError as error:
        print(f"rollback-drills report: {visible(str(error))}", file=sys.stderr)
        return USAGE
    _say(options, reports)
    if changes:
        print(f"{count(len(changes), 'file')} of these runs changed since they were written:", file=sys.stderr)
        for change in changes:
            print(f"  {visible(change)}", file=sys.stderr)
    return PROBLEMS if changes else OK


def _reports(options: argparse.Namespace) -> tuple[Reports, tuple[str, ...]]:
    """The reports to show, and the changed files of their runs; without ``--output``, nothing is written."""
    from rollback_drills.report.filing.history import past_of
    from rollback_drills.report.filing.rerender import changes_of, read_run, report_again
    from rollback_drills.report.formats.job_summary import append_job_summary
    from rollback_drills.report.views.report import Reports

    if options.output is not None:
        reports, changes = report_again(
            options.directories,
            options.output,
            different_targets=options.different_targets,
            against=options.against,
        )
        append_job_summary(reports)
        return reports, changes
    wanted = (options.against, options.junitxml, options.comment, options.prometheus)
    if len(options.directories) > 1 or not any(wanted):
        raise DrillError(
            "nothing says where to write the report",
            fix="name a new directory with --output, or ask of one run for --against, --junitxml, --comment or "
            "--prometheus",
        )
    against = past_of(read_run(options.against)) if options.against is not None else None
    reports = Reports(read_run(options.directories[0]), against=against)
    return reports, changes_of([*options.directories, *([options.against] if options.against is not None else [])])


def _export(options: argparse.Namespace, reports: Reports) -> None:
    from rollback_drills.report.filing.files import write_whole
    from rollback_drills.report.formats.comment import render_comment
    from rollback_drills.report.formats.junit import render_junit
    from rollback_drills.report.formats.prometheus import render_prometheus

    forms: dict[str, Callable[[], str]] = {
        "junitxml": lambda: render_junit(reports.run),
        "comment": lambda: render_comment(reports),
        "prometheus": lambda: render_prometheus(reports.run),
    }
    for name, render in forms.items():
        file: Path | None = getattr(options, name)
        if file is not None:
            write_whole(file, render())


def _say(options: argparse.Namespace, reports: Reports) -> None:
    from rollback_drills.report.filing.filing import PAGE
    from rollback_drills.report.formats.terminal import terminal_lines
    from rollback_drills.report.views.limits import SUMMARY
    from rollback_drills.report.views.since import since_lines

    if options.against is not None:
        view = reports.within(SUMMARY)
        found = since_lines(view.since, view.section_rows) if view.since is not None else ["Nothing can be compared."]
        for line in found:
            print(visible(line))
    if options.output is not None:
        width = min(120, max(80, shutil.get_terminal_size((80, 24)).columns))
        for line, _ in terminal_lines(reports, options.output / PAGE, width=width):
            print(line)

"""``rollback-drills card``: which way back worked best, at what price, for a terminal at three in the morning."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from rollback_drills.cli.exit_codes import OK, PROBLEMS, USAGE
from rollback_drills.core.errors import DrillError
from rollback_drills.report.text import visible

_BOLD, _RED, _GREEN, _YELLOW, _PLAIN = "\033[1m", "\033[31m", "\033[32m", "\033[33m", "\033[0m"
_MARKS = {"bold": _BOLD, "red": _RED, "green": _GREEN, "yellow": _YELLOW}


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory",
        metavar="RUN",
        nargs="?",
        type=Path,
        default=Path("reports/latest"),
        help="the directory of a run (default: reports/latest)",
    )
    parser.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    from rollback_drills.report.filing.rerender import read_run
    from rollback_drills.report.formats.card_lines import card_lines
    from rollback_drills.report.views.card import card

    try:
        made = card(read_run(options.directory))
        if made is None:
            raise DrillError(
                f"the run {options.directory} drilled no way back",
                fix="name a run that drilled more than migrations, or perform the drills: rollback-drills run",
            )
    except DrillError as error:
        print(f"rollback-drills card: {visible(str(error))}", file=sys.stderr)
        return USAGE
    colour = sys.stdout.isatty()
    for text, style in card_lines(made, min(120, max(60, shutil.get_terminal_size((80, 24)).columns))):
        marks = "".join(_MARKS[mark] for mark in style.split()) if colour else ""
        print(f"{marks}{visible(text)}{_PLAIN if marks else ''}")
    return OK if all(answer.way.works for answer in made.answers) else PROBLEMS

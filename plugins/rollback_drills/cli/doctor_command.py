"""``rollback-drills doctor``: checks a target step by step."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import shutil
import signal
import sys
import textwrap
from collections import Counter
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from rollback_drills.cli.exit_codes import OK, PROBLEMS, USAGE
from rollback_drills.core.errors import DrillError
from rollback_drills.target.discovery import find_target

if TYPE_CHECKING:
    from rollback_drills.cli.doctor import Diagnosis

RUNTIMES = ("auto", "embedded", "docker", "compose")
_TITLE = 24  # columns
_MARK = 9
_LONGEST = 1_500  # characters of one diagnosis


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target", metavar="FILE", type=Path, help="the target file; default: the one that `rollback-drills run` finds"
    )
    parser.add_argument("--runtime", choices=RUNTIMES, default="auto", help="the runtime to check it on; default: auto")
    parser.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    from rollback_drills.cli.doctor import examine, examine_drills

    for number in (signal.SIGTERM, signal.SIGHUP):  # an orderly end, so that nothing is left behind
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        target = options.target or find_target(Path.cwd())
    except DrillError as error:
        print(error, file=sys.stderr)
        return USAGE
    outcomes: Counter[str] = Counter()
    chosen: list[str] = []

    def show(diagnosis: Diagnosis) -> None:
        outcomes[diagnosis.outcome] += 1
        print("\n".join(lines_of(diagnosis, _columns())), flush=True)

    try:
        with contextlib.closing(examine(target, options.runtime, _progress, chosen.append)) as diagnoses:
            for diagnosis in diagnoses:
                show(diagnosis)
        for runtime in chosen:
            _progress("listing the drills")
            show(examine_drills(target, runtime))
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been removed", file=sys.stderr)
        return 130
    return _conclude(options.target, outcomes["problem"], chosen)


def _conclude(target: Path | None, problems: int, chosen: list[str]) -> int:
    if problems:
        several = "" if problems == 1 else "s"
        print(f"\n{problems} problem{several}: drills of this target would not prove what they should")
        return PROBLEMS
    named = [f"--target={target}"] if target is not None else []
    command = shlex.join(["rollback-drills", "run", *named, *(f"--runtime={each}" for each in chosen)])
    print(f"\nall is well: `{command}`")
    return OK


def _progress(line: str) -> None:
    if sys.stderr.isatty():
        print(f"… {line}", file=sys.stderr, flush=True)


def _columns() -> int:
    return max(60, shutil.get_terminal_size((100, 24)).columns)


def lines_of(diagnosis: Diagnosis, width: int) -> list[str]:
    """A row of the table: outcome, title and detail, each wrapped in its own column."""
    from rollback_drills.report.text import visible

    detail = diagnosis.detail if len(diagnosis.detail) <= _LONGEST else f"… {diagnosis.detail[-_LONGEST:]}"
    texts = [*detail.splitlines(), *([f"to fix: {diagnosis.fix}"] if diagnosis.fix else [])]
    right = [line for text in texts for line in _wrapped(visible(text), width - _MARK - _TITLE)]
    titles = _wrapped(visible(diagnosis.title), _TITLE - 1)
    marks = [diagnosis.outcome]
    rows = zip_longest(marks, titles, right, fillvalue="")
    return [f"{mark:<{_MARK}}{title:<{_TITLE}}{text}".rstrip() for mark, title, text in rows]


def _wrapped(text: str, width: int) -> list[str]:
    """Wrap between words; a word longer than a line, such as a path, is wrapped between its parts if possible."""
    lines: list[str] = []
    for line in textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False):
        while len(line) > width:
            part = max(line.rfind(mark, 0, width) for mark in "/,:_.") + 1
            lines.append(line[: part or width])
            line = line[part or width :]
        lines.append(line)
    return lines

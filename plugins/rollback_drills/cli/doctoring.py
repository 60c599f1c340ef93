"""``rollback-drills doctor``: a target, step by step."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
import textwrap
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rollback_drills.cli.codes import OK, WRONG

if TYPE_CHECKING:
    from rollback_drills.doctor import Diagnosis

RUNTIMES = ("auto", "embedded", "docker", "compose")
_TITLE = 24  # columns
_MARK = 9
_LONGEST = 1_500  # characters of one diagnosis


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target", metavar="FILE", type=Path, default=Path("target.toml"), help="the target file; default: target.toml"
    )
    parser.add_argument("--runtime", choices=RUNTIMES, default="auto", help="where to try it; default: auto")
    parser.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    from rollback_drills.doctor import examine

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an orderly end: nothing stays behind
    outcomes: Counter[str] = Counter()
    try:
        with contextlib.closing(examine(options.target, options.runtime, _tell)) as diagnoses:
            for diagnosis in diagnoses:
                outcomes[diagnosis.outcome] += 1
                print("\n".join(_lines(diagnosis)), flush=True)
    except KeyboardInterrupt:
        print("interrupted; what was started has been removed", file=sys.stderr)
        return 130
    if outcomes["problem"]:
        several = "" if outcomes["problem"] == 1 else "s"
        print(f"\n{outcomes['problem']} problem{several}: drills of this target would not prove what they should")
        return WRONG
    print(f"\nall is well: `pytest --pyargs rollback_drills.drills --drill-target {options.target}`")
    return OK


def _tell(line: str) -> None:
    if sys.stderr.isatty():
        print(f"… {line}", file=sys.stderr, flush=True)


def _lines(diagnosis: Diagnosis) -> list[str]:
    from rollback_drills.report.text import visible

    width = max(60, shutil.get_terminal_size((100, 24)).columns)
    indent = " " * (_MARK + _TITLE)
    head = f"{diagnosis.outcome:<{_MARK}}{visible(diagnosis.title):<{_TITLE}}"
    detail = diagnosis.detail if len(diagnosis.detail) <= _LONGEST else f"… {diagnosis.detail[-_LONGEST:]}"
    texts = [*detail.splitlines(), *([f"to fix: {diagnosis.fix}"] if diagnosis.fix else [])] or [""]
    lines: list[str] = []
    for number, text in enumerate(texts):
        first = head if number == 0 else indent
        lines += textwrap.wrap(
            visible(text),
            width,
            initial_indent=first,
            subsequent_indent=indent,
            break_on_hyphens=False,
            break_long_words=False,
        ) or [first.rstrip()]
    return lines

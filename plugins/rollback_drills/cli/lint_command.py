"""``rollback-drills lint``: what is wrong with a runbook, without performing it."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from rollback_drills.cli.exit_codes import OK, PROBLEMS, USAGE
from rollback_drills.core.errors import DrillError
from rollback_drills.report.text import visible

if TYPE_CHECKING:
    from rollback_drills.cli.lint.formats import Linted
    from rollback_drills.runbook.context import Context

FORMATS = ("text", "json", "sarif", "github")
_LARGEST = 2_000_000  # bytes of a runbook


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="a runbook in Markdown: ROLLBACK.md")
    parser.add_argument(
        "--target",
        metavar="FILE",
        type=Path,
        help="a target file, for the names of services, flags and routes; "
        "default: the compose file beside the runbook, or above it in the repository",
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="the form of the output; default: text")
    parser.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    from rollback_drills.cli.lint.formats import FORMATS as WRITERS

    try:
        context = _context(options.target)
        linted = [_lint(file, context) for file in options.files]
    except DrillError as error:
        print(f"rollback-drills lint: {visible(str(error))}", file=sys.stderr)
        return USAGE
    sys.stdout.write(WRITERS[options.format](linted))
    return PROBLEMS if any(each.open for each in linted) else OK


def _context(target: Path | None) -> Context | None:
    if target is None:
        return None
    from rollback_drills.cli.lint.project import context_of_target
    from rollback_drills.target.target import Target

    return context_of_target(Target.load(target.resolve()))


def _lint(file: Path, context: Context | None) -> Linted:
    from rollback_drills.cli.lint.formats import Linted
    from rollback_drills.cli.lint.project import context_around
    from rollback_drills.runbook.linter import lint

    text = _read(file)
    return Linted(str(file), tuple(lint(text, context or context_around(file))), _version())


def _version() -> str:
    try:
        return version("pytest-rollback-drills")
    except PackageNotFoundError:
        return "0"


def _read(file: Path) -> str:
    try:
        raw = file.read_bytes()[: _LARGEST + 1]
    except OSError as error:
        raise DrillError(f"{file} cannot be read: {error.strerror}", fix="name the runbook's Markdown file") from None
    if len(raw) > _LARGEST or b"\x00" in raw:
        raise DrillError(f"{file} is no page of Markdown", fix="name a text file of at most 2 MB")
    return raw.decode(errors="replace")

"""Lines of a drafted target file that are still to be filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rollback_drills.cli.doctor.diagnosis import Diagnosis

_MARK = re.compile(r"#[^\n]*\bFILL IN:")


def left_to_fill_in(file: Path) -> Iterator[Diagnosis]:
    """The lines with the mark, which is removed when a line is filled in."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError):  # reported already
        return
    marked = [str(number) for number, line in enumerate(lines, 1) if _MARK.search(line)]
    if marked:
        several = "s" if len(marked) > 1 else ""
        detail = f"{file} still has FILL IN in line{several} {', '.join(marked)}"
        yield Diagnosis("to fill in", "note", detail, "fill in these lines, and remove the marks")

"""What ``rollback-drills init`` has left to fill in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rollback_drills.cli.doctor.diagnosis import Diagnosis

_MARK = re.compile(r"#[^\n]*\bFILL IN:")


def left_to_fill_in(file: Path) -> Iterator[Diagnosis]:
    """The lines that still carry the mark; whoever has filled one in takes it out."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError):  # told already
        return
    marked = [str(number) for number, line in enumerate(lines, 1) if _MARK.search(line)]
    if marked:
        several = "s" if len(marked) > 1 else ""
        detail = f"FILL IN still stands in line{several} {', '.join(marked)} of {file}"
        yield Diagnosis("to fill in", "note", detail, "fill in what is missing, and take the mark out where it is done")

"""Plain SQL dumps: the default commands that take and restore one, and the check that one is complete."""

from __future__ import annotations

import re
from pathlib import Path

# pg_dump ends a complete plain dump with this line, followed by an \unrestrict line in recent versions
# (src/bin/pg_dump/pg_dump.c). A truncated dump restores without an error. The line may also occur in the data, so it
# has to be at the very end of the file.
TRAILER = b"-- PostgreSQL database dump complete"
_ENDING = re.compile(rb"(?:\A|\n)--\r?\n" + re.escape(TRAILER) + rb"\r?\n--\s*(?:\\unrestrict \w+\s*)?\Z")
_TAIL = 4096  # bytes that contain the ending
DUMP = ("pg_dump", "--dbname={database_url}", "--file={file}")
RESTORE = (
    "psql",
    "--no-psqlrc",
    "--quiet",
    "--set=ON_ERROR_STOP=1",
    "--single-transaction",
    "--dbname={database_url}",
    "--file={file}",
)


def defect_of(file: Path) -> str:
    """Why a plain dump is unusable: missing, empty or truncated; an empty string for a complete one."""
    if not file.is_file():
        return "there is no such file"
    size = file.stat().st_size
    if size == 0:
        return "it is empty"
    with file.open("rb") as dump:
        dump.seek(max(0, size - _TAIL))
        if not _ENDING.search(dump.read()):
            return "it is cut short: pg_dump's last line is missing"
    return ""

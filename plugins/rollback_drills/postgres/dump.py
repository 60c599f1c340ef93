"""A plain dump: the commands that take and restore it, and what makes one unusable."""

from __future__ import annotations

import re
from pathlib import Path

# pg_dump ends a complete plain dump with this line, and an \unrestrict line after it in recent versions
# (src/bin/pg_dump/pg_dump.c). A dump cut short restores without an error otherwise. The line alone proves nothing, as
# it may be somebody's data: it has to be the file's very end.
TRAILER = b"-- PostgreSQL database dump complete"
_ENDING = re.compile(rb"(?:\A|\n)--\r?\n" + re.escape(TRAILER) + rb"\r?\n--\s*(?:\\unrestrict \w+\s*)?\Z")
_TAIL = 4096  # bytes in which that ending has to stand
DUMP = ("pg_dump", "--dbname={database_url}", "--file={file}")
RESTORE = (
    "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction",
    "--dbname={database_url}", "--file={file}",
)  # fmt: skip


def defect_of(file: Path) -> str:
    """What makes a plain dump unusable, whatever it holds; empty when nothing does."""
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

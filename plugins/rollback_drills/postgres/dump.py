"""Plain SQL dumps: the default commands that take and restore one, what one can hold, and whether one is complete."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from rollback_drills.postgres.schema.fingerprint import SchemaFingerprint

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


# The end of a fingerprint's definition: a role's name, quoted where it has to be.
_OWNER = re.compile(r' OWNER (?:"(?:[^"]|"")+"|[^\s"]+)\Z')
_ERROR = re.compile(r"\b(?:ERROR|FATAL|PANIC|error):")
_WRITTEN_BY = re.compile(rb"^-- Dumped by pg_dump version (\d+)(\S*)", re.MULTILINE)
_HEAD = 4096  # bytes that contain the versions


def restorable(schema: SchemaFingerprint) -> SchemaFingerprint:
    """The schema without what no dump of a database holds.

    That is the owner of an extension, which is the role that restores it (PostgreSQL has no ALTER EXTENSION … OWNER TO,
    so pg_dump writes none), and what roles set for their sessions, which is the server's.
    """
    objects = {
        key: _OWNER.sub("", text) if key.startswith("extension ") else text
        for key, text in schema.objects.items()
        if not key.startswith("role setting ")
    }
    return replace(schema, objects=MappingProxyType(objects))


def last_error(output: str) -> str:
    """The last line in which a tool of PostgreSQL reports an error, whole; else the last line; empty without any."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if _ERROR.search(line)), lines[-1] if lines else "")


def written_by(file: Path) -> tuple[int, str] | None:
    """The major version of the pg_dump that wrote a plain dump, and its whole version; None if the dump has none."""
    with file.open("rb") as dump:
        found = _WRITTEN_BY.search(dump.read(_HEAD))
    return (int(found[1]), (found[1] + found[2]).decode(errors="replace")) if found else None

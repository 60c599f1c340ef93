"""Builds of PostgreSQL on this machine, chosen by the extensions that migrations create."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rollback_drills.core.errors import DrillError
from rollback_drills.runtimes.embedded.postgres import bundled_bin_dir
from rollback_drills.runtimes.host import process

DEBIAN = Path("/usr/lib/postgresql")  # …/15/bin; other distributions link from there or are named by bin_dir
_PROGRAMS = ("initdb", "postgres", "pg_dump", "psql", "pg_config")
_CREATES = re.compile(r"(?i)create\s+extension\s+(?:if\s+not\s+exists\s+)?\\?[\"']?([a-z][\w-]*)")


@dataclass(frozen=True, slots=True)
class PostgresBuild:
    """The build to start, and why it is not the one of the wheel; ``missing`` are extensions that it lacks too."""

    bin_dir: Path | None
    reason: str = ""
    missing: frozenset[str] = frozenset()


def extensions_in(text: str) -> frozenset[str]:
    """The extensions that a script creates, as far as its text says so."""
    return frozenset(name.lower() for name in _CREATES.findall(text))


def build_with(extensions: Collection[str], version: int | None = None) -> PostgresBuild:
    """The wheel's build, or another one of this machine if only that has all of these extensions.

    Args:
        version: the only major version that will do.
    """
    bundled = bundled_bin_dir()
    wanted = frozenset(extensions)
    if bundled is None or not wanted:
        return PostgresBuild(None)
    missing = wanted - extensions_of(bundled)
    for bin_dir in _others() if missing else ():
        if wanted <= extensions_of(bin_dir) and version in (None, _major(bin_dir)):
            lacks = ", ".join(sorted(missing))
            return PostgresBuild(bin_dir, f"PostgreSQL of {bin_dir}: the wheel's build lacks the extension {lacks}")
    return PostgresBuild(None, missing=missing)


@cache
def extensions_of(bin_dir: Path) -> frozenset[str]:
    """The extensions that a build can create; none where it does not say where they are."""
    try:
        result = process.run(
            [str(bin_dir / "pg_config"), "--sharedir"], cwd=bin_dir, env={"PATH": os.defpath}, timeout=10.0
        )
    except DrillError:
        return frozenset()
    return frozenset(each.stem for each in Path(result.stdout.strip(), "extension").glob("*.control"))


def _others() -> Iterator[Path]:
    """Debian's builds, the newest first."""
    found = [each for each in DEBIAN.glob("*/bin") if all((each / name).exists() for name in _PROGRAMS)]
    yield from sorted(found, key=_major, reverse=True)


def _major(bin_dir: Path) -> int:
    number = re.match(r"\d+", bin_dir.parent.name)
    return int(number[0]) if number else 0

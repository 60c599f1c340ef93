"""Checks that the disposable PostgreSQL has production's major version: drills on another prove less."""

from __future__ import annotations

import re

from rollback_drills.core.errors import RuntimeUnavailableError
from rollback_drills.target.target import Target

_MAJOR = re.compile(r"PostgreSQL\D*(\d+)")


def require_version(target: Target, version: str) -> None:
    """Compare a server's own version (of ``postgres --version`` or ``version()``) with ``database.version``.

    Raises:
        RuntimeUnavailableError: the major versions differ.
    """
    found = _MAJOR.search(version)
    wanted = target.database.version
    if wanted is None or (found is not None and int(found[1]) == wanted):
        return
    raise RuntimeUnavailableError(
        f"production has PostgreSQL {wanted}, and the drills would run on {version or 'an unknown version'}",
        cause=f"database.version in {target.file}",
        fix="name a server of that version (database.bin_dir, database.image, the compose file), or remove version "
        "if the difference does not matter",
    )

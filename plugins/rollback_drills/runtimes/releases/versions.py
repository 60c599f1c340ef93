"""Whether the disposable PostgreSQL is of production's major version: what was drilled on another proves less."""

from __future__ import annotations

import re

from rollback_drills.core.errors import RuntimeUnavailableError
from rollback_drills.target.target import Target

_MAJOR = re.compile(r"PostgreSQL\D*(\d+)")


def require_version(target: Target, said: str) -> None:
    """Compare what a server says of itself (``postgres --version``, ``version()``) with ``database.version``.

    Raises:
        RuntimeUnavailable: it is another major version.
    """
    found = _MAJOR.search(said)
    wanted = target.database.version
    if wanted is None or (found is not None and int(found[1]) == wanted):
        return
    raise RuntimeUnavailableError(
        f"production has PostgreSQL {wanted}, and this would be {said or 'an unknown version'}",
        cause=f"database.version in {target.file}",
        fix="name a server of that version (database.bin_dir, database.image, the compose file), or leave version out "
        "if the difference is of no importance",
    )

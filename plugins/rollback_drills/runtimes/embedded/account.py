"""The name of the account that initdb asks for: in a container, a user id may have none."""

from __future__ import annotations

import ctypes.util
import os
import pwd
from pathlib import Path

from rollback_drills.core.errors import RuntimeUnavailableError

_LIBRARY = "nss_wrapper"  # https://cwrap.org/nss_wrapper.html
_DIRECTORIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib")


def has_name() -> bool:
    """Whether the account that runs this process is known to the system."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True


def require_name() -> None:
    """Check that initdb will learn a name for this account.

    Raises:
        RuntimeUnavailableError: it has none, and nss_wrapper, which can give it one, is not installed.
    """
    if not has_name() and _library() is None:
        number = os.geteuid()
        raise RuntimeUnavailableError(
            f"PostgreSQL cannot be initialised by the user id {number}, which has no name on this machine",
            cause="initdb looks the name up, and /etc/passwd has no entry for it",
            fix=f"install nss_wrapper (Debian: libnss-wrapper), add an entry for {number} to /etc/passwd, or run as a "
            "user that has one",
        )


def naming_environment(directory: Path) -> dict[str, str]:
    """Variables with which initdb finds a name for this account; none if it has one.

    Args:
        directory: for the files that nss_wrapper reads.
    """
    library = None if has_name() else _library()
    if library is None:
        return {}
    user, group = os.geteuid(), os.getegid()
    passwd, groups = directory / "passwd", directory / "group"
    passwd.write_text(f"drills:x:{user}:{group}::{directory}:/bin/sh\n")
    groups.write_text(f"drills:x:{group}:\n")
    return {"LD_PRELOAD": library, "NSS_WRAPPER_PASSWD": str(passwd), "NSS_WRAPPER_GROUP": str(groups)}


def _library() -> str | None:
    for directory in map(Path, _DIRECTORIES):
        for found in sorted([*directory.glob(f"lib{_LIBRARY}.so*"), *directory.glob(f"*-linux-*/lib{_LIBRARY}.so*")]):
            return str(found)
    return ctypes.util.find_library(_LIBRARY)

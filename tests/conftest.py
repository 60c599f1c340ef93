"""One private PostgreSQL for all tests of a worker; whoever asks for a database gets an empty one of its own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import httpcore  # noqa: F401 - before pytester takes its snapshot of modules: httpx knows its errors by identity
import pytest
from hypothesis import HealthCheck, settings

from rollback_drills.core.meter import Meter
from rollback_drills.postgres import Connection, connect, create_database, drop_database, with_database
from rollback_drills.runtimes.embedded.postgres import PostgresServer, find_bin_dir
from rollback_drills.runtimes.workspace import removal
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target

pytest.register_assert_rewrite("support")

OTHER_BIN_DIR = "ROLLBACK_DRILLS_TEST_PG_BIN"  # test against another PostgreSQL than the wheel's
_databases = itertools.count(1)
REFERENCE = Path(__file__).parents[1] / "fixtures" / "targets" / "reference.toml"

# ``--hypothesis-profile=thorough`` looks longer.
settings.register_profile("fast", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("fast"), max_examples=2_000)
settings.load_profile("fast")


@pytest.fixture(scope="session")
def reference_target() -> Target:
    """The default target, as it is shipped."""
    return Target.load(REFERENCE, {})


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What holds in one process holds on workers too; whether it does is asked by `make slow`."""
    for item in items:
        if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            on_workers = item.callspec.params.get("workers") in (1, 2, "2")
            if on_workers or "worker" in item.callspec.id:
                item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def bin_dir() -> Path:
    """Where postgres, pg_dump and psql are."""
    given = os.environ.get(OTHER_BIN_DIR)
    return find_bin_dir(Path(given) if given else None)


@pytest.fixture(scope="session")
def workspace(worker_id: str) -> Iterator[Workspace]:
    """A private directory; what was started from it is ended with it."""
    workspace = Workspace(f"tests-{os.getpid()}", worker_id)
    yield workspace
    removal.close(workspace)


@pytest.fixture(scope="session")
def postgres_server(workspace: Workspace, bin_dir: Path) -> Iterator[PostgresServer]:
    """The server that the runtimes use, started once."""
    server = PostgresServer(workspace, Meter(), bin_dir=bin_dir)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def server_url(postgres_server: PostgresServer) -> str:
    """libpq URL of the maintenance database, as a superuser."""
    return postgres_server.admin_url


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """libpq URL of a fresh empty database, as a superuser."""
    name = f"test_{next(_databases)}"
    with connect(server_url) as server:
        create_database(server, name)
        yield with_database(server_url, name)
        drop_database(server, name)


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    """An autocommit connection to the fresh database."""
    with connect(database_url) as connection:
        yield connection

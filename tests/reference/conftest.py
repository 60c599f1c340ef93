"""Releases of the reference gateway, and databases that are migrated to them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.reference_gateway import HEADS, alembic, assembly

from rollback_drills.postgres import connect, create_database, drop_database, with_database

_numbers = itertools.count(1)
NewDatabase = Callable[[str], str]


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both releases, by version."""
    base = tmp_path_factory.mktemp("releases")
    return {release: assembly.assemble(release, base / release) for release in HEADS}


@pytest.fixture(scope="session")
def templates(server_url: str, trees: dict[str, Path]) -> Iterator[dict[str, str]]:
    """The name of a database at each release's head; copying it takes a tenth of the time of the migrations."""
    names = {release: f"reference_{number}" for number, release in enumerate(HEADS)}
    with connect(server_url) as server:
        for release, name in names.items():
            create_database(server, name)
            result = alembic(trees[release], with_database(server_url, name), "upgrade", "head")
            assert result.returncode == 0, result.stderr
        yield names
        for name in names.values():
            drop_database(server, name)


@pytest.fixture(scope="module")
def migrated(server_url: str, templates: dict[str, str]) -> Iterator[NewDatabase]:
    """Creates databases at the head of a release; returns their URLs."""
    made: list[str] = []
    with connect(server_url) as server:

        def make(release: str) -> str:
            made.append(f"reference_copy_{next(_numbers)}")
            create_database(server, made[-1], template=templates[release])
            return with_database(server_url, made[-1])

        yield make
        for name in made:
            drop_database(server, name)

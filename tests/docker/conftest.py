"""Tests that need a Docker engine: skipped with the reason if there is none, failed if CI requires it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import needs_engine
from support.docker_project import Project

from rollback_drills.runtimes.docker import cleanup
from rollback_drills.runtimes.docker.engine import Engine
from rollback_drills.target.target import Target

REFERENCE = Path(__file__).parents[2] / "fixtures" / "targets" / "reference.toml"


@pytest.fixture(scope="session")
def base_images() -> dict[str, str]:
    """The base images, by the variables that the reference target reads."""
    return needs_engine.base_images()


@pytest.fixture(scope="session")
def engine(base_images: dict[str, str]) -> Iterator[Engine]:
    """An engine that has the base images."""
    with pytest.MonkeyPatch.context() as environment:
        for name, image in base_images.items():
            environment.setenv(name, image)
        engine = needs_engine.engine_with(base_images)
        yield engine
        engine.close()


@pytest.fixture(scope="session")
def reference(base_images: dict[str, str]) -> Target:
    """The reference target on the base images."""
    return Target.load(REFERENCE, base_images)


@pytest.fixture
def project(engine: Engine, base_images: dict[str, str], tmp_path: Path) -> Iterator[Project]:
    """A small project whose drills run on the docker runtime."""
    project = Project(tmp_path, base_images)
    yield project
    project.end_everything()
    for workspace in project.workspaces():  # of a run that a test killed, and that no later run removed
        cleanup.remove_of(workspace)

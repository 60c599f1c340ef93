"""What needs a Docker engine: skipped with the reason where there is none, and required where CI says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import needs_engine
from support.docker_project import Project

from rollback_drills.runtimes.docker import engine as engines
from rollback_drills.runtimes.docker.engine import Engine
from rollback_drills.target.target import Target

REFERENCE = Path(__file__).parents[2] / "fixtures" / "targets" / "reference.toml"


@pytest.fixture(scope="session")
def base_images() -> dict[str, str]:
    """By the variable that the reference target reads, the image that everything here is made from."""
    return needs_engine.base_images()


@pytest.fixture(scope="session")
def engine(base_images: dict[str, str]) -> Iterator[Engine]:
    """The engine, which has the base images."""
    with pytest.MonkeyPatch.context() as environment:
        for name, image in base_images.items():
            environment.setenv(name, image)
        engine = needs_engine.engine_with(base_images)
        yield engine
        engine.close()


@pytest.fixture(scope="session")
def reference(base_images: dict[str, str]) -> Target:
    """The default target, as it is shipped, on the base images."""
    return Target.load(REFERENCE, base_images)


@pytest.fixture
def project(engine: Engine, base_images: dict[str, str], tmp_path: Path) -> Iterator[Project]:
    """A small project whose drills run on the docker runtime."""
    project = Project(tmp_path, base_images)
    yield project
    project.end_everything()
    for workspace in project.workspaces():  # of a run that a test has killed, if nobody has removed it
        engines.remove_of(workspace)

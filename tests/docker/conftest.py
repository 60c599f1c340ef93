"""What needs a Docker engine: skipped with the reason where there is none, and required where CI says so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_project import Project, is_missing

from rollback_drills.errors import RuntimeUnavailable
from rollback_drills.runtimes import engine as engines
from rollback_drills.runtimes.engine import Engine
from rollback_drills.target import Target

REFERENCE = Path(__file__).parents[2] / "fixtures" / "targets" / "reference.toml"
# Made by fixtures/images/build.py, unless the caller has others.
BASE_IMAGES = {"BASE_IMAGE": "rollback-drills/python:3.11", "POSTGRES_IMAGE": "rollback-drills/postgres:15"}


@pytest.fixture(scope="session")
def base_images() -> dict[str, str]:
    """By the variable that the reference target reads, the image that everything here is made from."""
    return {name: os.environ.get(name, default) for name, default in BASE_IMAGES.items()}


@pytest.fixture(scope="session")
def engine(base_images: dict[str, str]) -> Iterator[Engine]:
    """The engine, which has the base images."""
    with pytest.MonkeyPatch.context() as environment:
        for name, image in base_images.items():
            environment.setenv(name, image)
        try:
            engine = Engine()
        except RuntimeUnavailable as error:
            is_missing(f"{error.what}: {error.cause}")
        missing = [image for image in base_images.values() if engine.image(image) is None]
        if missing:
            engine.close()
            is_missing(f"the engine has no image {' and no '.join(missing)} (fixtures/images/build.py makes them)")
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

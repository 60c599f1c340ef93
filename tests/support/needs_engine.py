"""For tests that need a Docker engine: skips them with the reason if it is missing, or fails them if CI requires it."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from rollback_drills.core.errors import RuntimeUnavailableError
from rollback_drills.runtimes.docker.engine import Engine

REQUIRE = (
    "ROLLBACK_DRILLS_TEST_DOCKER"  # "required": a missing engine or image fails the tests instead of skipping them
)
# Built by fixtures/images/build.py, unless the environment names others.
BASE_IMAGES = {"BASE_IMAGE": "rollback-drills/python:3.11", "POSTGRES_IMAGE": "rollback-drills/postgres:15"}


def is_missing(reason: str) -> NoReturn:
    """Skip or fail the test because something that it needs is missing."""
    if os.environ.get(REQUIRE) == "required":
        pytest.fail(f"{REQUIRE}=required, but {reason}", pytrace=False)
    pytest.skip(reason)


def base_images() -> dict[str, str]:
    """The base images, by the variables that the targets read."""
    return {name: os.environ.get(name, default) for name, default in BASE_IMAGES.items()}


def engine_with(images: dict[str, str]) -> Engine:
    """An engine that has these images; the caller closes it."""
    try:
        engine = Engine()
    except RuntimeUnavailableError as error:
        is_missing(f"{error.what}: {error.cause}")
    missing = [image for image in images.values() if engine.image(image) is None]
    if missing:
        engine.close()
        is_missing(f"the engine has no image {' and no '.join(missing)} (fixtures/images/build.py builds them)")
    return engine

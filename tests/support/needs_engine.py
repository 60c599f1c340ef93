"""What a test needs of a Docker engine: skipped with the reason where it is not there, failed where CI requires it."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from rollback_drills.core.errors import RuntimeUnavailableError
from rollback_drills.runtimes.docker.engine import Engine

REQUIRE = "ROLLBACK_DRILLS_TEST_DOCKER"  # "required": what is missing fails the tests instead of skipping them
# Made by fixtures/images/build.py, unless the caller has others.
BASE_IMAGES = {"BASE_IMAGE": "rollback-drills/python:3.11", "POSTGRES_IMAGE": "rollback-drills/postgres:15"}


def is_missing(reason: str) -> NoReturn:
    """What a test needs is not there."""
    if os.environ.get(REQUIRE) == "required":
        pytest.fail(f"{REQUIRE}=required, but {reason}", pytrace=False)
    pytest.skip(reason)


def base_images() -> dict[str, str]:
    """By the variable that the targets read, the image that everything is made from."""
    return {name: os.environ.get(name, default) for name, default in BASE_IMAGES.items()}


def engine_with(images: dict[str, str]) -> Engine:
    """The engine that answers, which has these images; to be closed by the caller."""
    try:
        engine = Engine()
    except RuntimeUnavailableError as error:
        is_missing(f"{error.what}: {error.cause}")
    missing = [image for image in images.values() if engine.image(image) is None]
    if missing:
        engine.close()
        is_missing(f"the engine has no image {' and no '.join(missing)} (fixtures/images/build.py makes them)")
    return engine

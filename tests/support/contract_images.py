"""The two releases of the gateway's contract as images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rollback_drills.runtimes.docker.engine import Engine
from rollback_drills.target.system_tables import Releases
from rollback_drills.target.target import Target
from rollback_drills.testing.gateway_contract import RELEASES, contract_target

# A registry that refuses at once, so that the test of a missing release does not depend on the network.
REPOSITORY = "127.0.0.1:1/gateway-contract"


@contextmanager
def contract_on_images(engine: Engine, base_images: dict[str, str], root: Path) -> Iterator[Target]:
    """The contract's target with images that are built for it and removed at the end.

    Args:
        root: a directory for the target file and the trees of the releases.
    """
    target = contract_target(root)
    image = f"{REPOSITORY}-{os.getpid()}-{root.name}".lower()
    for release in RELEASES:
        context = root / "releases" / release
        (context / "Dockerfile").write_text(f"FROM {base_images['BASE_IMAGE']}\nWORKDIR /app\nCOPY app.py ./\n")
        engine.client.images.build(path=str(context), tag=f"{image}:{release}", rm=True)
    database = target.database.model_copy(update={"image": base_images["POSTGRES_IMAGE"]})
    on_images = target.model_copy(update={"releases": Releases(image=f"{image}:{{release}}"), "database": database})
    on_images._file = target.file
    yield on_images
    for release in RELEASES:
        engine.client.images.remove(f"{image}:{release}", force=True)

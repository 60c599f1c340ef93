"""The two releases of the gateway's contract as images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rollback_drills.runtimes.docker.engine import Engine
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.system_tables import Releases
from rollback_drills.target.target import Target

# A registry that refuses at once, so that a release which is not there does not depend on the network.
REPOSITORY = "127.0.0.1:1/gateway-contract"


@contextmanager
def contract_images(engine: Engine, base: str, target: Target, workspace: Workspace) -> Iterator[None]:
    """Build them, let the target name them, and remove them afterwards."""
    image = f"{REPOSITORY}-{workspace.path.name.lower()}"
    releases = ("1", "2")
    for release in releases:
        context = target.here / "releases" / release
        (context / "Dockerfile").write_text(f"FROM {base}\nWORKDIR /app\nCOPY app.py ./\n")
        engine.client.images.build(path=str(context), tag=f"{image}:{release}", rm=True)
    target.__dict__["releases"] = Releases(image=f"{image}:{{release}}")
    yield
    for release in releases:
        engine.client.images.remove(f"{image}:{release}", force=True)

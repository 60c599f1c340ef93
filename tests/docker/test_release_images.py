"""The image of a release, built from one stage of a Dockerfile."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback_drills.runtimes.docker.engine import Engine
from rollback_drills.runtimes.docker.images import NAMESPACE, Images
from rollback_drills.runtimes.releases.trees import Trees
from rollback_drills.target.system_tables import Build, Releases
from rollback_drills.target.target import Target

DOCKERFILE = """\
FROM {base} AS served
LABEL stage=served
FROM served AS tested
LABEL stage=tested
"""


@pytest.mark.parametrize(("stage", "label"), [("served", "served"), (None, "tested")])
def test_the_target_chooses_the_stage(
    engine: Engine, base_images: dict[str, str], reference: Target, tmp_path: Path, stage: str | None, label: str
):
    (tmp_path / "Dockerfile").write_text(DOCKERFILE.format(base=base_images["BASE_IMAGE"]))
    releases = Releases(build=Build(context=str(tmp_path), target=stage))
    target = reference.model_copy(update={"releases": releases, "name": f"stage of {tmp_path.name}"})
    target._file = reference.file
    images = Images(engine, target, Trees(target, tmp_path))
    name = images.of_release("1")
    try:
        found = engine.image(name)
        assert found is not None
        assert found.labels["stage"] == label
        assert name.startswith(f"{NAMESPACE}/stage-of-")
        of_another_run = f"{NAMESPACE}/another-run/gateway:{tmp_path.name}"
        found.tag(of_another_run)
        file = tmp_path / "Dockerfile"
        file.write_text(file.read_text().replace("stage=served", "stage=served more=yes"))
        again = Images(engine, target, Trees(target, tmp_path)).of_release("1")
        assert again != name, "a changed context gets another image"
        assert engine.image(name) is None, "the older image is removed"
        assert engine.image(of_another_run) is not None, "another run's name for it stays"
        engine.client.images.remove(again, force=True)
        engine.client.images.remove(of_another_run, force=True)
    finally:
        if engine.image(name) is not None:
            engine.client.images.remove(name, force=True)

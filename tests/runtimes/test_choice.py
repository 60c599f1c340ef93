"""The choice of `auto`: containers if possible, else processes, else an error that names both obstacles."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback_drills.core.errors import RuntimeUnavailableError
from rollback_drills.runtimes import resolve
from rollback_drills.target.target import Target

SMALL = Path(__file__).parents[1] / "support" / "small"


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """A target with an image, beside an engine that does not answer."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    text = (SMALL / "target.toml").read_text()
    (tmp_path / "target.toml").write_text(text.replace("[releases]", '[releases]\nimage = "small:{release}"'))
    return Target.load(tmp_path / "target.toml")


def test_auto_falls_back_and_says_why(target: Target):
    choice = resolve("auto", target)
    assert choice.name == "embedded"
    assert "since no Docker engine answers" in choice.reason


def test_if_neither_can_run_both_obstacles_are_named(target: Target):
    database = target.database.model_copy(update={"version": 13})
    with pytest.raises(RuntimeUnavailableError) as caught:
        resolve("auto", target.model_copy(update={"database": database}))
    assert "neither containers nor private processes" in caught.value.what
    assert "docker: no Docker engine answers" in caught.value.cause
    assert "embedded: production has PostgreSQL 13" in caught.value.cause
    assert "for docker: start it" in caught.value.fix
    assert "for embedded: name a server of that version" in caught.value.fix


def test_the_remedy_for_a_base_image_names_the_users_dockerfile(tmp_path: Path):
    from rollback_drills.runtimes.docker.images import _base_remedy
    from rollback_drills.target.system_tables import Build

    private = _base_remedy(Build(context="{tree}"), tmp_path / "Dockerfile", "python:3.12")
    assert "let the release's Dockerfile build on" in private
    assert str(tmp_path) not in private
    assert str(tmp_path / "Dockerfile") in _base_remedy(Build(context="."), tmp_path / "Dockerfile", "python:3.12")

"""Problems of an engine and of images: each is reported with cause and remedy, never with a traceback.

A problem found before the run begins is a usage error (exit code 4); one found when stacks start fails the drills
(exit code 1).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.docker_project import Project

from rollback_drills.runtimes.docker.engine import Engine

# A registry that refuses at once, on any network.
NOWHERE = "127.0.0.1:1/nowhere:1"


def assert_sentences(done: subprocess.CompletedProcess[str], code: int, *sentences: str) -> None:
    output = " ".join(done.stdout.split())  # without the terminal's line breaks
    assert done.returncode == code, done.stdout
    for sentence in sentences:
        assert sentence in output, done.stdout
    assert "Traceback" not in output, done.stdout
    assert "INTERNALERROR" not in output, done.stdout
    if code == pytest.ExitCode.USAGE_ERROR:
        assert not re.search(r"^E  ", done.stdout, re.M), done.stdout


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


# --- the engine ----------------------------------------------------------------------------------------


def test_no_engine(project: Project):
    done = project.run(DOCKER_HOST="unix:///nope/docker.sock")
    assert_sentences(
        done,
        4,
        "no Docker engine answers at unix:///nope/docker.sock",
        "there is no such socket",
        "To fix this: start it",
        "--drill-runtime=embedded",
    )
    assert not project.reports.exists()


def test_the_engine_is_down(project: Project):
    address = f"tcp://127.0.0.1:{closed_port()}"
    done = project.run(DOCKER_HOST=address)
    assert_sentences(done, 4, f"no Docker engine answers at {address}", "the engine is down", "To fix this: start it")


@pytest.mark.parametrize("address", ["nonsense", "gopher://127.0.0.1:1"])
def test_an_invalid_address_of_an_engine(project: Project, address: str):
    assert_sentences(project.run(DOCKER_HOST=address), 4, f"no Docker engine answers at {address}", "DOCKER_HOST")


@pytest.fixture
def forbidden(project: Project) -> Iterator[tuple[list[str], Path]]:
    """A prefix for a command, and a socket that the command may not open with it."""
    path = project.path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(0)
        before: list[str] = []
        if os.getuid() == 0:  # root ignores permissions unless it gives up that capability
            if shutil.which("setpriv") is None:
                pytest.skip("root without setpriv (util-linux) may open every socket")
            before = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]
        yield before, path


def test_permission_denied(project: Project, forbidden: tuple[list[str], Path]):
    before, path = forbidden
    done = project.run(before=before, DOCKER_HOST=f"unix://{path}")
    assert_sentences(
        done, 4, f"no Docker engine answers at unix://{path}", "permission denied on its socket", "usermod -aG docker"
    )


def test_an_engine_that_accepts_and_never_answers(project: Project):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        began = time.monotonic()
        done = project.run(DOCKER_HOST=address)
    assert time.monotonic() - began < 60
    assert_sentences(done, 4, f"no Docker engine answers at {address}", "no answer within 10 s", "`docker version`")


def test_listing_drills_needs_no_engine(project: Project):
    for runtime in ("docker", "auto"):
        done = project.run("--collect-only", "-q", f"--drill-runtime={runtime}", DOCKER_HOST="unix:///nope/docker.sock")
        assert done.returncode == 0, done.stdout
        assert "test_drills.py::test_quick" in done.stdout


# --- images --------------------------------------------------------------------------------------------


def test_the_target_names_no_images(project: Project):
    project.target(lambda text: re.sub(r"^build = .*$", "", text, flags=re.M))
    assert_sentences(project.run(), 4, "the target does not name the images of its releases", "add image or build")


def test_the_databases_image_cannot_be_pulled(project: Project):
    project.target(lambda text: text.replace(project.images["POSTGRES_IMAGE"], NOWHERE))
    assert_sentences(
        project.run(),
        4,
        f"the image {NOWHERE} is not on the engine, and cannot be pulled",
        "refused",
        "set database.image in the target file",
    )


def test_a_releases_image_cannot_be_pulled(project: Project):
    project.target(lambda text: re.sub(r"^build = .*$", 'image = "127.0.0.1:1/gateway:{release}"', text, flags=re.M))
    assert_sentences(
        project.run(),
        4,
        "the image 127.0.0.1:1/gateway:1.0 is not on the engine, and cannot be pulled",
        "refused",
        "build or push it, or correct releases.image",
    )


def test_the_base_image_cannot_be_pulled(project: Project):
    project.target(lambda text: text.replace(project.images["BASE_IMAGE"], NOWHERE))
    assert_sentences(
        project.run(),
        4,
        f"the image {NOWHERE} is not on the engine, and cannot be pulled",
        "pull it by hand",
        "system/Dockerfile",
        "args under [releases.build]",
    )


def test_the_build_fails(project: Project):
    dockerfile = project.path / "system" / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text() + "RUN echo the reason is this; exit 3\n")
    done = project.run()
    assert_sentences(
        done, 4, "cannot be built", "the reason is this", "returned a non-zero code: 3", "by hand, then correct"
    )


def test_the_dockerfile_is_missing(project: Project):
    (project.path / "system" / "Dockerfile").unlink()
    assert_sentences(
        project.run(), 4, "release 1.0 cannot be built: there is no", "system/Dockerfile", "correct releases.build"
    )


@pytest.fixture
def database_that_ends(project: Project, engine: Engine, request: pytest.FixtureRequest) -> Iterator[str]:
    """An image for the database whose container runs a command and ends."""
    context = project.path / "database"
    context.mkdir()
    base = project.images["POSTGRES_IMAGE"]
    (context / "Dockerfile").write_text(f'FROM {base}\nENTRYPOINT ["sh", "-c", "{request.param}"]\n')
    image = f"database-that-ends:{os.getpid()}"
    engine.client.images.build(path=str(context), tag=image, rm=True)
    project.target(lambda text: text.replace(base, image))
    yield image
    engine.client.images.remove(image, force=True)


@pytest.mark.parametrize("database_that_ends", ["echo LOG: cannot start; exit 42"], indirect=True)
def test_a_database_that_ends_at_once(project: Project, database_that_ends: str):
    began = time.monotonic()
    done = project.run("-k", "quick")
    assert time.monotonic() - began < 50, "it did not wait for the minute that PostgreSQL may take"
    assert_sentences(
        done,
        1,
        "starting PostgreSQL: its container has exited with code 42",
        "LOG: cannot start",
        "To fix this: run `docker run",
    )
    assert project.workspaces() == []


# The kernel refuses writes to /dev/full as on a full file system.
@pytest.mark.parametrize("database_that_ends", ["cat /etc/passwd > /dev/full"], indirect=True)
def test_a_database_without_space(project: Project, database_that_ends: str):
    done = project.run("-k", "quick")
    assert_sentences(
        done,
        1,
        "starting PostgreSQL: its container has exited with code",
        "No space left on device",
        "To fix this: free space",
    )
    assert project.workspaces() == []


# --- auto ----------------------------------------------------------------------------------------------


def test_auto_chooses_docker_if_the_images_can_be_obtained(project: Project):
    done = project.run("--drill-runtime=auto", "-k", "quick")
    assert_sentences(
        done, 0, "drill runtime: docker, chosen by auto: an engine answers, and the target's images are there"
    )


def test_auto_gives_the_reason_for_not_choosing_docker(project: Project):
    arguments = ("--drill-runtime=auto", "-k", "no_drill", "--setup-show")
    done = project.run(*arguments, DOCKER_HOST="unix:///nope/docker.sock")
    assert_sentences(
        done,
        5,
        "drill runtime: embedded, chosen by auto: private processes of this machine, since no Docker engine",
        "there is no such socket",
    )
    project.target(lambda text: text.replace(project.images["POSTGRES_IMAGE"], NOWHERE))
    done = project.run(*arguments)
    assert_sentences(
        done,
        5,
        f"drill runtime: embedded, chosen by auto: private processes of this machine, since the image {NOWHERE}",
    )
    project.target(lambda text: re.sub(r"^build = .*$", "", text, flags=re.M))
    assert_sentences(project.run(*arguments), 5, "since the target names no images")

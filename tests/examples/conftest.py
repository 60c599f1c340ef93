"""An environment with only the wheel, and copies of the examples to drill from it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import needs_engine
from support.example_project import EXAMPLES, ROOT, Example

from rollback_drills.runtimes.docker.engine import Engine

CONSTRAINTS = ROOT / "constraints.txt"
IMAGE = "rollback-drills/python-of-examples"
DOCKERFILE = """\
FROM {base}
COPY . /wheels
RUN python3 -m pip install --quiet --no-index --no-cache-dir --root-user-action=ignore --break-system-packages \\
    --find-links /wheels --requirement /wheels/requirements.txt --constraint /wheels/constraints.txt && rm -r /wheels
"""


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with only the wheel and its dependencies."""
    directory = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", directory, ROOT]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    (wheel,) = directory.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory / "venv"], check=True, timeout=60)
    python = directory / "venv" / "bin" / "python"
    install = [*pip, "--python", python, "install", "--constraint", CONSTRAINTS, wheel]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    return python.parent


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine that has the base images."""
    engine = needs_engine.engine_with(needs_engine.base_images())
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def images(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The base images by variable; Python's has the examples' requirements, so that no build needs an index."""
    given = needs_engine.base_images()
    wheels = tmp_path_factory.mktemp("wheels")
    texts = [file.read_text() for file in sorted(EXAMPLES.glob("*/requirements.txt"))]
    (wheels / "requirements.txt").write_text("".join(texts))
    shutil.copy(CONSTRAINTS, wheels / "constraints.txt")
    origin = engine.image(given["BASE_IMAGE"])
    assert origin is not None
    (wheels / "Dockerfile").write_text(DOCKERFILE.format(base=origin.id))
    inputs = b"".join(file.read_bytes() for file in sorted(wheels.iterdir()))
    name = f"{IMAGE}:{hashlib.sha256(inputs).hexdigest()[:12]}"
    if engine.image(name) is None:
        download(wheels)
        subprocess.run(
            ["docker", "build", "--quiet", "--network", "none", "--tag", name, wheels], check=True, timeout=300
        )
    return {**given, "BASE_IMAGE": name}


def download(wheels: Path) -> None:
    """Collect the wheels for the Python image, as fixtures/images does."""
    spec = importlib.util.spec_from_file_location("build", ROOT / "fixtures" / "images" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    sys.modules["build"] = build  # dataclasses look up their module
    spec.loader.exec_module(build)
    subprocess.run(build.pip_download(wheels), check=True, capture_output=True, timeout=300)


@pytest.fixture
def example(installed: Path, tmp_path: Path) -> Callable[..., Example]:
    """Copies an example, to change and drill it; the variables are added to its environment."""

    # Keeps pytest from using a configuration of a directory above.
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    def copy(name: str, **variables: str) -> Example:
        directory = tmp_path / name
        shutil.copytree(EXAMPLES / name, directory, ignore=shutil.ignore_patterns("__pycache__", "reports"))
        kept = {
            key: text for key, text in os.environ.items() if not key.startswith(("PYTEST_", "PYTHON", "VIRTUAL_ENV"))
        }
        path = f"{installed}{os.pathsep}{kept.get('PATH', os.defpath)}"
        return Example(directory, {**kept, "PATH": path, **variables})

    return copy

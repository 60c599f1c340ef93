"""Fixtures for projects with drills of their own (`drill_project`)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from drill_project import Project


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary directory for one test's stacks. Not below pytest's own: other accounts cannot pass there."""
    path = Path(tempfile.mkdtemp(prefix="drills-")).resolve()
    path.chmod(0o711)
    monkeypatch.setenv("TMPDIR", str(path))
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def project(pytester: pytest.Pytester, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    for name in (
        "PYTEST_ADDOPTS",
        "PYTEST_XDIST_WORKER",
        "PYTEST_XDIST_WORKER_COUNT",
        "PYTEST_XDIST_TESTRUNUID",
        "GITHUB_STEP_SUMMARY",
    ):
        monkeypatch.delenv(name, raising=False)
    made = Project(pytester, temporary)
    yield made
    made.end_everything()

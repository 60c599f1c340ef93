"""Long campaigns on small projects; `make soak` runs them."""

from __future__ import annotations

import os
import secrets

import pytest
from support.drill_project import project, temporary  # noqa: F401
from support.seed import SEED


def pytest_configure(config: pytest.Config) -> None:
    """One seed for all workers, which inherit it."""
    os.environ.setdefault(SEED, secrets.token_hex(4))


def pytest_report_header() -> str:
    return f"soak: {SEED}={os.environ[SEED]} repeats the same moments"

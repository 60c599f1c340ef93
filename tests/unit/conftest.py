"""Hypothesis profiles for the engine's tests: ``--hypothesis-profile=thorough`` looks longer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from rollback_drills.target.target import Target

settings.register_profile("fast", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("fast"), max_examples=2_000)
settings.load_profile("fast")

REFERENCE = Path(__file__).parents[2] / "fixtures" / "targets" / "reference.toml"


@pytest.fixture(scope="session")
def reference_target() -> Target:
    """The default target, as it is shipped."""
    return Target.load(REFERENCE, {})

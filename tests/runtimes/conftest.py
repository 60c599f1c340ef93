"""Fixtures for projects with a runtime of their own."""

from __future__ import annotations

from support.drill_project import project, temporary  # noqa: F401

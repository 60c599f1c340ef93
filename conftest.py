"""What the suite's own tests need: `pytester`, which pytest accepts from the root conftest only."""

from __future__ import annotations

pytest_plugins = ["pytester"]

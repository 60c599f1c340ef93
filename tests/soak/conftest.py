"""Long campaigns on the projects of tests/plugin; `make soak` runs them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "plugin"))

from drill_project import project, temporary  # noqa: F401

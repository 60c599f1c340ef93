"""Where the suite's drills are: in the installed package, or at the top of this checkout."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def drills_path() -> Path:
    """The directory of the drills.

    Raises:
        ModuleNotFoundError: the installation is incomplete.
    """
    spec = find_spec("rollback_drills.drills")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the package rollback_drills.drills is missing: install pytest-rollback-drills again")
    return Path(spec.origin).parent

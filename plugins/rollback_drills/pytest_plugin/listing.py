"""Lists, as JSON, the drills for a target and a runtime, with the reasons for which they would be skipped.

``python -m rollback_drills.pytest_plugin.listing TARGET RUNTIME DRILLS…``; the drills are named as pytest's arguments.
Nothing is started. It is a process of its own, so that its caller needs no pytest and keeps its streams.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

import pytest

from rollback_drills.pytest_plugin.activation import session_of
from rollback_drills.pytest_plugin.keys import MAY_EXECUTE
from rollback_drills.pytest_plugin.marks import mark_of
from rollback_drills.pytest_plugin.recorder import lacking


class _Listing:
    """Keeps what was collected: each drill's name, and the reasons for which it would be skipped before it begins."""

    def __init__(self) -> None:
        self.drills: list[dict[str, object]] = []

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[MAY_EXECUTE] = True  # the doctor has executed them already

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            mark = mark_of(item)
            if mark is not None:
                name = getattr(item, "originalname", None) or item.name
                self.drills.append({"name": name, "reasons": lacking(session_of(session.config), item, mark)})


def main(target: str, runtime: str, *drills: str) -> int:
    """Print the list; pytest's own output goes to standard error.

    Returns:
        pytest's exit code.
    """
    listing = _Listing()
    options = ["--collect-only", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(Path.cwd())]
    with contextlib.redirect_stdout(sys.stderr):
        code = pytest.main([*options, "--drill-target", target, "--drill-runtime", runtime, *drills], plugins=[listing])
    print(json.dumps(listing.drills))
    return int(code)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))

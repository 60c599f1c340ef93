"""Removes a stack that was kept: ``python -m rollback_drills.runtimes.workspace.remove DIRECTORY``."""

from __future__ import annotations

import sys
from pathlib import Path

from rollback_drills.core.errors import StackError
from rollback_drills.runtimes.workspace.directory import remove_kept


def main(arguments: list[str]) -> int:
    """Exit code 0 when it is gone."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        ended = remove_kept(Path(arguments[0]))
    except (StackError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"ended {ended} processes or containers and removed {arguments[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Removes a kept stack: ``python -m rollback_drills.runtimes.workspace.remove DIRECTORY``."""

from __future__ import annotations

import sys
from pathlib import Path

from rollback_drills.core.errors import StackError
from rollback_drills.runtimes.workspace.removal import remove_kept


def main(arguments: list[str]) -> int:
    """Return 0 when the stack is gone, 1 if it cannot be removed, 2 for wrong arguments."""
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

"""``python -m rollback_drills``."""

from __future__ import annotations

import sys

from rollback_drills.cli import main

if __name__ == "__main__":
    sys.exit(main())

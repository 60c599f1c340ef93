"""Files and children whose files no other account of the machine can read."""

from __future__ import annotations

import os
from typing import Final

UMASK: Final = 0o077
"""For children: what they write is their account's alone."""
CALLERS_UMASK: Final = -1
"""For children whose files go into an image or are mounted into a container, where another account reads them.

`subprocess.Popen` leaves the umask as it is then. The directory around them has to be private.
"""


def private(path: str, flags: int) -> int:
    """An ``opener`` for `open`. Others may pass a workspace that root owns, and so read a file whose name they know."""
    return os.open(path, flags, 0o600)

"""Files beside the report, for what is too long for the evidence itself."""

from __future__ import annotations

import hashlib
import re
from itertools import count
from pathlib import Path

from rollback_drills.core.errors import DrillError
from rollback_drills.evidence.model import Artifact

DIRECTORY = "artifacts"
_NAME_LIMIT = 120  # characters


def write_artifact(run: Path, title: str, text: str, *, name: str, media_type: str) -> Artifact:
    """Write ``text``, which is redacted already, into the run's directory; a name that is taken gets a number.

    Raises:
        DrillError: it cannot be written.
    """
    content = text.encode()
    try:
        file = _write(run / DIRECTORY, re.sub(r"[^A-Za-z0-9._-]+", "_", name)[-_NAME_LIMIT:], content)
    except OSError as error:
        raise DrillError(
            f"the artifact {name!r} cannot be written: {error.strerror}",
            fix=f"free some space, or choose a report directory other than {run.parent} (--drill-report-dir)",
        ) from None
    return Artifact(
        title=title,
        path=file.relative_to(run).as_posix(),
        media_type=media_type,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _write(directory: Path, name: str, content: bytes) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    plain = Path(name if name.strip(".") else "artifact")
    for number in count(1):
        file = directory / (plain.name if number == 1 else f"{plain.stem}-{number}{plain.suffix}")
        try:
            with file.open("xb") as out:
                out.write(content)
        except FileExistsError:
            continue
        break
    return file

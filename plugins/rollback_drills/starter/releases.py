"""Which releases a repository has: its tags, the newest first."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

_TAG = re.compile(r"(?P<prefix>.*?)(?P<version>\d+(?:\.\d+)+\S*)")


@dataclass(frozen=True, slots=True)
class Tags:
    """The two newest releases, and how their tags are made of them: ``v{release}``."""

    current: str
    previous: str
    ref: str


def tags_of(root: Path) -> Tags | None:
    """The two newest versions among the tags that begin alike; None where there are not two."""
    try:
        listed = subprocess.run(
            ["git", "-C", str(root), "tag", "--list"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    versions: dict[str, list[tuple[Version, str]]] = {}
    for tag in listed.stdout.split() if listed.returncode == 0 else ():
        match = _TAG.fullmatch(tag)
        if match is None:
            continue
        try:
            versions.setdefault(match["prefix"], []).append((Version(match["version"]), match["version"]))
        except InvalidVersion:
            continue
    series = max(versions.items(), key=lambda item: (len(item[1]), item[0]), default=("", []))
    newest = sorted(series[1], reverse=True)
    if len(newest) < 2:
        return None
    prefix = series[0].replace("{", "{{").replace("}", "}}")
    return Tags(newest[0][1], newest[1][1], f"{prefix}{{release}}")

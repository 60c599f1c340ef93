"""What a script or the target file declares of a revision, such as `# rollback-drills: lossy: reason`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from rollback_drills.target.system_tables import Migrations

Kind = Literal["irreversible", "lossy", "precondition"]
KINDS: tuple[Kind, ...] = ("irreversible", "lossy", "precondition")
_COMMENT = re.compile(r"^\s*#\s*rollback-drills:\s*(?P<kind>[\w-]+)\s*(?::\s*(?P<reason>.*?))?\s*$", re.MULTILINE)
_CONTINUED = re.compile(r"\n\s*#(?!\s*rollback-drills:)[ \t]+(?P<more>\S.*)")


@dataclass(frozen=True, slots=True)
class Declarations:
    """Reasons by kind, and ``mistakes``: comments that declare nothing.

    ``own`` are the kinds that the script itself, or its exact name in the target file, declares. These must be true; a
    pattern in the target file may match more revisions than it applies to.
    """

    reasons: Mapping[str, str] = field(default_factory=dict)
    mistakes: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()

    def reason(self, kind: Kind) -> str:
        """Empty where nothing is declared."""
        return self.reasons.get(kind, "")


def declared(revision: str, source: str, migrations: Migrations | None) -> Declarations:
    """The declarations for ``revision``; those in its script override the target file's."""
    reasons: dict[str, str] = {}
    own: set[str] = set()
    if migrations is not None:
        tables = {kind: getattr(migrations, kind) for kind in KINDS}
        for each, patterns in tables.items():
            for pattern, reason in patterns.items():
                if fnmatchcase(revision, pattern):
                    reasons.setdefault(each, reason)
                    if pattern == revision:
                        own.add(each)
    mistakes = []
    for match in _COMMENT.finditer(source):
        kind, reason = match["kind"], (match["reason"] or "").strip()
        following = _CONTINUED.match(source, match.end())
        while following is not None and reason:
            reason = f"{reason} {following['more'].strip()}"
            following = _CONTINUED.match(source, following.end())
        if kind not in KINDS:
            mistakes.append(f"unknown declaration {kind!r}; known are {', '.join(KINDS)}")
        elif not reason:
            mistakes.append(f"{kind} is declared without a reason")
        else:
            reasons[kind] = reason
            own.add(kind)
    return Declarations(reasons, tuple(mistakes), frozenset(own))

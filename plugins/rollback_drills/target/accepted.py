"""The table of a target file about findings that somebody has accepted for a while."""

from __future__ import annotations

from datetime import date
from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from rollback_drills.evidence.findings.catalogue import CATALOGUE
from rollback_drills.target.fields import Reason, Table

_NEAREST = 3


def _known(code: str) -> str:
    if code in CATALOGUE:
        return code
    close = get_close_matches(code, CATALOGUE, n=_NEAREST, cutoff=0.4)
    nearest = f"; the nearest are {', '.join(close)}" if close else ""
    raise ValueError(f"no finding has this code{nearest} (docs/reference/findings.md lists all)")


Pattern = Annotated[str, StringConstraints(min_length=1)]


class Accepted(Table):
    """A finding that fails no drill for as long as somebody answers for it. It is told in every report."""

    finding: Annotated[str, AfterValidator(_known)] = Field(description="the finding's code")
    reason: Reason = Field(description="why the risk is taken")
    owner: Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)] = Field(
        description="who answers for it"
    )
    until: date = Field(description="the last day on which it is accepted (UTC); from the next on it fails again")
    drill: Pattern | None = Field(
        default=None,
        description="only in these drills: a pattern for their ids, in which `*` and `?` stand for any text",
    )
    subject: Pattern | None = Field(
        default=None,
        description="only at this integration, revision or other case of a drill: a pattern as above; absent: at each",
    )

"""The target file's table of accepted findings."""

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
    raise ValueError(f"there is no finding with this code{nearest} (docs/reference/findings.md lists them all)")


Pattern = Annotated[str, StringConstraints(min_length=1)]


class Accepted(Table):
    """A finding that fails no drill until a date. Every report lists it."""

    finding: Annotated[str, AfterValidator(_known)] = Field(description="the finding's code")
    reason: Reason = Field(description="why the risk is accepted")
    owner: Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)] = Field(
        description="who is responsible for it"
    )
    until: date = Field(
        description="the last day on which it is accepted (UTC); from the next day on it fails drills again"
    )
    drill: Pattern | None = Field(
        default=None,
        description="only in drills whose ids match this pattern, in which `*` and `?` match any characters",
    )
    subject: Pattern | None = Field(
        default=None,
        description="only for integrations, revisions or other cases that match this pattern; absent: for all",
    )

"""The catalogue of findings: why each matters on the night of the rollback, and what to do about it.

docs/reference/findings.md is generated from it (``make docs``), so the report can link to each code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import get_args

from rollback_drills.core.errors import DrillError
from rollback_drills.evidence.findings.backups import BACKUPS
from rollback_drills.evidence.findings.database import DATABASE
from rollback_drills.evidence.findings.entry import FindingKind
from rollback_drills.evidence.findings.flags import FLAGS
from rollback_drills.evidence.findings.general import GENERAL
from rollback_drills.evidence.findings.migrations import MIGRATIONS
from rollback_drills.evidence.findings.releases import RELEASES
from rollback_drills.evidence.findings.runbook import RUNBOOK
from rollback_drills.evidence.model import Severity

_BUILT_IN = (*GENERAL, *RUNBOOK, *RELEASES, *DATABASE, *MIGRATIONS, *FLAGS, *BACKUPS)
_BUILT_IN_CODES = frozenset(kind.code for kind in _BUILT_IN)
_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

CATALOGUE: dict[str, FindingKind] = {}
"""Every kind of finding by its code: those of this package, then those that other plugins have registered."""


def register(kinds: Iterable[FindingKind]) -> None:
    """Add kinds of findings to the catalogue. Adding the same kind again changes nothing.

    Raises:
        DrillError: a code is taken or malformed, a severity does not exist, or a text is missing. Nothing is added.
    """
    added: dict[str, FindingKind] = {}
    for kind in kinds:
        _demand_complete(kind)
        known = added.get(kind.code) or CATALOGUE.get(kind.code)
        if known is not None and known != kind:
            raise DrillError(
                f"two findings have the code {kind.code!r}",
                cause=f"one is {known.title!r}, the other {kind.title!r}",
                fix="give the new one a code of its own, for example with the name of its plugin in front",
            )
        added[kind.code] = kind
    CATALOGUE.update(added)


def _demand_complete(kind: FindingKind) -> None:
    if not _CODE.fullmatch(kind.code):
        raise DrillError(
            f"{kind.code!r} cannot be the code of a finding", fix="use lower-case words joined by hyphens: error-rate"
        )
    if kind.severity not in get_args(Severity):
        raise DrillError(
            f"the finding {kind.code!r} has the severity {kind.severity!r}",
            fix=f"use one of: {', '.join(get_args(Severity))}",
        )
    empty = [name for name in ("title", "why", "remedy") if not getattr(kind, name).strip()]
    if empty:
        raise DrillError(
            f"the finding {kind.code!r} has no {' and no '.join(empty)}",
            fix="say what is wrong, why it matters and what to do: a report shows all three",
        )


def is_built_in(code: str) -> bool:
    """Whether ``code`` is documented in docs/reference/findings.md; those of other plugins are not."""
    return code in _BUILT_IN_CODES


def entry(code: str) -> FindingKind:
    """The catalogue's entry for ``code``.

    Raises:
        DrillError: there is no such code.
    """
    try:
        return CATALOGUE[code]
    except KeyError:
        raise DrillError(f"no finding has the code {code!r}", fix=f"use one of: {', '.join(CATALOGUE)}") from None


register(_BUILT_IN)

"""A target for those who have no gateway: all that is known of it is its alembic.ini."""

from __future__ import annotations

import json
from pathlib import Path

from rollback_drills.core.errors import TargetError
from rollback_drills.target.target import Target


def alembic_target(file: Path) -> Target:
    """A target whose migrations are drilled and nothing else.

    Raises:
        TargetError: there is no such file.
    """
    if not file.is_file():
        raise TargetError(f"there is no file {file}", fix="name alembic's configuration with --drill-alembic")
    nothing = "/"
    document = {
        "name": f"migrations of {file.resolve().parent.name}",
        "current": "head",
        "previous": "base",
        "releases": {"path": "{here}/{release}"},
        "gateway": {"start": ["false", "{port}"]},
        "health": {"path": nothing},
        "version": {"path": nothing},
        "delivery": {"path": "/{integration}", "json": "{unique}", "stored": "SELECT unnest(%(ids)s::text[])"},
        "integrations": {"none": {}},
        "runbook": {"file": file.name, "title": "Migrations"},
    }
    target = Target.model_validate_json(json.dumps(document))
    target._file = file.resolve()
    return target

"""The target of a REST API with a login: what it writes and reads, and no webhook."""

from __future__ import annotations

import json
from typing import Any

from rollback_drills.target.target import Target

STORED = "SELECT title FROM item WHERE title = ANY(%(ids)s)"


def rest_document(**changes: object) -> dict[str, Any]:
    return {
        "name": "items",
        "current": "2",
        "previous": "1",
        "releases": {"path": "{here}/{release}"},
        "gateway": {"start": ["serve", "{port}"], "request_timeout": 5.0},
        "logins": {"user": {"path": "/login", "form": {"username": "ada", "password": "correct horse"}}},
        "requests": [
            {"name": "create item", "login": "user", "path": "/items", "json": {"title": "{unique}"}, "stored": STORED},
            {"name": "who am I", "login": "user", "path": "/me", "same": True},
        ],
        **changes,
    }


def rest_target(**changes: object) -> Target:
    return Target.model_validate_json(json.dumps(rest_document(**changes)))

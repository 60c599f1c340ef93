"""The tables of a drafted target file about clients: health, version, deliveries, integrations and their flags."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rollback_drills.cli.init.entries import TargetEntry
from rollback_drills.cli.init.flags import FlagFacts
from rollback_drills.cli.init.releases import absent_from
from rollback_drills.cli.init.routes import delivery_route
from rollback_drills.cli.init.survey import Survey

# Readiness before liveness.
_HEALTH = (
    r"/readyz?",
    r"/health/ready",
    r"/healthz?",
    r"/health/\w+",
    r"(/[\w-]+)+/ready",
    r"/status",
    r"/ping",
    r"/livez?",
)
_VERSION = (r"/version", r"/api/version", r"/info", r"/about")
_WEBHOOK = r"/(api/)?(webhooks?|hooks?|events?|integrations?)/\{\w+\}(/\w+)?"


def health(found: Survey) -> Iterator[TargetEntry]:
    route = found.route(*_HEALTH)
    if route is not None:
        yield TargetEntry("path", route[0], "found", route[1])
    else:
        yield TargetEntry("path", "/health", "fill in", "the path of its health check")


def version(found: Survey) -> Iterator[TargetEntry]:
    route = found.route(*_VERSION)
    if route is not None:
        yield TargetEntry("path", route[0], "found", route[1])
    else:
        yield TargetEntry("path", "/version", "fill in", "the path that reports its version")
    yield TargetEntry("pointer", "/version", "guessed", "JSON Pointer to the version (RFC 6901)")


def delivery(found: Survey) -> Iterator[TargetEntry]:
    written = delivery_route(found.routes)
    route = found.route(_WEBHOOK)
    if written is not None:
        if written.method != "POST":
            yield TargetEntry("method", written.method, "found", written.file)
        yield TargetEntry("path", written.path, "guessed", f"{written.method} in {written.file}")
    elif route is not None:
        yield TargetEntry("path", re.sub(r"\{\w+\}", "{integration}", route[0]), "guessed", f"in quotes in {route[1]}")
    else:
        yield TargetEntry("path", "/webhooks/{integration}", "fill in", "the path that takes webhooks")
    yield TargetEntry("json", {"id": "{unique}"}, "fill in", "a valid body; {unique} identifies the delivery")
    query = "SELECT id FROM deliveries WHERE id = ANY(%(ids)s)"
    yield TargetEntry("stored", query, "fill in", "SQL that returns those of %(ids)s that are stored")


def integrations(found: Survey, flags: FlagFacts | None) -> Iterator[TargetEntry]:
    written = delivery_route(found.routes)
    named = written.integrations if written is not None else ()
    source = "from the names of the flags" if flags is not None else "from the routes, one for each"
    names = flags.integrations if flags is not None else named
    new = absent_from(found.root, found.tags, names) if found.tags is not None else ()
    for number, name in enumerate(names):
        if name in new and found.tags is not None:
            note = f"no file of {found.tags.previous} contains the name"
            yield TargetEntry(name, {"since": found.tags.current}, "guessed", note)
        else:
            yield TargetEntry(name, {}, "guessed", source if number == 0 else "")
    if not names:
        yield TargetEntry("example", {}, "fill in", "one key per integration, named as in its path")


def flag_entries(flags: FlagFacts) -> Iterator[TargetEntry]:
    yield TargetEntry("variable", flags.pattern, "guessed", f"from {len(flags.integrations)} variables of that form")
    yield TargetEntry("on", flags.on, "default")
    yield TargetEntry("off", flags.off, "default")
    yield TargetEntry("disabled.status", 503, "guessed", "the answer of a disabled integration: its status and JSON")
    yield TargetEntry("disabled.body", {"detail": "integration disabled"}, "fill in", "the exact JSON of that answer")

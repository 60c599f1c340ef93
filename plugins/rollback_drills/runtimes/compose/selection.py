"""Whether the release variable selects a release: what Compose resolves the file to, for each of the two values.

Compose acts on the resolved file alone (``docker compose config``): where it is the same for both releases, no `up`
can change the release. https://docs.docker.com/reference/cli/docker/compose/config/
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from rollback_drills.runtimes.compose.safety import Model
from rollback_drills.runtimes.protocols import ReleaseSelection


def selection(variable: str, gateway: str, one: Model, other: Model) -> ReleaseSelection:
    """Compare what the file resolves to; other services than the gateway's do not count.

    Args:
        one: for the current release, `other` for the previous one.
    """
    here, there = one["services"][gateway], other["services"][gateway]
    differences = [*_differences("", here, there)]
    differences += [
        path
        for kind in ("volumes", "networks", "configs", "secrets")  # a gateway can get its code from any of them
        for path in _differences(kind, one.get(kind) or {}, other.get(kind) or {})
    ]
    return ReleaseSelection(
        variable=variable,
        differences=tuple(differences),
        image=str(here.get("image") or ""),
        build_differs=here.get("build") != there.get("build"),
    )


def _differences(path: str, one: JsonValue, other: JsonValue) -> Iterator[str]:
    """The places that differ, as dotted paths."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            yield from _differences(f"{path}.{key}".lstrip("."), one.get(key), other.get(key))
    elif one != other:
        yield path

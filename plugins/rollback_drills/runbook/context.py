"""What is known of the system that a runbook is for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

_DATABASE = re.compile(r"(^|[_-])(db|database|postgres|postgresql|pg|timescaledb|postgis)\d*($|[_-])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KnownService:
    """A service of the compose file.

    Args:
        container: its `container_name`; may be empty.
        ports: the ports of the machine that it publishes; None if they cannot be told.
        builds: whether it has a `build`.
        image: its image as it is written.
        depends: whether it waits for another service to be healthy.
        mounts: the files and directories of the machine that are mounted into it.
    """

    name: str
    container: str = ""
    ports: frozenset[int] | None = frozenset()
    builds: bool = False
    image: str = ""
    depends: bool = False
    mounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownProject:
    """A compose project and its repository, as far as they are known.

    Args:
        services: by name; empty if nothing is known of them.
        others: the services of other compose files in the repository.
        variables: what the compose files use or pass on; None if that cannot be told.
        env_files: the files that a service reads its environment from.
        exists: whether there is a file or directory of that path, relative to where the runbook is followed; True as
            well where that cannot be told.
        has_ref: whether Git knows a tag, branch or commit; None if that cannot be told.
        make_targets: of the Makefile; None without one, or where they cannot be told.
    """

    services: dict[str, KnownService] = field(default_factory=dict)
    others: frozenset[str] = frozenset()
    variables: frozenset[str] | None = None
    env_files: frozenset[str] = frozenset()
    exists: Callable[[str], bool] = lambda path: True
    has_ref: Callable[[str], bool | None] = lambda ref: None
    make_targets: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """The context of a runbook's commands.

    Args:
        gateway: its service in the compose file; empty if it is not known.
        database: the database's service; empty if it is not known.
        webhook: the path of a delivery with the placeholder ``{integration}``; may be empty.
        flag: the variable of a flag with its placeholder; may be empty.
        method: the HTTP method of a delivery.
        releases: the names of the releases that are drilled.
        project: the compose project and repository; None where nothing is known of them.
    """

    gateway: str = ""
    database: str = ""
    webhook: str = ""
    flag: str = ""
    method: str = "POST"
    releases: tuple[str, ...] = ()
    project: KnownProject | None = None

    def is_database(self, name: str) -> bool:
        """Whether a service or container is the database's."""
        return self._named(name, self.database) if self.database else bool(_DATABASE.search(name))

    def is_gateway(self, name: str) -> bool:
        """Whether a service or container is the gateway's; without a name of its own, all but the database are."""
        return self._named(name, self.gateway) if self.gateway else bool(name) and not self.is_database(name)

    def _named(self, name: str, service: str) -> bool:
        known = self.project.services.get(service) if self.project is not None else None
        if name == service or (known is not None and known.container and name == known.container):
            return True
        return bool(re.search(rf"(^|[_-]){re.escape(service)}([_-]\d+)?$", name))

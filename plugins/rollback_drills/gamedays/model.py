"""The model of a game day: the state that the operations so far must have led to. It starts and asks nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rollback_drills.lab.backup import Manifest
from rollback_drills.target.target import Target


@dataclass(frozen=True, slots=True)
class KeptBackup:
    """A backup, and the ids of the deliveries that were stored when it was taken."""

    file: Path
    manifest: Manifest
    stored: frozenset[str]


@dataclass(slots=True)
class ExpectedState:
    """The state that the operations so far must have led to.

    Attributes:
        heads: the newest revision of each release.
        migrates: whether the gateway was created to migrate, which it then does at every start.
        configured: flags as the configuration has them; the gateway reads them when it is next created.
        effective: flags that the gateway was created with.
        was_off: integrations that were off at any time.
        stored: ids of deliveries that must be stored.
        absent: ids of deliveries that must not be stored. An id whose answer promised neither is in neither set.
        backup: the latest one.
        was_frozen: whether PostgreSQL was frozen; once a day is enough, because it costs the gateway's full timeout.
    """

    target: Target
    heads: Mapping[str, str]
    release: str
    revision: str
    running: bool = True
    migrates: bool = False
    configured: dict[str, bool] = field(default_factory=dict)
    effective: dict[str, bool] = field(default_factory=dict)
    was_off: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    backup: KeptBackup | None = None
    was_frozen: bool = False

    @classmethod
    def steady(cls, target: Target, heads: Mapping[str, str]) -> ExpectedState:
        """The state in which a day begins: the current release runs on its own schema, with every flag on."""
        migrates = target.gateway.always_migrates
        return cls(target, heads, release=target.current, revision=heads[target.current], migrates=migrates)

    @property
    def must_serve(self) -> bool:
        """Whether the gateway runs on its own schema. On another schema it may refuse, but its health must say so."""
        return self.running and self.revision == self.heads[self.release]

    @property
    def integrations(self) -> tuple[str, ...]:
        """The integrations of the deployed release."""
        return self.target.integrations_of(self.release)

    @property
    def disabled(self) -> list[str]:
        """The integrations of the deployed release whose flag was off when the gateway was created."""
        return [name for name in self.integrations if not self.enabled(name)]

    @property
    def turned_off(self) -> list[str]:
        """The integrations whose flag is off in the configuration, whether or not the gateway has read it."""
        return [name for name, on in self.configured.items() if not on]

    def enabled(self, integration: str) -> bool:
        return self.effective.get(integration, True)

    def gateway_created(self, release: str, *, migrates: bool) -> None:
        """The gateway was created from ``release``, with the configuration as it is."""
        self.release, self.migrates, self.effective = release, migrates, dict(self.configured)
        self.was_off |= {name for name, on in self.effective.items() if not on}

    def gateway_stopped(self) -> None:
        self.running = False

    def backup_restored(self, backup: KeptBackup) -> None:
        """The backup is live, and what was stored after it is gone."""
        self.absent |= self.stored - backup.stored
        self.stored = set(backup.stored)
        self.absent -= backup.stored
        self.revision = backup.manifest.revision

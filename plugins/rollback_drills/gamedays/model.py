"""What has to be true after a list of operations: nothing but memory, neither processes nor a database."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rollback_drills.lab.backup import Manifest
from rollback_drills.target.target import Target


@dataclass(frozen=True, slots=True)
class KeptBackup:
    """A backup, and the deliveries that were stored when it was taken."""

    file: Path
    manifest: Manifest
    held: frozenset[str]


@dataclass(slots=True)
class Expected:
    """What the operations so far must have led to.

    ``heads``: each release's newest revision. ``migrates``: the gateway was created to migrate when it starts, and
    does so at every start. ``created`` are the flags that the gateway was created with, ``configured`` those that it
    will be created with next. Ids of deliveries are in one of ``stored`` (they must be), ``absent`` (they must not be),
    or neither, where no answer said so.
    """

    target: Target
    heads: dict[str, str]
    release: str
    revision: str
    running: bool = True
    migrates: bool = False
    configured: dict[str, bool] = field(default_factory=dict)
    created: dict[str, bool] = field(default_factory=dict)
    was_off: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    backups: list[KeptBackup] = field(default_factory=list)

    @property
    def must_serve(self) -> bool:
        """Whether the release runs on its own schema. On another one it may serve or refuse, but not pretend."""
        return self.running and self.revision == self.heads[self.release]

    @property
    def integrations(self) -> tuple[str, ...]:
        return self.target.integrations_of(self.release)

    def on(self, integration: str) -> bool:
        """Whether the running gateway was created with this integration on."""
        return self.created.get(integration, True)

    def recreated(self, release: str, *, migrates: bool) -> None:
        """The gateway was created anew, from the configuration as it is."""
        self.release, self.migrates, self.created = release, migrates, dict(self.configured)
        self.was_off |= {name for name, on in self.created.items() if not on}

    def restored(self) -> None:
        """The last backup is live: what was stored after it is gone."""
        backup = self.backups[-1]
        self.absent |= self.stored - backup.held
        self.stored = set(backup.held)
        self.absent -= backup.held
        self.revision = backup.manifest.revision

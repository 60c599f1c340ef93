"""The walk: proves the revisions of a history one after the other, upwards, each by a round trip."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping

from rollback_drills.core.errors import StackError
from rollback_drills.migrations.reversibility.database import MigratedDatabase
from rollback_drills.migrations.reversibility.environment import MigrationEnvironment
from rollback_drills.migrations.reversibility.proof import Proof
from rollback_drills.migrations.reversibility.round_trip import RoundTrip
from rollback_drills.migrations.reversibility.seed_losses import SeedLosses
from rollback_drills.migrations.reversibility.snapshots import Snapshot
from rollback_drills.migrations.reversibility.table_names import tables_filled_by
from rollback_drills.migrations.walker.client import ScriptHistory
from rollback_drills.postgres import RoleSettings, connect, restore_role_settings, role_settings
from rollback_drills.target.system_tables import Migrations

MAX_REPLAYED = 50  # after a restart that applied more revisions than this, a copy of the database is kept


class Walk:
    """One walk upwards, and the `RevisionContext` of each revision. Revisions that are not to be proven are applied.

    Args:
        data: whether tables are seeded and their rows compared.
        wanted: revisions to be asked for later, in any order: they are proven when the walk passes them.
        seeded: name of a database with the target's own rows, whose losses are listed as well.
    """

    def __init__(
        self,
        environment: MigrationEnvironment,
        migrations: Migrations | None = None,
        *,
        data: bool = True,
        wanted: Collection[str] = (),
        seeded: str | None = None,
    ) -> None:
        self.environment, self.migrations, self._data = environment, migrations, data
        self._wanted = frozenset(wanted)
        self._database: MigratedDatabase | None = None
        self._position = -1  # of the newest applied revision in the history
        self._stuck, self._stuck_at = "", -1
        self._checkpoint: tuple[int, str] | None = None  # position and name of a copy without generated rows
        self._history: ScriptHistory | None = None
        self._seed_losses = SeedLosses(environment, seeded) if seeded is not None and data else None
        self._roles: RoleSettings | None = None  # what migrations have set for roles, up to the position
        self.filled: set[str] = set()
        self.proofs: dict[str, Proof] = {}
        self.memory = 0

    def close(self) -> None:
        self._close_database()
        if self._checkpoint is not None:
            self.environment.drop(self._checkpoint[1])
            self._checkpoint = None
        if self._seed_losses is not None:
            self._seed_losses.close()

    @property
    def history(self) -> ScriptHistory:
        """The scripts, oldest first."""
        if self._history is None:
            self._history = self.database.walker.history
        return self._history

    @property
    def stuck(self) -> str:
        """Why the walk cannot continue; empty when it can."""
        return self._stuck

    @property
    def database(self) -> MigratedDatabase:
        """The database of the walk; `restart_at` replaces it."""
        if self._database is None:
            self._database = MigratedDatabase(self.environment, data=self._data)
        return self._database

    def prove(self, revision: str) -> Proof:
        """Prove one revision; a second call returns the same proof.

        What migrations set for roles holds on the whole server, so it is set back afterwards.

        Raises:
            StackError: the release has no such revision, or the walker has ended.
        """
        if revision in self.proofs:
            return self.proofs[revision]
        with self._own_roles():
            return self._prove(revision)

    def _prove(self, revision: str) -> Proof:
        positions = {each.id: position for position, each in enumerate(self.history.revisions)}
        if revision not in positions:
            raise StackError(f"no script has the revision {revision}", cause=f"there are {len(positions)} scripts")
        goal = positions[revision]
        if goal <= self._position:  # the walk has passed it
            self.restart_at(goal - 1)
        for position in range(self._position + 1, goal):
            each = self.history.revisions[position].id
            if each in self._wanted and each not in self.proofs:
                self._prove_at(position)
        return self._prove_at(goal)

    def prove_all(self) -> list[Proof]:
        """Prove every revision, oldest first, then `verify`."""
        proofs = [self.prove(each.id) for each in self.history.revisions]
        self.verify()
        return proofs

    def verify(self) -> None:
        """Compare the schema as tracked step by step with a full fingerprint.

        Raises:
            DrillError: they differ.
        """
        if self._database is not None:
            self.memory = max(self.memory, self._database.walker.memory)
            self._database.schema.verify()

    # --- the context of a revision -----------------------------------------------------------------------

    def restart_at(self, position: int) -> MigratedDatabase:
        """A new database at ``position``, without generated rows.

        For when no revision describes the state of the old one, or rows that migrations inserted are missing.
        """
        self._close_database()
        began = self._position = self._open_below(position)
        self._apply_up_to(position)
        if self._position == position and position - began > MAX_REPLAYED:
            self._keep_checkpoint(position)
        return self.database

    def copy_at(self, position: int, rows: Mapping[str, Snapshot]) -> str:
        """Another database at ``position``, with these rows and without connections; its name."""
        current = self._database
        try:
            began = self._open_below(position)
            copy = self.database
        finally:
            self._database = current
        with contextlib.ExitStack() as on_error:
            on_error.callback(copy.close)
            for each in self.history.revisions[began + 1 : position + 1]:
                copy.walker.upgrade(each.id)
            copy.enter()
            copy.resync()
            copy.rows.load(rows)
            on_error.pop_all()
        copy.disconnect()
        return copy.name

    def mark_applied(self, position: int) -> None:
        """The revision at ``position`` was applied by the round trip."""
        self._position = position

    def stop(self, reason: str) -> None:
        """The next revision cannot be applied."""
        self._stuck, self._stuck_at = reason, self._position + 1

    # --- moving up ---------------------------------------------------------------------------------------

    def _prove_at(self, position: int) -> Proof:
        revision = self.history.revisions[position]
        self._apply_up_to(position - 1)
        if self._position < position - 1:
            proof = Proof(revision.id)
            proof.reason = self._stuck
            proof.find("revision-unproven", f"{revision.id} could not be reached: {proof.reason}")
        else:
            proof = RoundTrip(self, revision, position).prove()
            if self._seed_losses is not None:
                kept = self._roles_now()
                proof.seed_losses = self._seed_losses.of(revision.id, self.history)
                self._set_roles(kept)
        self.proofs[revision.id] = proof
        return proof

    @contextlib.contextmanager
    def _own_roles(self) -> Iterator[None]:
        """Give roles what the walk's migrations have set for them; afterwards, what they had before."""
        others = self._roles_now()
        if self._roles is not None:
            self._set_roles(self._roles)
        try:
            yield
        finally:
            self._roles = self._roles_now()
            self._set_roles(others)

    def _roles_now(self) -> RoleSettings:
        with connect(self.environment.url(self.database.name)) as conn:
            return role_settings(conn)

    def _set_roles(self, settings: RoleSettings) -> None:
        with connect(self.environment.url(self.database.name)) as conn:
            restore_role_settings(conn, settings)

    def _apply_up_to(self, position: int) -> None:
        """Apply the revisions up to ``position`` without proving them."""
        database = self.database
        applied = False
        while self._position < position and not (self._stuck and self._stuck_at <= self._position + 1):
            revision = self.history.revisions[self._position + 1]
            outcome = database.walker.upgrade(revision.id)
            if outcome.error is not None and database.rows.seeded:  # generated rows may be the reason
                database = self.restart_at(self._position)
                continue
            if outcome.error is not None:
                self.stop(f"{revision.id} cannot be applied: {outcome.error.brief}")
                break
            self.filled |= tables_filled_by(outcome)
            self._position += 1
            applied = True
        if applied:
            database.resync()

    def _open_below(self, position: int) -> int:
        """Open a database at ``position`` or below; its position."""
        if self._checkpoint is None or self._checkpoint[0] > position:
            self._database = MigratedDatabase(self.environment, data=self._data)
            return -1
        began, template = self._checkpoint
        self._database = MigratedDatabase(self.environment, name=self.environment.create(template), data=self._data)
        return began

    def _keep_checkpoint(self, position: int) -> None:
        """Copy the database. That needs it without connections, so a new walker is started afterwards."""
        name = self.database.name
        self.memory = max(self.memory, self.database.walker.memory)
        self.database.disconnect()
        if self._checkpoint is not None:
            self.environment.drop(self._checkpoint[1])
        self._checkpoint = (position, self.environment.create(name))
        self._database = MigratedDatabase(self.environment, name=name, data=self._data)

    def _close_database(self) -> None:
        if self._database is not None:
            self.memory = max(self.memory, self._database.walker.memory)
            self._database.close()
            self._database = None

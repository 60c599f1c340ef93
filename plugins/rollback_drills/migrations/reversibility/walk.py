"""The walk: every revision up, down and up again, with rows in the tables, judged by what is there afterwards."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rollback_drills.core.errors import StackError
from rollback_drills.migrations.reversibility.database import (
    MigratedDatabase,
    tables_filled_by,
)
from rollback_drills.migrations.reversibility.environment import MigrationEnvironment
from rollback_drills.migrations.reversibility.proof import Proof
from rollback_drills.migrations.reversibility.round_trip import RoundTrip
from rollback_drills.migrations.reversibility.rows import Snapshot
from rollback_drills.migrations.reversibility.seed_losses import SeedLedger
from rollback_drills.migrations.walker.client import ScriptHistory
from rollback_drills.target.system_tables import Migrations

FAR = 50  # revisions that are applied again at most when the walk has to begin anew


class Walk:
    """One walk upwards. Revisions are proven in the order of the history; those before are merely applied.

    Args:
        data: whether rows are put into the tables.
        wanted: revisions that will be asked for: they are proven when the walk comes by, in whatever order they are
            asked for later.
        seeded: a database with the target's own rows, of which the losses are told besides.
    """

    def __init__(
        self,
        ground: MigrationEnvironment,
        migrations: Migrations | None = None,
        *,
        data: bool = True,
        wanted: Collection[str] = (),
        seeded: str | None = None,
    ) -> None:
        self.ground, self.migrations, self._data = ground, migrations, data
        self._wanted = frozenset(wanted)
        self._bench: MigratedDatabase | None = None
        self._position = -1
        self._stuck, self._stuck_at = "", -1
        self._base: tuple[int, str] | None = None  # a copy to begin anew from: its position and its name
        self._history: ScriptHistory | None = None
        self._ledger = SeedLedger(ground, seeded) if seeded is not None and data else None
        self.filled: set[str] = set()
        self.proofs: dict[str, Proof] = {}
        self.memory = 0

    def close(self) -> None:
        self._leave()
        if self._base is not None:
            self.ground.drop(self._base[1])
            self._base = None
        if self._ledger is not None:
            self._ledger.close()

    @property
    def history(self) -> ScriptHistory:
        """The scripts, oldest first."""
        if self._history is None:
            self._history = self.bench.walker.history
        return self._history

    @property
    def stuck(self) -> str:
        """Why the walk cannot go on; empty when it can."""
        return self._stuck

    @property
    def bench(self) -> MigratedDatabase:
        """The database that is walked on, another one after `begin_anew`."""
        if self._bench is None:
            self._bench = MigratedDatabase(self.ground, data=self._data)
        return self._bench

    def prove(self, revision: str) -> Proof:
        """Prove one revision; the answer is kept.

        Raises:
            StackError: the release has no such revision, or the walker has ended.
        """
        if revision in self.proofs:
            return self.proofs[revision]
        places = {each.id: place for place, each in enumerate(self.history.revisions)}
        if revision not in places:
            raise StackError(f"no script has the revision {revision}", cause=f"there are {len(places)}")
        goal = places[revision]
        if goal <= self._position:  # it was passed by
            self.begin_anew(goal - 1)
        for place in range(self._position + 1, goal):
            each = self.history.revisions[place].id
            if each in self._wanted and each not in self.proofs:
                self._prove_at(place)
        return self._prove_at(goal)

    def prove_all(self) -> list[Proof]:
        """Every revision, oldest first; the schema that was followed is verified at the end."""
        proofs = [self.prove(each.id) for each in self.history.revisions]
        self.verify()
        return proofs

    def verify(self) -> None:
        """Compare the schema that was followed step by step with a full fingerprint.

        Raises:
            DrillError: they differ.
        """
        if self._bench is not None:
            self.memory = max(self.memory, self._bench.walker.memory)
            self._bench.schema.verify()

    # --- moving ----------------------------------------------------------------------------------------

    def begin_anew(self, place: int) -> MigratedDatabase:
        """A new database at the revision of ``place``, without any row of ours: where the old one is in a state that
        no revision describes, or lacks rows that the migrations themselves have put there.
        """
        self._leave()
        began = self._position = self._begin(place)
        self._apply_up_to(place)
        if self._position == place and place - began > FAR:
            self._keep_base(place)
        return self.bench

    def aside(self, place: int, held: Mapping[str, Snapshot]) -> str:
        """Another database at the revision of ``place``, with these rows and nobody connected; its name."""
        bench = self._bench
        try:
            position = self._begin(place)
            beside = self.bench
        finally:
            self._bench = bench
        try:
            for each in self.history.revisions[position + 1 : place + 1]:
                beside.walker.upgrade(each.id)
            beside.enter()
            beside.resync()
            beside.load(held)
        except BaseException:
            beside.close()
            raise
        beside.release()
        return beside.database

    def _begin(self, place: int) -> int:
        """Open a database that is at ``place`` or below; its position."""
        if self._base is None or self._base[0] > place:
            self._bench = MigratedDatabase(self.ground, data=self._data)
            return -1
        self._bench = MigratedDatabase(self.ground, database=self.ground.create(self._base[1]), data=self._data)
        return self._base[0]

    def applied(self, place: int) -> None:
        """The revision of ``place`` was applied by other means."""
        self._position = place

    def stop(self, reason: str) -> None:
        """The revision above cannot be applied."""
        self._stuck, self._stuck_at = reason, self._position + 1

    def _prove_at(self, place: int) -> Proof:
        revision = self.history.revisions[place]
        self._apply_up_to(place - 1)
        if self._position < place - 1:
            proof = Proof(revision.id)
            proof.reason = self._stuck
            proof.find("revision-unproven", f"{revision.id} could not be reached: {proof.reason}")
        else:
            proof = RoundTrip(self, revision, place).prove()
            if self._ledger is not None:
                proof.seed_losses = self._ledger.losses(revision.id, self.history)
        self.proofs[revision.id] = proof
        return proof

    def _apply_up_to(self, place: int) -> None:
        """Upgrade past revisions that are not to be proven, as fast as they can be applied."""
        bench = self.bench
        applied = False
        while self._position < place and not (self._stuck and self._stuck_at <= self._position + 1):
            revision = self.history.revisions[self._position + 1]
            walked = bench.walker.upgrade(revision.id)
            if walked.error is not None and bench.seeded:  # our rows may be the reason: begin anew, without them
                self.begin_anew(self._position)
                bench = self.bench
                continue
            if walked.error is not None:
                self.stop(f"{revision.id} cannot be applied: {walked.error.brief}")
                break
            self.filled |= tables_filled_by(walked)
            self._position += 1
            applied = True
        if applied:
            bench.resync()

    def _keep_base(self, place: int) -> None:
        """Copy the database as it is; nobody may be connected meanwhile, so the walker is started again."""
        database = self.bench.database
        self.memory = max(self.memory, self.bench.walker.memory)
        self.bench.release()
        if self._base is not None:
            self.ground.drop(self._base[1])
        self._base = (place, self.ground.create(database))
        self._bench = MigratedDatabase(self.ground, database=database, data=self._data)

    def _leave(self) -> None:
        if self._bench is not None:
            self.memory = max(self.memory, self._bench.walker.memory)
            self._bench.close()
            self._bench = None

"""The walk: every revision up, down and up again, with rows in the tables, judged by what is there afterwards."""

from __future__ import annotations

from collections.abc import Mapping

from rollback_drills.errors import StackError
from rollback_drills.migrations.walker import History, WalkedRevision
from rollback_drills.reversibility.bench import Bench, Moved
from rollback_drills.reversibility.cleanup import clean_up
from rollback_drills.reversibility.declarations import Declarations, declared
from rollback_drills.reversibility.ground import Ground
from rollback_drills.reversibility.interrupting import interrupt
from rollback_drills.reversibility.judging import Legs, judge
from rollback_drills.reversibility.locking import Speed, locks_of, without_timeout
from rollback_drills.reversibility.proof import Proof
from rollback_drills.reversibility.restoring import back_up, prove_restore
from rollback_drills.reversibility.rows import Snapshot, shown
from rollback_drills.reversibility.shrinking import smallest
from rollback_drills.target_tables import Migrations

_SHOWN_ROWS = 400  # characters


class Walk:
    """One walk upwards. Revisions are proven in the order of the history; those before are merely applied.

    Args:
        data: whether rows are put into the tables.
    """

    def __init__(
        self,
        ground: Ground,
        migrations: Migrations | None = None,
        *,
        data: bool = True,
    ) -> None:
        self._ground, self._migrations, self._data = ground, migrations, data
        self._bench: Bench | None = None
        self._position = -1
        self._stuck = ""
        self._history: History | None = None
        self.proofs: dict[str, Proof] = {}
        self.memory = 0

    def close(self) -> None:
        if self._bench is not None:
            self.memory = max(self.memory, self._bench.walker.memory)
            self._bench.close()
            self._bench = None

    @property
    def history(self) -> History:
        """The scripts, oldest first."""
        if self._history is None:
            self._history = self._open().walker.history
        return self._history

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
        if self._stuck or places[revision] <= self._position:
            return self._unproven(revision)
        bench = self._apply_up_to(places[revision] - 1)
        if self._stuck:
            return self._unproven(revision)
        proof = self._prove(bench, self.history.revisions[places[revision]])
        self.proofs[revision] = proof
        return proof

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

    def _open(self) -> Bench:
        if self._bench is None:
            self._bench = Bench(self._ground, data=self._data)
        return self._bench

    def _apply_up_to(self, place: int) -> Bench:
        """Upgrade past revisions that are not to be proven, as fast as they can be applied."""
        fresh = self._position < 0
        bench = self._open()
        applied = False
        while self._position < place and not self._stuck:
            revision = self.history.revisions[self._position + 1]
            walked = bench.walker.upgrade(revision.id)
            if walked.error is not None and not fresh:  # our rows may be the reason: begin anew, without them
                self.close()
                self._position, fresh = -1, True
                bench = self._open()
                continue
            if walked.error is not None:
                self._stuck = f"{revision.id} cannot be applied: {walked.error.brief}"
                break
            self._position += 1
            applied = True
        if applied:
            bench.resync()
        return bench

    def _restart_at(self, place: int) -> Bench:
        """A new database at the revision of ``place``, where the old one is in a state that no revision describes."""
        self.close()
        self._position = -1
        return self._apply_up_to(place)

    def _unproven(self, revision: str) -> Proof:
        proof = Proof(revision)
        proof.reason = self._stuck or "the walk is already past it"
        proof.find("revision-unproven", f"{revision} could not be reached: {proof.reason}")
        self.proofs[revision] = proof
        return proof

    # --- one revision ----------------------------------------------------------------------------------

    def _prove(self, bench: Bench, revision: WalkedRevision) -> Proof:
        proof = Proof(revision.id, revision.down, revision.doc)
        source = revision.source
        declarations = declared(revision.id, source, self._migrations)
        for mistake in declarations.mistakes:
            proof.find("declaration-invalid", f"{revision.id}: {mistake}")
        bench.furnish(source)
        known = dict(bench.schema.known)
        hints = [check.expression for table in bench.tables.values() for check in table.checks] if bench.data else []
        place = self._position + 1
        irreversible = bool(declarations.reason("irreversible"))
        backup = back_up(self._ground, bench.database, bench.conn) if irreversible else None
        up = self._upgrade(bench, revision, proof, declarations)
        if up is None:
            self._stuck = f"{revision.id} cannot be applied"
            return proof
        bench = self._open()  # another one, where the upgrade had to begin anew
        self._position = place
        sizes: Mapping[str, int] = self._migrations.rows if self._migrations is not None else {}
        proof.up_seconds = sum(each.seconds for each in up.walked.statements)
        proof.statements, proof.atomic = len(up.walked.statements), up.walked.in_one_transaction
        proof.rewritten = sorted(up.refresh.rewritten)
        proof.locks = locks_of(up.walked, up.refresh, known, sizes, Speed(bench.conn))
        proof.without_timeout = without_timeout(up.walked, proof.locks, known)
        legs = self._go_round(bench, revision, proof, declarations, up, hints)
        judge(proof, declarations, legs, _limit(self._migrations))
        if backup is not None and proof.verdict == "irreversible by design":
            prove_restore(self._ground, backup, proof)
        if legs.broken:
            self._restart_at(place)
        elif legs.failed and bench.data:
            bench.remember(bench.with_parents(up.touched & bench.tables.keys()))
        elif not proof.atomic and not legs.failed:
            proof.interruptions, intact = interrupt(bench, revision.id, up.walked)
            for each in proof.interruptions:
                if not each.restored_by:
                    proof.find(
                        "interruption-not-restored", f"{revision.id} fails before {each.statement!r}: {each.left}"
                    )
            if not intact:
                self._restart_at(place)
            elif bench.data:
                bench.remember(up.touched)
        return proof

    def _upgrade(
        self, bench: Bench, revision: WalkedRevision, proof: Proof, declarations: Declarations
    ) -> Moved | None:
        """Up with the rows that are there; without them where they are refused."""
        up = bench.move("upgrade", revision.id)
        error = up.walked.error
        if error is None:
            if declarations.reason("precondition") and "precondition" in declarations.own and bench.data:
                proof.find("declaration-untrue", f"{revision.id} is declared to refuse rows, and refused none")
            return up
        if not up.walked.in_one_transaction or (up.refresh.delta and not up.walked.external):
            bench = self._restart_at(self._position)
            if self._stuck:
                return None
        rows: dict[str, list[dict[str, str | None]]] = {}
        if bench.data:
            names = _involved(bench, up)
            rows = smallest(bench, "upgrade", revision.id, error, names) if up.walked.in_one_transaction else {}
            bench.clear(names)
            up = bench.move("upgrade", revision.id)
            if up.walked.error is not None:
                # A database without any row of ours; those that the migrations themselves have put there stay.
                bench = self._restart_at(self._position)
                up = bench.move("upgrade", revision.id)
        if up.walked.error is not None:
            proof.find("upgrade-failed", f"{revision.id}: {up.walked.error.brief}")
            return None
        what = f"{revision.id}: {error.brief}" + (f"; the rows: {shown(rows)[:_SHOWN_ROWS]}" if rows else "")
        proof.reason, proof.refused_rows = declarations.reason("precondition"), True
        if not proof.reason:
            proof.find("upgrade-fails-on-rows", what)
        bench.remember(up.touched)
        return up

    def _go_round(
        self,
        bench: Bench,
        revision: WalkedRevision,
        proof: Proof,
        declarations: Declarations,
        up: Moved,
        hints: list[str],
    ) -> Legs:
        """Rows that only the new schema allows, then down, then up again."""
        legs = Legs(up=up, before=dict(bench.rows))
        if bench.data:
            keyless = {name for name in up.touched if name in bench.tables and not bench.tables[name].key}
            legs.risen = bench.snapshot(keyless & legs.before.keys())
            seeded = bench.seed(up.touched, hints=hints)
            proof.seeded = sum(seeded.rows.values())
            for table, refusal in seeded.refused.items():
                proof.find("seed-refused", f"{revision.id}: {table} takes no row: {refusal}")
            legs.above = bench.snapshot(up.touched)
        down = bench.move("downgrade", revision.id)
        if down.walked.error is not None:
            self._downgrade_refused(bench, revision, declarations, legs, down)
            if legs.failed:
                return legs
            down = legs.down or down
        legs.down = down
        proof.down_seconds = sum(each.seconds for each in down.walked.statements)
        touched = up.touched | down.touched
        if bench.data:
            legs.below = bench.snapshot(touched)
            legs.above |= {name: legs.before[name] for name in touched - up.touched if name in legs.before}
        again = bench.move("upgrade", revision.id)
        legs.again = again
        residue = legs.up.refresh.delta.then(down.refresh.delta).diff()
        if again.walked.error is not None and residue and bench.sweep(clean_up(residue)):
            legs.again_error = again.walked.error
            again = bench.move("upgrade", revision.id)
        if again.walked.error is not None and bench.data:
            legs.again_error = again.walked.error
            bench.clear(bench.tables)
            again = bench.move("upgrade", revision.id)
            legs.again_cleared = True
        if again.walked.error is not None:
            legs.broken = True
            legs.again_error = again.walked.error
            return legs
        legs.again = again
        if bench.data:
            touched |= again.touched
            legs.after = bench.snapshot(touched) if not legs.again_cleared else {}
            bare = {
                name
                for name in touched
                if name in bench.tables and not (legs.after.get(name) and legs.after[name].rows)
            }
            if bare:
                bench.seed(bare, hints=hints)
            bench.remember(touched)
            bench.thin_out(touched, hints=hints)
        return legs

    def _downgrade_refused(
        self, bench: Bench, revision: WalkedRevision, declarations: Declarations, legs: Legs, down: Moved
    ) -> None:
        """Find out whether rows are the reason, and which; where no way back is promised, it does not matter."""
        error = down.walked.error
        assert error is not None
        legs.down_error, legs.failed = error, True
        if not down.walked.in_one_transaction or down.refresh.delta:
            legs.broken = True
            return
        if not bench.data or declarations.reason("irreversible"):
            return
        names = _involved(bench, down) | legs.up.touched
        rows = smallest(bench, "downgrade", revision.id, error, names)
        legs.only_new = any(not _was_there(legs.before.get(table), row) for table, some in rows.items() for row in some)
        # What the search for the smallest set has left is not consistent: it took rows out whatever refers to them.
        bench.clear(names)
        retried = bench.move("downgrade", revision.id)
        if retried.walked.error is not None:
            bench.clear(bench.tables)
            retried = bench.move("downgrade", revision.id)
        if retried.walked.error is not None:
            legs.down_error = retried.walked.error
            return
        legs.failed, legs.down = False, retried
        legs.refused_rows = shown(rows)[:_SHOWN_ROWS] or "any row"
        legs.above = {}
        legs.before = {}


def _was_there(before: Snapshot | None, row: Mapping[str, str | None]) -> bool:
    """Whether a row was in the table before the upgrade, as far as it had the same columns."""
    if before is None:
        return False
    shared = tuple(name for name in before.columns if name in row)
    return tuple(row[name] for name in shared) in before.only(shared)


def _involved(bench: Bench, moved: Moved) -> frozenset[str]:
    """Tables that a failed step has touched, as far as that can be known."""
    names = set(moved.touched)
    error = moved.walked.error
    if error is not None and error.table:
        names |= {name for name in bench.tables if name.rpartition(".")[2].strip('"') == error.table}
    if error is not None:
        words = set(error.statement.replace('"', " ").replace(".", " ").replace(",", " ").replace("(", " ").split())
        names |= {name for name in bench.tables if name.rpartition(".")[2].strip('"') in words}
    return frozenset(names) or frozenset(bench.tables)


def _limit(migrations: Migrations | None) -> float:
    return migrations.blocking if migrations is not None else 1.0

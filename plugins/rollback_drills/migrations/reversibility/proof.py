"""What was proven of one revision: its class, what is lost, what it locks, and what is wrong with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal

from pydantic import JsonValue

from rollback_drills.migrations.reversibility.rows import Loss

Class = Literal["lossless", "lossy by design", "lossy", "irreversible by design", "irreversible", "unproven"]

BLOCKS_READS = frozenset({"AccessExclusiveLock"})
BLOCKS_WRITES = BLOCKS_READS | {"ShareLock", "ShareRowExclusiveLock", "ExclusiveLock"}

Work = Literal["rewrite", "scan", ""]
Known = Literal["observed", "by PostgreSQL's documentation"]


@dataclass(frozen=True, slots=True)
class Lock:
    """The strongest lock that a step took on a relation that was there before it.

    ``statement`` took it first. ``work`` is what was done under it in proportion to the rows: a rewrite, a scan, or
    nothing. ``seconds`` is extrapolated to the rows that the target file gives the table; None where it gives none.
    ``known`` says how: read from pg_locks, or looked up for the few commands that PostgreSQL runs outside of
    transactions only, whose locks are gone before anybody can read them. ``held``: seconds, as measured with the rows
    at hand, from the statement that took it to the end of its transaction.
    """

    relation: str
    mode: str
    statement: str
    line: int
    work: Work = ""
    seconds: float | None = None
    known: Known = "observed"
    held: float = 0.0

    @property
    def blocks(self) -> str:
        return "reads and writes" if self.mode in BLOCKS_READS else "writes" if self.mode in BLOCKS_WRITES else ""


@dataclass(frozen=True, slots=True)
class ProofFinding:
    """A finding, before it is recorded."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Interruption:
    """A step that fails before one of its statements, or ``within`` it: what is left, and what restores the state.

    ``restored_by``: ``nothing`` has to be done, the same again (``upgrade``, ``downgrade``), the other of these before
    it, ``clean-up`` (statements that were tried), ``stamp`` (all of it was done, and the version not written), or empty
    where nothing of these does. ``taken_for_done``: how the schema differs after the same again has reported success.
    """

    direction: str
    at: int
    within: bool
    statement: str
    left: tuple[str, ...]
    restored_by: str
    commands: tuple[str, ...] = ()
    taken_for_done: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        return f"the {self.direction} fails {'within' if self.within else 'before'} {self.statement!r}"


@dataclass(slots=True)
class Proof:
    """One revision, up, down, and up again. Durations are seconds of its own statements.

    ``losses`` are of generated rows, ``seed_losses`` of the target's own. ``restored`` says what a restore of the
    backup from below an irreversible revision has brought back. ``renamed`` are NOT NULL constraints under other names.
    """

    revision: str
    down: tuple[str, ...] = ()
    doc: str = ""
    verdict: Class = "unproven"
    reason: str = ""
    losses: list[Loss] = field(default_factory=list)
    seed_losses: list[Loss] = field(default_factory=list)
    schema: list[str] = field(default_factory=list)
    reordered: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)
    renamed: list[str] = field(default_factory=list)
    locks: list[Lock] = field(default_factory=list)
    without_timeout: list[str] = field(default_factory=list)
    rewritten: list[str] = field(default_factory=list)
    up_seconds: float = 0.0
    down_seconds: float = 0.0
    statements: int = 0
    atomic: bool = True
    interruptions: list[Interruption] = field(default_factory=list)
    not_interrupted: list[str] = field(default_factory=list)
    seeded: int = 0
    refused_rows: bool = False
    restored: str = ""
    findings: list[ProofFinding] = field(default_factory=list)

    def find(self, code: str, detail: str) -> None:
        self.findings.append(ProofFinding(code, detail))

    @property
    def codes(self) -> set[str]:
        return {found.code for found in self.findings}

    def ledger(self) -> list[str]:
        """What rolling back past this revision destroys, for the document."""
        own = [f"of the target's own data: {loss.line()}" for loss in self.seed_losses]
        return own + [loss.line() for loss in self.losses]

    def to_json(self) -> dict[str, JsonValue]:
        """Plain JSON values, as evidence wants them."""
        losses: list[JsonValue] = [{**asdict(loss), "line": loss.line()} for loss in self.losses]
        seed_losses: list[JsonValue] = [{**asdict(loss), "line": loss.line()} for loss in self.seed_losses]
        locks: list[JsonValue] = [{**asdict(lock), "blocks": lock.blocks} for lock in self.locks]
        interruptions: list[JsonValue] = [
            {
                "direction": each.direction,
                "at": each.at,
                "within": each.within,
                "statement": each.statement,
                "left": list(each.left),
                "restored_by": each.restored_by,
                "commands": list(each.commands),
                "taken_for_done": list(each.taken_for_done),
            }
            for each in self.interruptions
        ]
        return {
            "revision": self.revision,
            "down": list(self.down),
            "doc": self.doc,
            "verdict": self.verdict,
            "reason": self.reason,
            "losses": losses,
            "seed_losses": seed_losses,
            "schema_differences": list(self.schema),
            "reordered": {table: list(after) for table, (_, after) in self.reordered.items()},
            "renamed": list(self.renamed),
            "locks": locks,
            "without_lock_timeout": list(self.without_timeout),
            "rewritten": list(self.rewritten),
            "up_seconds": round(self.up_seconds, 5),
            "down_seconds": round(self.down_seconds, 5),
            "statements": self.statements,
            "atomic": self.atomic,
            "interruptions": interruptions,
            "not_interrupted": list(self.not_interrupted),
            "rows": self.seeded,
            "restored": self.restored,
            "findings": [found.code for found in self.findings],
        }

"""The proof of one revision: its class, losses, locks, interruptions and findings."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal

from pydantic import JsonValue

from rollback_drills.migrations.reversibility.snapshots import Loss

Class = Literal["lossless", "lossy by design", "lossy", "irreversible by design", "irreversible", "unproven"]

BLOCKS_READS = frozenset({"AccessExclusiveLock"})
BLOCKS_WRITES = BLOCKS_READS | {"ShareLock", "ShareRowExclusiveLock", "ExclusiveLock"}

Work = Literal["rewrite", "scan", ""]
Known = Literal["observed", "by PostgreSQL's documentation"]


@dataclass(frozen=True, slots=True)
class Lock:
    """The strongest lock that a step took on an existing relation.

    ``statement`` took it first. ``work`` is what took time in proportion to the rows: a rewrite, a scan, or nothing.
    ``seconds`` is extrapolated to the rows that the target file gives for the table; None where it gives none.
    ``known``: read from pg_locks, or looked up for the few commands that PostgreSQL runs only outside a transaction,
    whose locks are released before they can be read. ``held``: seconds, as measured with the drill's own rows, from the
    statement that took the lock to the end of its transaction. ``direction``: the step, upgrade or downgrade.
    """

    relation: str
    mode: str
    statement: str
    line: int
    work: Work = ""
    seconds: float | None = None
    known: Known = "observed"
    held: float = 0.0
    direction: str = "upgrade"

    @property
    def blocks(self) -> str:
        return "reads and writes" if self.mode in BLOCKS_READS else "writes" if self.mode in BLOCKS_WRITES else ""


@dataclass(frozen=True, slots=True)
class ProofFinding:
    """A finding that the drill has yet to record."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Interruption:
    """A step that failed before one of its statements, or ``within`` it: what it left, and what restores the state.

    ``restored_by``: ``nothing`` (no action needed), ``upgrade`` or ``downgrade`` (the same command again, or the
    opposite one before it), ``clean-up`` (statements that were tried), ``stamp`` (all was done but the version was not
    written), or empty: none of these. ``taken_for_done``: how the schema differs after a second attempt that reported
    success.
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
    """One revision, up, down, and up again. Durations are the seconds of its own statements.

    ``losses`` are of generated rows, ``seed_losses`` of the target's own. ``restored`` says what restoring the backup
    from below an irreversible revision brought back. ``undeclared``: what the upgrade added is dropped, which nothing
    declares, and is no finding. ``renamed`` are NOT NULL constraints that differ in their names.
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
    down_locks: list[Lock] = field(default_factory=list)
    down_without_timeout: list[str] = field(default_factory=list)
    rewritten: list[str] = field(default_factory=list)
    up_seconds: float = 0.0
    down_seconds: float = 0.0
    statements: int = 0
    atomic: bool = True
    interruptions: list[Interruption] = field(default_factory=list)
    not_interrupted: list[str] = field(default_factory=list)
    seeded: int = 0
    refused_rows: bool = False
    empty: set[str] = field(default_factory=set)  # tables that take no generated row
    restored: str = ""
    undeclared: bool = False
    findings: list[ProofFinding] = field(default_factory=list)

    def find(self, code: str, detail: str) -> None:
        self.findings.append(ProofFinding(code, detail))

    @property
    def every_lock(self) -> list[Lock]:
        """The locks of the upgrade and of the downgrade, those that block clients first."""
        return sorted([*self.locks, *self.down_locks], key=lambda lock: not lock.blocks)

    @property
    def waiting_for(self) -> list[str]:
        """The relations for which a step waits without a limit, in either direction."""
        return sorted({*self.without_timeout, *self.down_without_timeout})

    @property
    def codes(self) -> set[str]:
        return {found.code for found in self.findings}

    def loss_lines(self) -> list[str]:
        """A sentence for each loss of a rollback past this revision, those of the seed first."""
        own = [f"of the target's own data: {loss.line()}" for loss in self.seed_losses]
        return own + [loss.line() for loss in self.losses]

    def to_json(self) -> dict[str, JsonValue]:
        """Plain JSON values, as the evidence holds them."""
        losses: list[JsonValue] = [{**asdict(loss), "line": loss.line()} for loss in self.losses]
        seed_losses: list[JsonValue] = [{**asdict(loss), "line": loss.line()} for loss in self.seed_losses]
        locks: list[JsonValue] = [{**asdict(lock), "blocks": lock.blocks} for lock in self.every_lock]
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
            "without_lock_timeout": list(self.waiting_for),
            "rewritten": list(self.rewritten),
            "up_seconds": round(self.up_seconds, 5),
            "down_seconds": round(self.down_seconds, 5),
            "statements": self.statements,
            "atomic": self.atomic,
            "interruptions": interruptions,
            "not_interrupted": list(self.not_interrupted),
            "rows": self.seeded,
            "restored": self.restored,
            "undeclared_loss": self.undeclared,
            "findings": [found.code for found in self.findings],
        }

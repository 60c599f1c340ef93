"""What a drill proved of one migration: its class, what a rollback past it destroys, and what it locks."""

from __future__ import annotations

from pydantic import Field

from rollback_drills.evidence.base import Model


class RowLoss(Model):
    """Values, or whole rows, that a round trip destroyed or altered."""

    table: str
    column: str = Field(description="empty where whole rows are gone")
    rows: int
    written: str = Field(description="before or after the upgrade")
    example: str = ""
    dropped: bool = False
    line: str = Field(description="the loss in words")


class RelationLock(Model):
    """The strongest lock that a step took on a relation that existed before it."""

    relation: str
    mode: str
    statement: str = Field(description="took it first")
    line: int
    work: str = Field(default="", description="work under the lock that grows with the rows: rewrite, scan, or none")
    seconds: float | None = Field(default=None, description="extrapolated to the rows of production; null: unknown")
    known: str = Field(default="observed", description="how the lock is known")
    held: float = Field(default=0.0, description="seconds, as measured with the rows at hand")
    blocks: str = Field(default="", description="what clients cannot do meanwhile")
    direction: str = Field(default="upgrade", description="the step: upgrade or downgrade")


class StepInterruption(Model):
    """A step that failed before or within one of its statements, and what restored the state."""

    direction: str
    at: int
    within: bool
    statement: str
    left: tuple[str, ...] = ()
    restored_by: str = Field(default="", description="empty where nothing that was tried restores it")
    commands: tuple[str, ...] = ()
    taken_for_done: tuple[str, ...] = Field(
        default=(), description="how the schema differs after a repetition that reported success"
    )


class RevisionEvidence(Model):
    """One revision, migrated up, down and up again."""

    revision: str
    down: tuple[str, ...] = Field(default=(), description="the revisions right below it")
    doc: str = ""
    verdict: str = Field(description="its class: lossless, lossy, irreversible, unproven, ...")
    reason: str = ""
    losses: tuple[RowLoss, ...] = Field(default=(), description="of generated rows")
    seed_losses: tuple[RowLoss, ...] = Field(default=(), description="of the target's own rows")
    schema_differences: tuple[str, ...] = Field(default=(), description="left by the downgrade")
    reordered: dict[str, tuple[str, ...]] = Field(default={}, description="columns in another order, by table")
    renamed: tuple[str, ...] = Field(default=(), description="NOT NULL constraints under other names")
    locks: tuple[RelationLock, ...] = ()
    without_lock_timeout: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()
    up_seconds: float = Field(default=0.0, description="of the upgrade's own statements")
    down_seconds: float = Field(default=0.0, description="of the downgrade's own statements")
    statements: int = 0
    atomic: bool = True
    interruptions: tuple[StepInterruption, ...] = ()
    not_interrupted: tuple[str, ...] = ()
    rows: int = Field(default=0, description="generated rows")
    restored: str = Field(default="", description="what a restore brought back, instead of a downgrade")
    undeclared_loss: bool = Field(
        default=False, description="what the upgrade added is dropped, which nothing declares; no finding by default"
    )
    findings: tuple[str, ...] = Field(default=(), description="codes")

"""What is left when a step fails half-way, and what restores it: by failing it at each of its statements."""

from __future__ import annotations

import psycopg

from rollback_drills.migrations.walker import Walked
from rollback_drills.postgres.schema_live import Delta
from rollback_drills.reversibility.bench import Bench
from rollback_drills.reversibility.cleanup import clean_up
from rollback_drills.reversibility.proof import Interruption

MOST = 12  # statements at which a step is interrupted


def interrupt(bench: Bench, revision: str, up: Walked) -> tuple[list[Interruption], bool]:
    """Fail the upgrade at each statement, from right below it, and go up again at the end.

    Only for steps that are not one transaction: of one that is, PostgreSQL leaves nothing.

    Returns:
        What was seen, and whether the schema is in the end what it was.
    """
    found: list[Interruption] = []
    down = bench.move("downgrade", revision)
    if down.walked.error is not None:
        return [], False
    total = down.refresh.delta
    for at in range(min(len(up.statements) + 1, MOST)):
        failed = bench.move("upgrade", revision, fail_at=at)
        total = total.then(failed.refresh.delta)
        if failed.walked.error is None:
            return found, not total
        statement = up.statements[at].sql.splitlines()[0][:200] if at < len(up.statements) else "the version is written"
        left = failed.refresh.delta
        if not left:
            found.append(Interruption(at, statement, (), "nothing"))
            continue
        done, restoring = _restore(bench, revision, at, statement, left)
        total = total.then(restoring)
        found.append(done)
        if not done.restored_by:
            return found, False
    last = bench.move("upgrade", revision)
    return found, last.walked.error is None and not total.then(last.refresh.delta)


def _restore(bench: Bench, revision: str, at: int, statement: str, left: Delta) -> tuple[Interruption, Delta]:
    """Try what an operator would: the upgrade again (and down, to be where it began), then a clean-up by hand."""
    lines = tuple(left.diff().lines())
    again = bench.move("upgrade", revision)
    done = again.refresh.delta
    if again.walked.error is None:
        down = bench.move("downgrade", revision)
        done = done.then(down.refresh.delta)
        if down.walked.error is None and not left.then(done):
            return Interruption(at, statement, lines, "upgrade", (f"alembic upgrade {revision}",)), done
        return Interruption(at, statement, lines, ""), done
    commands = clean_up(left.then(done).diff())
    for command in commands:
        try:
            bench.conn.execute(command.encode())
        except psycopg.Error:
            break
    done = done.then(bench.schema.refresh((), everything=True).delta)
    restored = "clean-up" if commands and not left.then(done) else ""
    return Interruption(at, statement, lines, restored, commands), done

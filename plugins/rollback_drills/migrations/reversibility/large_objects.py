"""Large objects in a round trip: what the upgrade destroyed, and what the downgrade leaves behind."""

from __future__ import annotations

from rollback_drills.migrations.reversibility.snapshots import Loss, Snapshot, compare
from rollback_drills.postgres import LARGE_OBJECTS, Connection, read_pinned
from rollback_drills.postgres.large_objects import FIELDS, has_large_objects

_COLUMNS = ("oid", "owner", "grants", "comment", "content")


def read_large_objects(conn: Connection) -> Snapshot:
    """All large objects, as the rows of a table; their content as a digest."""
    query = f"SELECT {', '.join(f'f.{name}::text' for name in _COLUMNS)} FROM ({FIELDS}) AS f ORDER BY f.oid"
    rows = tuple(read_pinned(conn, [query])[0]) if has_large_objects(conn) else ()
    return Snapshot(LARGE_OBJECTS, _COLUMNS, ("oid",), rows)


def lost(before: Snapshot | None, after: Snapshot | None) -> list[Loss]:
    """What is gone or changed after the downgrade."""
    return compare(before, after, written="before") if before is not None and after is not None else []


def left_over(before: Snapshot | None, after: Snapshot | None) -> list[str]:
    """Large objects that were not there before the upgrade, as lines of a schema's difference."""
    if before is None or after is None:
        return []
    known = {row[0] for row in before.rows}
    return [f"+ left over large object {row[0]} of {row[1]}" for row in after.rows if row[0] not in known]

"""What a report does to a parcel. Every statement may be repeated: carriers send the same report again."""

from __future__ import annotations

from typing import Any

from psycopg2.extras import Json

_PARCEL = """
    INSERT INTO parcels (number, carrier, status) VALUES (%(parcel)s, %(carrier)s, %(status)s)
    ON CONFLICT (number) DO NOTHING
"""
_DELIVERY = """
    INSERT INTO deliveries (event_id, carrier, parcel, status, payload)
    VALUES (%(event_id)s, %(carrier)s, %(parcel)s, %(status)s, %(payload)s)
    ON CONFLICT (event_id) DO NOTHING
"""
_STATUS = """
    UPDATE parcels SET status = %(status)s, updated_at = now(),
        delivered_at = CASE WHEN %(status)s = 'delivered' THEN coalesce(delivered_at, now()) ELSE delivered_at END
    WHERE number = %(parcel)s
"""
_HISTORY = "INSERT INTO parcel_history (parcel, status) VALUES (%(parcel)s, %(status)s)"


def record(cursor: Any, carrier: str, report: dict[str, Any]) -> bool:
    """Store a report. Returns False if it was stored before; then nothing changes."""
    values = {
        "event_id": report["event_id"],
        "carrier": carrier,
        "parcel": report["parcel"],
        "status": report["status"],
        "payload": Json(report),
    }
    cursor.execute(_PARCEL, values)
    cursor.execute(_DELIVERY, values)
    if cursor.rowcount == 0:
        return False
    cursor.execute(_STATUS, values)
    cursor.execute(_HISTORY, values)
    return True


def find(cursor: Any, number: str) -> dict[str, Any] | None:
    """Where a parcel is, and where it has been; None for one that nobody has reported."""
    cursor.execute("SELECT carrier, status, delivered_at FROM parcels WHERE number = %s", (number,))
    if (row := cursor.fetchone()) is None:
        return None
    cursor.execute("SELECT status FROM parcel_history WHERE parcel = %s ORDER BY id", (number,))
    history = [status for (status,) in cursor.fetchall()]
    return {
        "parcel": number,
        "carrier": row[0],
        "status": row[1],
        "delivered_at": row[2].isoformat() if row[2] else None,
        "history": history,
    }


def check(cursor: Any) -> None:
    """Read every table and column that this release needs, though no row of them.

    Raises:
        psycopg2.Error: one is not there.
    """
    cursor.execute("SELECT number, carrier, status, updated_at, delivered_at FROM parcels LIMIT 0")
    cursor.execute("SELECT event_id, carrier, parcel, status, payload FROM deliveries LIMIT 0")
    cursor.execute("SELECT parcel, status FROM parcel_history LIMIT 0")

"""Large objects as rows: a migration or a backup command can lose them without touching a table.

Manual: "Large Objects"; system catalogues pg_largeobject and pg_largeobject_metadata.
"""

from __future__ import annotations

from typing import Final

from rollback_drills.postgres.connection import Connection

LARGE_OBJECTS: Final = "large objects"
"""Stands in place of a table's name wherever rows are listed; no qualified name of a table looks like it."""

COLUMNS: Final = ("comment", "content", "grants", "oid", "owner")
_AT_ONCE: Final = 64 * 1024 * 1024  # bytes that are read as one value; a larger object is read page by page

# A NULL ACL equals the explicit default. Pages that were never written read as zeros (lo_get fills them).
FIELDS: Final = f"""SELECT m.oid, pg_get_userbyid(m.lomowner) AS owner,
  (SELECT string_agg(a::text, ',' ORDER BY a::text)
     FROM unnest(coalesce(m.lomacl, acldefault('L', m.lomowner))) AS a) AS grants,
  obj_description(m.oid, 'pg_largeobject') AS comment,
  CASE WHEN p.size <= {_AT_ONCE} THEN md5(lo_get(m.oid)) ELSE p.digest END AS content
FROM pg_catalog.pg_largeobject_metadata m, LATERAL (
  SELECT coalesce(sum(length(l.data)), 0) AS size,
    CASE WHEN sum(length(l.data)) > {_AT_ONCE}
      THEN md5(string_agg(l.pageno || ':' || md5(l.data), ',' ORDER BY l.pageno)) END AS digest
  FROM pg_catalog.pg_largeobject l WHERE l.loid = m.oid) p"""
ROWS: Final = f"SELECT ROW(f.comment, f.content, f.grants, f.oid, f.owner)::text AS t FROM ({FIELDS}) AS f"


def has_large_objects(conn: Connection) -> bool:
    """Whether the database has any; every role may ask this, but only a superuser may read their content."""
    return bool(conn.execute(b"SELECT FROM pg_catalog.pg_largeobject_metadata LIMIT 1").rowcount)

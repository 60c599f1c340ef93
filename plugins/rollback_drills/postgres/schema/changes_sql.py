"""The catalogue query for changes since a transaction: which relations changed, and whether anything else did.

Catalogue rows that were written since then have a younger ``xmin``. Deleted rows leave nothing, so relations that the
transactions locked count as changed, and all other rows are counted. Every change of a relation locks it, except GRANT
and REVOKE, which write to pg_class or, for a column, to pg_attribute; the latter is large, and read only on request.

Parameters: ``$1`` (``oid[]``) locked relations, ``$2`` (``xid``) the first transaction id since then, ``$3``
(``boolean``) whether privileges of columns may have changed.
"""

from __future__ import annotations

from typing import Final

from rollback_drills.postgres.schema.others_sql import FIRST_NORMAL_OID, PG15

# The catalogues that the fingerprint reads besides relations, and the condition for their rows.
_USER: Final = f"oid >= {FIRST_NORMAL_OID}"
_RELATION_PARTS: Final = "('pg_class'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_rewrite'::regclass)"
_CATALOGUES: Final[dict[str, str]] = {
    "pg_namespace": "true",
    "pg_type": f"{_USER} AND typrelid = 0 AND (typtype <> 'b' OR typelem = 0)",
    "pg_enum": _USER,
    "pg_proc": _USER,
    "pg_statistic_ext": "true",
    "pg_extension": "true",
    "pg_event_trigger": "true",
    "pg_publication": "true",
    "pg_publication_rel": "true",
    "pg_ts_config": _USER,
    "pg_ts_config_map": f"mapcfg >= {FIRST_NORMAL_OID}",
    "pg_ts_dict": _USER,
    "pg_ts_parser": _USER,
    "pg_ts_template": _USER,
    "pg_operator": _USER,
    "pg_opclass": _USER,
    "pg_opfamily": _USER,
    "pg_amop": _USER,
    "pg_amproc": _USER,
    "pg_cast": _USER,
    "pg_collation": _USER,
    "pg_conversion": _USER,
    "pg_transform": _USER,
    "pg_language": "true",
    "pg_am": _USER,
    "pg_foreign_data_wrapper": "true",
    "pg_foreign_server": "true",
    "pg_user_mapping": "true",
    "pg_default_acl": "true",
    "pg_description": f"objoid >= {FIRST_NORMAL_OID} AND classoid NOT IN {_RELATION_PARTS}",
    "pg_description AS public": "objoid IN (SELECT oid FROM pg_namespace) AND classoid = 'pg_namespace'::regclass",
    "pg_seclabel": f"classoid NOT IN {_RELATION_PARTS}",
    "pg_constraint": "contypid <> 0",
    "pg_db_role_setting": "setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))",
    "pg_database": "datname = current_database()",
    "pg_shdescription": "objoid = (SELECT oid FROM pg_database WHERE datname = current_database())",
}


def statement(version: int) -> str:
    """Rows ``(what, oid, name, kind, filenode)``.

    ``what`` is ``since`` (``name``: the transaction id for the next query), ``rest`` (``kind``: whether anything but
    relations was written; ``name``: the numbers of rows) or ``relation`` (may have changed; with a name if it exists).
    """
    catalogues = dict(_CATALOGUES)
    if version >= PG15:
        catalogues["pg_publication_namespace"] = "true"
    rest = "\n  UNION ALL ".join(
        f"SELECT count(*) AS rows, bool_or({_recent('x.xmin')}) AS written FROM {_aliased(name)} WHERE {condition}"
        for name, condition in catalogues.items()
    )
    return f"""WITH written AS MATERIALIZED (
  SELECT oid FROM pg_class x WHERE {_USER} AND {_recent("x.xmin")}
  UNION SELECT attrelid FROM pg_attribute x WHERE $3 AND attrelid >= {FIRST_NORMAL_OID} AND {_recent("x.xmin")}
  UNION SELECT unnest($1)),
owners AS MATERIALIZED (
  SELECT oid FROM written UNION SELECT indrelid FROM pg_index WHERE indexrelid IN (SELECT oid FROM written)),
referring AS MATERIALIZED (
  SELECT oid FROM owners
  UNION SELECT conrelid FROM pg_constraint WHERE contype = 'f' AND confrelid IN (SELECT oid FROM owners)
  UNION SELECT inhrelid FROM pg_inherits WHERE inhparent IN (SELECT oid FROM owners)
  UNION SELECT coalesce(w.ev_class, a.adrelid, p.polrelid, t.tgrelid, s.oid)
    FROM pg_depend d
    LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
    LEFT JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid
    LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
    LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
    LEFT JOIN pg_class s ON d.classid = 'pg_class'::regclass AND s.oid = d.objid AND s.relkind = 'S'
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT oid FROM owners))
SELECT 'since' AS what, NULL::oid AS oid, (txid_snapshot_xmax(txid_current_snapshot()) % 4294967296)::text AS name,
  NULL AS kind, NULL::oid AS filenode
UNION ALL
SELECT 'rest', NULL, string_agg(rows::text, ','), bool_or(written)::text, NULL FROM (
  {rest}) r
UNION ALL
SELECT 'relation', r.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind::text, c.relfilenode
FROM referring r LEFT JOIN pg_class c ON c.oid = r.oid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.oid IS NOT NULL AND coalesce(n.nspname, '') !~ '^pg_'"""


def _recent(xmin: str) -> str:
    return f"age({xmin}) <= age($2)"


def _aliased(name: str) -> str:
    return f"{name.partition(' AS ')[0]} x"

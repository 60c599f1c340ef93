"""The catalogue query of the schema fingerprint for relations and their dependents.

Each part yields rows ``(kind, name, definition)``; `statement` joins all parts into one SELECT. The parts are written
for PostgreSQL 13 to 18; ``version`` is ``server_version_num``. They run with an empty search path, so that
``regclass``, ``format_type`` and the ``pg_get_*def`` functions qualify every name (manual: "System Information
Functions and Operators"). No part prints an OID. Catalogue columns: manual, "System Catalogs".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from rollback_drills.postgres.connection import quote_literal
from rollback_drills.postgres.schema import others_sql as other
from rollback_drills.postgres.schema.others_sql import FIRST_NORMAL_OID, PG14, not_extension, options, owner


def statement(version: int, ignore_tables: Sequence[str]) -> str:
    """One SELECT over the whole catalogue of the current database, rows ``(kind, name, definition)``."""
    parts = [_triple(part(version)) for part in RELATION_PARTS] + [part(version) for part in other.PARTS]
    return "WITH " + _common(ignore_tables) + "\nUNION ALL\n".join(parts)


def relations_statement(version: int, ignore_tables: Sequence[str]) -> str:
    """As `statement`, but only for the relations with the OIDs ``$1`` (``oid[]``) and their dependents.

    Rows ``(kind, name, definition, relation)``.
    """
    common = _common(ignore_tables, these="$1")
    return (
        "WITH "
        + common
        + "\nUNION ALL\n".join(
            f"SELECT * FROM (\n{part(version)}\n) AS part (kind, name, definition, relation) WHERE relation IS NOT NULL"
            for part in RELATION_PARTS
        )
    )


def rest_statement(version: int, ignore_tables: Sequence[str]) -> str:
    """As `statement`, but only for everything that does not depend on a relation."""
    parts = [part(version) for part in other.PARTS]
    of_domains = [_triple(part(version)) + " WHERE part.relation IS NULL" for part in (constraints, not_null_names)]
    return "WITH " + _common(ignore_tables) + "\nUNION ALL\n".join([*parts, *of_domains])


def _triple(part: str) -> str:
    """The part without its fourth column, the relation's OID."""
    return f"SELECT part.kind, part.name, part.definition FROM (\n{part}\n) AS part (kind, name, definition, relation)"


def _common(ignore_tables: Sequence[str], these: str = "") -> str:
    """The common table expressions of all parts; with ``these`` (an array of OIDs), only for these relations."""
    only = f"AND c.oid = ANY ({these})" if these else ""
    of_these = f"AND classid = 'pg_class'::regclass AND objid = ANY ({these})" if these else ""
    no_types = "AND false" if these else ""
    ignored = "ARRAY[" + ", ".join(quote_literal(name) for name in ignore_tables) + "]::text[]"
    return f"""ns AS MATERIALIZED (
  SELECT oid, nspname, nspowner, nspacl, quote_ident(nspname) AS q FROM pg_namespace
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
ext AS MATERIALIZED (SELECT classid, objid FROM pg_depend WHERE deptype = 'e' {of_these}),
rel AS MATERIALIZED (
  SELECT c.*, ns.q AS nsq, ns.q || '.' || quote_ident(c.relname) AS q FROM pg_class c
    JOIN ns ON ns.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c') AND {not_extension("pg_class", "c.oid")}
    AND (c.relkind <> 'c' OR {not_extension("pg_type", "c.reltype")})
    AND c.relname <> ALL ({ignored}) AND ns.nspname || '.' || c.relname <> ALL ({ignored})
    {only}
    ),
att AS MATERIALIZED (
  SELECT r.q, r.relkind, r.relowner, a.* FROM rel r
  JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
  WHERE r.relkind <> 'S'),
typ AS MATERIALIZED (
  SELECT t.*, ns.q || '.' || quote_ident(t.typname) AS q FROM pg_type t JOIN ns ON ns.oid = t.typnamespace
  WHERE t.oid >= {FIRST_NORMAL_OID} AND {not_extension("pg_type", "t.oid")} {no_types}
    AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
    AND NOT EXISTS (SELECT FROM pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid)),
fun AS MATERIALIZED (
  SELECT p.*, ns.q || '.' || quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid)
    || ')' AS q
  FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace
  WHERE p.oid >= {FIRST_NORMAL_OID} AND {not_extension("pg_proc", "p.oid")}
    AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i'))
"""


def tables(version: int) -> str:
    """Ordinary, partitioned and foreign tables, without their columns."""
    detaching = "bool_or(i.inhdetachpending)" if version >= PG14 else "false"
    return f"""SELECT CASE r.relkind WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind, r.q AS name,
  concat('CREATE ', CASE r.relpersistence WHEN 'u' THEN 'UNLOGGED ' END,
    CASE r.relkind WHEN 'f' THEN 'FOREIGN ' END, 'TABLE ', r.q,
    ' OF ' || nullif(r.reloftype, 0)::regtype,
    CASE WHEN r.relispartition THEN ' PARTITION OF ' || h.parents || ' ' || pg_get_expr(r.relpartbound, r.oid)
         ELSE ' INHERITS (' || h.parents || ')' END, CASE WHEN h.detaching THEN ' DETACH PENDING' END,
    CASE r.relkind WHEN 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(r.oid) END,
    ' USING ' || quote_ident(am.amname),
    ' SERVER ' || quote_ident(s.srvname), {options("f.ftoptions", "OPTIONS")},
    {options("r.reloptions")}, {options("t.reloptions", "TOAST WITH")},
    ' TABLESPACE ' || quote_ident(ts.spcname), {owner("r.relowner")},
    CASE WHEN r.relrowsecurity THEN ' ENABLE ROW LEVEL SECURITY' END,
    CASE WHEN r.relforcerowsecurity THEN ' FORCE ROW LEVEL SECURITY' END,
    CASE r.relreplident WHEN 'f' THEN ' REPLICA IDENTITY FULL' WHEN 'n' THEN ' REPLICA IDENTITY NOTHING'
      WHEN 'i' THEN ' REPLICA IDENTITY USING INDEX' END) AS definition, r.oid AS relation
FROM rel r
LEFT JOIN pg_am am ON am.oid = r.relam
LEFT JOIN pg_class t ON t.oid = nullif(r.reltoastrelid, 0)
LEFT JOIN pg_tablespace ts ON ts.oid = r.reltablespace
LEFT JOIN pg_foreign_table f ON f.ftrelid = r.oid
LEFT JOIN pg_foreign_server s ON s.oid = f.ftserver
LEFT JOIN (SELECT i.inhrelid, string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno) AS parents,
             {detaching} AS detaching FROM pg_inherits i GROUP BY 1) h ON h.inhrelid = r.oid
WHERE r.relkind IN ('r', 'p', 'f')"""


def columns(version: int) -> str:
    """Columns, without their positions: DROP and ADD COLUMN cannot restore a position."""
    compression = (
        "CASE a.attcompression WHEN 'p' THEN ' COMPRESSION pglz' WHEN 'l' THEN ' COMPRESSION lz4' END"
        if version >= PG14
        else "NULL"
    )
    return f"""SELECT CASE a.relkind WHEN 'c' THEN 'attribute' ELSE 'column' END,
  a.q || '.' || quote_ident(a.attname), concat(quote_ident(a.attname), ' ', format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attcollation <> t.typcollation THEN
      (SELECT ' COLLATE ' || n.nspname || '.' || quote_ident(c.collname)
       FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = a.attcollation) END,
    CASE a.attidentity WHEN 'a' THEN ' GENERATED ALWAYS AS IDENTITY'
      WHEN 'd' THEN ' GENERATED BY DEFAULT AS IDENTITY' END,
    CASE a.attgenerated WHEN '' THEN ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid)
      ELSE ' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ')'
        || CASE a.attgenerated WHEN 's' THEN ' STORED' ELSE ' VIRTUAL' END END,
    CASE WHEN a.attnotnull THEN ' NOT NULL' END,
    CASE WHEN a.attstorage <> t.typstorage THEN ' STORAGE ' || CASE a.attstorage WHEN 'p' THEN 'PLAIN'
      WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END,
    {compression}, CASE WHEN a.attstattarget >= 0 THEN ' STATISTICS ' || a.attstattarget END,
    {options("a.attoptions")}, {options("a.attfdwoptions", "OPTIONS")},
    CASE WHEN a.attinhcount > 0 THEN ' INHERITED' || CASE WHEN a.attislocal THEN ' AND LOCAL' ELSE '' END END),
    a.attrelid
FROM att a
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON a.atthasdef AND d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.relkind <> 'v' OR a.atthasdef"""


def column_order(version: int) -> str:
    """The order of columns, as JSON under the reserved kind ``#order``."""
    return """SELECT '#order', a.q, json_agg(a.attname ORDER BY a.attnum)::text, a.attrelid
FROM att a WHERE a.relkind IN ('r', 'p', 'f', 'c') GROUP BY a.q, a.attrelid"""


def constraints(version: int) -> str:
    """Table and domain constraints; pg_get_constraintdef includes NOT VALID, NO INHERIT, DEFERRABLE and NOT ENFORCED.

    Foreign keys that a partition inherits are left out. Foreign keys that ALTER TABLE ... DISABLE TRIGGER ALL has
    disabled are shown as such, unlike by pg_dump.
    """
    return """SELECT CASE WHEN c.contypid <> 0 THEN 'domain constraint' ELSE 'constraint' END,
  coalesce(r.q, t.q) || '.' || quote_ident(c.conname),
  concat('CONSTRAINT ', quote_ident(c.conname), ' ', pg_get_constraintdef(c.oid),
    CASE WHEN c.coninhcount > 0 THEN ' INHERITED' || CASE WHEN c.conislocal THEN ' AND LOCAL' ELSE '' END END,
    ' WITH ITS TRIGGERS IN STATE ' || g.states), r.oid
FROM pg_constraint c
LEFT JOIN rel r ON r.oid = c.conrelid
LEFT JOIN typ t ON t.oid = c.contypid
LEFT JOIN (SELECT tgconstraint, string_agg(DISTINCT tgenabled::text, ', ') AS states FROM pg_trigger
           WHERE tgisinternal AND tgenabled <> 'O' GROUP BY 1) g ON g.tgconstraint = c.oid
WHERE coalesce(r.oid, t.oid) IS NOT NULL AND c.contype IN ('c', 'f', 'p', 'u', 'x')
  AND NOT (c.contype = 'f' AND c.conparentid <> 0)"""


def not_null_names(version: int) -> str:
    """NOT NULL constraints that say more than the column's NOT NULL (tables: PostgreSQL 18, domains: 17).

    The server names them ``<table>_<column>_not_null``, and keeps the name when either is renamed. Like pg_dump, this
    includes only other names, NOT VALID and NO INHERIT; as an entry of its own kind, which distinguishes a mere name
    from a lost NOT NULL.
    """
    return f"""SELECT 'not-null constraint', coalesce(r.q, t.q) || '.' || quote_ident(c.conname),
  concat('CONSTRAINT ', quote_ident(c.conname), ' ', pg_get_constraintdef(c.oid),
    CASE WHEN c.coninhcount > 0 THEN ' INHERITED' || CASE WHEN c.conislocal THEN ' AND LOCAL' ELSE '' END END), r.oid
FROM pg_constraint c
LEFT JOIN rel r ON r.oid = c.conrelid
LEFT JOIN typ t ON t.oid = c.contypid
LEFT JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
WHERE c.oid >= {FIRST_NORMAL_OID} AND c.contype = 'n' AND coalesce(r.oid, t.oid) IS NOT NULL
  AND (c.connoinherit OR NOT c.convalidated
       OR c.conname <> coalesce(r.relname || '_' || a.attname, t.typname) || '_not_null')"""


def indexes(version: int) -> str:
    """Indexes, with the flags that CREATE INDEX does not show."""
    return """SELECT 'index', r.nsq || '.' || quote_ident(c.relname),
  concat(pg_get_indexdef(i.indexrelid), ' TABLESPACE ' || quote_ident(ts.spcname),
    ' PARTITION OF ' || h.inhparent::regclass,
    CASE WHEN i.indisprimary THEN ' PRIMARY' END, CASE WHEN i.indisexclusion THEN ' EXCLUSION' END,
    CASE WHEN NOT i.indisvalid THEN ' INVALID' END, CASE WHEN NOT i.indisready THEN ' NOT READY' END,
    CASE WHEN NOT i.indislive THEN ' NOT LIVE' END, CASE WHEN NOT i.indimmediate THEN ' DEFERRABLE' END,
    CASE WHEN i.indisreplident THEN ' REPLICA IDENTITY' END, CASE WHEN i.indisclustered THEN ' CLUSTER' END,
    ' STATISTICS ' || (SELECT string_agg(a.attnum || '=' || a.attstattarget, ', ' ORDER BY a.attnum)
      FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0)), r.oid
FROM rel r
JOIN pg_index i ON i.indrelid = r.oid
JOIN pg_class c ON c.oid = i.indexrelid
LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid"""


def sequences(version: int) -> str:
    """Sequences with their limits and owner column; their current values are data, not schema."""
    return f"""SELECT 'sequence', r.q, concat('CREATE ', CASE r.relpersistence WHEN 'u' THEN 'UNLOGGED ' END,
    'SEQUENCE ', r.q, ' AS ', format_type(s.seqtypid, NULL), ' START ', s.seqstart, ' INCREMENT ',
      s.seqincrement, ' MINVALUE ', s.seqmin, ' MAXVALUE ', s.seqmax, ' CACHE ', s.seqcache,
      CASE WHEN s.seqcycle THEN ' CYCLE' END,
    CASE d.deptype WHEN 'i' THEN ' IDENTITY OF ' ELSE ' OWNED BY ' END
      || d.refobjid::regclass || '.' || quote_ident(a.attname), {owner("r.relowner")}), r.oid
FROM rel r
JOIN pg_sequence s ON s.seqrelid = r.oid
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.objsubid = 0
  AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE r.relkind = 'S'"""


def views(version: int) -> str:
    """Views, and materialised views with whether they hold data."""
    return f"""SELECT CASE r.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, r.q,
  concat('CREATE ', CASE r.relkind WHEN 'm' THEN 'MATERIALIZED ' END, 'VIEW ', r.q,
    ' USING ' || quote_ident(am.amname), {options("r.reloptions")}, ' TABLESPACE ' || quote_ident(ts.spcname),
    {owner("r.relowner")}, CASE WHEN NOT r.relispopulated THEN ' WITH NO DATA' END,
    ' AS ', rtrim(pg_get_viewdef(r.oid), ';')), r.oid
FROM rel r
LEFT JOIN pg_am am ON am.oid = r.relam
LEFT JOIN pg_tablespace ts ON ts.oid = r.reltablespace
WHERE r.relkind IN ('v', 'm')"""


def triggers(version: int) -> str:
    """Triggers; a partition's copy only where its state differs from the original's."""
    return """SELECT 'trigger', r.q || '.' || quote_ident(t.tgname),
  concat(pg_get_triggerdef(t.oid), CASE t.tgenabled WHEN 'D' THEN ' DISABLED' WHEN 'R' THEN ' ENABLE REPLICA'
    WHEN 'A' THEN ' ENABLE ALWAYS' END), r.oid
FROM rel r
JOIN pg_trigger t ON t.tgrelid = r.oid
LEFT JOIN pg_trigger p ON p.oid = t.tgparentid
WHERE (NOT t.tgisinternal AND t.tgparentid = 0)
  OR (t.tgparentid <> 0 AND t.tgenabled <> p.tgenabled AND t.tgconstraint = 0)"""


def rules(version: int) -> str:
    """Rewrite rules, except for the one behind each view."""
    return f"""SELECT 'rule', r.q || '.' || quote_ident(w.rulename),
  concat(rtrim(pg_get_ruledef(w.oid), ';'),
    CASE w.ev_enabled WHEN 'D' THEN ' DISABLED' WHEN 'R' THEN ' ENABLE REPLICA'
    WHEN 'A' THEN ' ENABLE ALWAYS' END), r.oid
FROM rel r JOIN pg_rewrite w ON w.ev_class = r.oid
WHERE w.oid >= {FIRST_NORMAL_OID} AND (w.rulename <> '_RETURN' OR r.relkind NOT IN ('v', 'm'))"""


def policies(version: int) -> str:
    """Row level security policies."""
    return """SELECT 'policy', r.q || '.' || quote_ident(p.polname),
  concat('CREATE POLICY ', quote_ident(p.polname), ' ON ', r.q,
    CASE WHEN p.polpermissive THEN ' AS PERMISSIVE' ELSE ' AS RESTRICTIVE' END,
    CASE p.polcmd WHEN 'r' THEN ' FOR SELECT' WHEN 'a' THEN ' FOR INSERT' WHEN 'w' THEN ' FOR UPDATE'
      WHEN 'd' THEN ' FOR DELETE' ELSE ' FOR ALL' END,
    ' TO ', (SELECT string_agg(CASE o WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(o)) END,
      ', ' ORDER BY
      CASE o WHEN 0 THEN '' ELSE pg_get_userbyid(o) END) FROM unnest(p.polroles) AS o),
    ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
    ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'), r.oid
FROM rel r JOIN pg_policy p ON p.polrelid = r.oid"""


RELATION_PARTS: Final[tuple[Callable[[int], str], ...]] = (
    tables,
    columns,
    column_order,
    constraints,
    not_null_names,
    indexes,
    sequences,
    views,
    triggers,
    rules,
    policies,
    other.relation_grants,
    other.relation_comments,
)

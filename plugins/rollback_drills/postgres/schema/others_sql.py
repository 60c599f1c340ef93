"""The catalogue query of the schema fingerprint for everything that does not depend on a relation.

Columns of later versions of PostgreSQL are read as ``to_jsonb(row) ->> 'name'``, which is NULL where the column does
not exist. That costs microseconds per row, and is used only for kinds of objects of which a database has few.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

PG14, PG15 = 140000, 150000
FIRST_NORMAL_OID: Final = 16384  # objects below came with initdb (PostgreSQL source: access/transam.h)


def not_extension(catalog: str, oid: str) -> str:
    """SQL: the object is no member of an extension (manual: "Packaging Related Objects into an Extension")."""
    return f"NOT EXISTS (SELECT FROM ext WHERE ext.classid = '{catalog}'::regclass AND ext.objid = {oid})"


def options(array: str, keyword: str = "WITH") -> str:
    """SQL: `` WITH (a=1, b=2)`` sorted, or NULL; SET and RESET change their order.

    Without ``pg_attver``, which PostgreSQL 15.20 keeps among the options of every column: neither SET nor RESET changes
    it, each ALTER TABLE does, and no dump contains it.
    """
    return (
        f"(SELECT ' {keyword} (' || string_agg(o, ', ' ORDER BY o) || ')'"
        f" FROM unnest({array}) AS o WHERE o NOT LIKE 'pg\\_attver=%')"
    )


def owner(oid: str) -> str:
    """SQL: `` OWNER name``."""
    return f"' OWNER ' || quote_ident(pg_get_userbyid({oid}))"


def schemas(version: int) -> str:
    """Schemas."""
    return f"""SELECT 'schema', n.q, concat('CREATE SCHEMA ', n.q, {owner("n.nspowner")})
FROM ns n WHERE {not_extension("pg_namespace", "n.oid")}"""


def types(version: int) -> str:
    """ENUM (labels in order), composite, range and base types, and domains; their attributes are columns."""
    multirange = "', MULTIRANGE_TYPE_NAME = ' || g.rngmultitypid::regtype" if version >= PG14 else "NULL"
    return f"""SELECT CASE t.typtype WHEN 'd' THEN 'domain' WHEN 'e' THEN 'enum' ELSE 'type' END, t.q,
  concat('CREATE ', CASE t.typtype
    WHEN 'e' THEN concat('TYPE ', t.q, ' AS ENUM (', (SELECT string_agg(quote_literal(e.enumlabel), ', '
      ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid), ')')
    WHEN 'd' THEN concat('DOMAIN ', t.q, ' AS ', format_type(t.typbasetype, t.typtypmod),
      CASE WHEN t.typcollation <> b.typcollation THEN (SELECT ' COLLATE ' || n.nspname || '.'
      || quote_ident(c.collname)
        FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = t.typcollation) END,
      ' DEFAULT ' || pg_get_expr(t.typdefaultbin, 0), CASE WHEN t.typnotnull THEN ' NOT NULL' END)
    WHEN 'c' THEN concat('TYPE ', t.q, ' AS (...)')
    WHEN 'r' THEN concat('TYPE ', t.q, ' AS RANGE (SUBTYPE = ', g.rngsubtype::regtype, ', SUBTYPE_OPCLASS = ',
      (SELECT n.nspname || '.' || quote_ident(o.opcname) FROM pg_opclass o
       JOIN pg_namespace n ON n.oid = o.opcnamespace WHERE o.oid = g.rngsubopc),
      ', COLLATION = ' || (SELECT n.nspname || '.' || quote_ident(c.collname) FROM pg_collation c
       JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = g.rngcollation),
      ', CANONICAL = ' || nullif(g.rngcanonical, 0)::regproc,
      ', SUBTYPE_DIFF = ' || nullif(g.rngsubdiff, 0)::regproc, {multirange}, ')')
    ELSE concat('TYPE ', t.q, CASE WHEN t.typisdefined THEN concat(' (INPUT = ', t.typinput, ', OUTPUT = ',
      t.typoutput, ', RECEIVE = ', t.typreceive, ', SEND = ', t.typsend, ', TYPMOD_IN = ', t.typmodin,
      ', TYPMOD_OUT = ', t.typmodout, ', ANALYZE = ', t.typanalyze, ', SUBSCRIPT = '
      || (to_jsonb(t) ->> 'typsubscript'), ', INTERNALLENGTH = ', t.typlen,
      ', PASSEDBYVALUE = ', t.typbyval, ', ALIGNMENT = ', t.typalign, ', STORAGE = ', t.typstorage,
      ', CATEGORY = ', t.typcategory, ', PREFERRED = ', t.typispreferred, ', DEFAULT = '
      || quote_literal(t.typdefault), ', ELEMENT = ' || nullif(t.typelem, 0)::regtype, ', DELIMITER = ',
      t.typdelim, ', COLLATABLE = ', t.typcollation > 0, ')') END) END, {owner("t.typowner")})
FROM typ t
LEFT JOIN pg_type b ON b.oid = nullif(t.typbasetype, 0)
LEFT JOIN pg_range g ON g.rngtypid = t.oid
WHERE t.typtype IN ('b', 'c', 'd', 'e', 'p', 'r')"""


def routines(version: int) -> str:
    """Functions, procedures and aggregates."""
    return f"""SELECT CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, p.q,
  concat(rtrim(pg_get_functiondef(p.oid), E' \\n'), {owner("p.proowner")})
FROM fun p WHERE p.prokind <> 'a'
UNION ALL
SELECT 'aggregate', p.q, concat('CREATE AGGREGATE ', p.q, ' (RETURNS ', pg_get_function_result(p.oid),
    ', ARGUMENTS ', pg_get_function_arguments(p.oid), ', KIND ', a.aggkind, ' ', a.aggnumdirectargs,
    ', SFUNC ', a.aggtransfn, ', STYPE ', a.aggtranstype::regtype, ', SSPACE ', a.aggtransspace,
    ', FINALFUNC ', a.aggfinalfn, ' ', a.aggfinalextra, ' ', a.aggfinalmodify, ', COMBINEFUNC ',
      a.aggcombinefn, ', SERIALFUNC ', a.aggserialfn, ', DESERIALFUNC ', a.aggdeserialfn, ', MSFUNC ',
      a.aggmtransfn, ', MINVFUNC ', a.aggminvtransfn, ', MFINALFUNC ', a.aggmfinalfn, ' ', a.aggmfinalextra,
      ' ', a.aggmfinalmodify, ', MSTYPE ', nullif(a.aggmtranstype, 0)::regtype, ', MSSPACE ',
      a.aggmtransspace, ', INITCOND ' || quote_literal(a.agginitval), ', MINITCOND '
      || quote_literal(a.aggminitval), ', SORTOP ' || nullif(a.aggsortop, 0)::regoperator, ', PARALLEL ',
      p.proparallel, ')', {owner("p.proowner")})
FROM fun p JOIN pg_aggregate a ON a.aggfnoid = p.oid"""


def statistics(version: int) -> str:
    """Extended statistics."""
    return f"""SELECT 'statistics', n.q || '.' || quote_ident(s.stxname),
  concat(pg_get_statisticsobjdef(s.oid), CASE WHEN s.stxstattarget >= 0 THEN ' STATISTICS '
    || s.stxstattarget END, {owner("s.stxowner")})
FROM pg_statistic_ext s JOIN ns n ON n.oid = s.stxnamespace
  WHERE {not_extension("pg_statistic_ext", "s.oid")}"""


def extensions(version: int) -> str:
    """Extensions themselves; their members are left out everywhere."""
    return f"""SELECT 'extension', quote_ident(e.extname),
  concat('CREATE EXTENSION ', quote_ident(e.extname), ' SCHEMA ', quote_ident(n.nspname), ' VERSION ',
    quote_literal(e.extversion), {owner("e.extowner")})
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
UNION ALL
SELECT 'event trigger', quote_ident(v.evtname), concat('CREATE EVENT TRIGGER ', quote_ident(v.evtname),
  ' ON ', v.evtevent, ' WHEN TAG IN (' || array_to_string(v.evttags, ', ') || ')', ' EXECUTE FUNCTION ',
    v.evtfoid::regprocedure,
    CASE v.evtenabled WHEN 'D' THEN ' DISABLED' WHEN 'R' THEN ' ENABLE REPLICA'
      WHEN 'A' THEN ' ENABLE ALWAYS' END, {owner("v.evtowner")})
FROM pg_event_trigger v WHERE {not_extension("pg_event_trigger", "v.oid")}"""


def publications(version: int) -> str:
    """Publications and their tables and schemas. Subscriptions contain connection strings and are left out."""
    schemas_ = """
UNION ALL
SELECT 'publication schema', quote_ident(p.pubname) || ': ' || n.q, 'FOR TABLES IN SCHEMA ' || n.q
FROM pg_publication p JOIN pg_publication_namespace x ON x.pnpubid = p.oid JOIN ns n ON n.oid = x.pnnspid"""
    what = (
        """, ' (' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) FROM pg_attribute a
      WHERE a.attrelid = x.prrelid AND a.attnum = ANY (x.prattrs)) || ')',
    ' WHERE (' || pg_get_expr(x.prqual, x.prrelid) || ')'"""
        if version >= PG15
        else ""
    )
    return f"""SELECT 'publication', quote_ident(p.pubname), concat('CREATE PUBLICATION ',
        quote_ident(p.pubname),
    CASE WHEN p.puballtables THEN ' FOR ALL TABLES' END, ' PUBLISH (', concat_ws(', ',
      CASE WHEN p.pubinsert THEN 'insert' END,
      CASE WHEN p.pubupdate THEN 'update' END, CASE WHEN p.pubdelete THEN 'delete' END,
      CASE WHEN p.pubtruncate THEN 'truncate' END), ')',
      CASE WHEN p.pubviaroot THEN ' VIA PARTITION ROOT' END, ' GENERATED COLUMNS '
      || (to_jsonb(p) ->> 'pubgencols'), {owner("p.pubowner")})
FROM pg_publication p
UNION ALL
SELECT 'publication table', quote_ident(p.pubname) || ': ' || r.q, concat('FOR TABLE ', r.q{what})
FROM pg_publication p JOIN pg_publication_rel x ON x.prpubid = p.oid JOIN rel r ON r.oid = x.prrelid{
        schemas_ if version >= PG15 else ""
    }"""


def text_search(version: int) -> str:
    """Text search configurations with their mappings, dictionaries, parsers and templates."""
    return f"""SELECT 'text search configuration', n.q || '.' || quote_ident(c.cfgname),
  concat('PARSER ', (SELECT quote_ident(p.prsname) FROM pg_ts_parser p WHERE p.oid = c.cfgparser),
    ' MAPPING ', (SELECT string_agg((SELECT k.alias FROM ts_token_type(c.cfgparser) k
      WHERE k.tokid = m.maptokentype) || '='
       || m.mapdict::regdictionary, ', ' ORDER BY m.maptokentype, m.mapseqno)
     FROM pg_ts_config_map m WHERE m.mapcfg = c.oid), {owner("c.cfgowner")})
FROM pg_ts_config c JOIN ns n ON n.oid = c.cfgnamespace WHERE c.oid >= {FIRST_NORMAL_OID}
  AND {not_extension("pg_ts_config", "c.oid")}
UNION ALL
SELECT 'text search dictionary', n.q || '.' || quote_ident(d.dictname),
  concat('TEMPLATE ', (SELECT quote_ident(t.tmplname) FROM pg_ts_template t WHERE t.oid = d.dicttemplate),
    ' (' || d.dictinitoption || ')', {owner("d.dictowner")})
FROM pg_ts_dict d JOIN ns n ON n.oid = d.dictnamespace WHERE d.oid >= {FIRST_NORMAL_OID}
  AND {not_extension("pg_ts_dict", "d.oid")}
UNION ALL
SELECT 'text search parser', n.q || '.' || quote_ident(p.prsname),
  concat_ws(', ', p.prsstart, p.prstoken, p.prsend, p.prsheadline, p.prslextype)
FROM pg_ts_parser p JOIN ns n ON n.oid = p.prsnamespace WHERE {not_extension("pg_ts_parser", "p.oid")}
UNION ALL
SELECT 'text search template', n.q || '.' || quote_ident(t.tmplname), concat_ws(', ', t.tmplinit,
  t.tmpllexize)
FROM pg_ts_template t JOIN ns n ON n.oid = t.tmplnamespace WHERE {not_extension("pg_ts_template", "t.oid")}"""


def operators(version: int) -> str:
    """Operators, operator classes, and operator families with their members."""
    return f"""SELECT 'operator', o.oid::regoperator::text, concat('CREATE OPERATOR (FUNCTION ', o.oprcode,
        ', RETURNS ', o.oprresult::regtype, ', COMMUTATOR ' || nullif(o.oprcom, 0)::regoperator,
    ', NEGATOR ' || nullif(o.oprnegate, 0)::regoperator, ', RESTRICT ', o.oprrest, ', JOIN ', o.oprjoin,
    CASE WHEN o.oprcanhash THEN ', HASHES' END, CASE WHEN o.oprcanmerge THEN ', MERGES' END, ')',
      {owner("o.oprowner")})
FROM pg_operator o JOIN ns n ON n.oid = o.oprnamespace WHERE o.oid >= {FIRST_NORMAL_OID}
  AND {not_extension("pg_operator", "o.oid")}
UNION ALL
SELECT 'operator class', n.q || '.' || quote_ident(o.opcname) || ' using ' || m.amname,
  concat('CREATE OPERATOR CLASS',
    CASE WHEN o.opcdefault THEN ' DEFAULT' END, ' FOR TYPE ', o.opcintype::regtype, ' FAMILY ',
      quote_ident(f.opfname), ' STORAGE ' || nullif(o.opckeytype, 0)::regtype, {owner("o.opcowner")})
FROM pg_opclass o JOIN ns n ON n.oid = o.opcnamespace JOIN pg_am m ON m.oid = o.opcmethod
JOIN pg_opfamily f ON f.oid = o.opcfamily WHERE o.oid >= {FIRST_NORMAL_OID}
  AND {not_extension("pg_opclass", "o.oid")}
UNION ALL
SELECT 'operator family', n.q || '.' || quote_ident(f.opfname) || ' using ' || m.amname,
  concat('CREATE OPERATOR FAMILY', ' OPERATORS ' || (SELECT string_agg(concat_ws(' ', a.amopstrategy,
    a.amopopr::regoperator, a.amoppurpose), ', ' ORDER BY a.amopstrategy, a.amopopr::regoperator::text)
      FROM pg_amop a WHERE a.amopfamily = f.oid),
    ' FUNCTIONS ' || (SELECT string_agg(concat_ws(' ', a.amprocnum, a.amproc::regprocedure), ', '
      ORDER BY a.amprocnum, a.amproc::regprocedure::text) FROM pg_amproc a WHERE a.amprocfamily = f.oid),
    {owner("f.opfowner")})
FROM pg_opfamily f JOIN ns n ON n.oid = f.opfnamespace JOIN pg_am m ON m.oid = f.opfmethod
WHERE f.oid >= {FIRST_NORMAL_OID} AND {not_extension("pg_opfamily", "f.oid")}"""


def casts(version: int) -> str:
    """Casts, collations, conversions and transforms."""
    return f"""SELECT 'cast', c.castsource::regtype || ' as ' || c.casttarget::regtype,
  concat('CREATE CAST', ' WITH FUNCTION ' || nullif(c.castfunc, 0)::regprocedure, ' METHOD ', c.castmethod,
    ' CONTEXT ', c.castcontext)
FROM pg_cast c WHERE c.oid >= {FIRST_NORMAL_OID} AND {not_extension("pg_cast", "c.oid")}
UNION ALL
SELECT 'collation', n.q || '.' || quote_ident(c.collname) || ' encoding ' || c.collencoding,
  'CREATE COLLATION ' || (SELECT string_agg(k || '=' || v, ', ' ORDER BY k)
    FROM jsonb_each_text(to_jsonb(c)) AS j (k, v)
    WHERE k IN ('collprovider', 'collisdeterministic', 'collcollate', 'collctype', 'colliculocale',
      'colllocale', 'collicurules')) || {owner("c.collowner")}
FROM pg_collation c JOIN ns n ON n.oid = c.collnamespace WHERE c.oid >= {FIRST_NORMAL_OID}
  AND {not_extension("pg_collation", "c.oid")}
UNION ALL
SELECT 'conversion', n.q || '.' || quote_ident(c.conname), concat(pg_encoding_to_char(c.conforencoding),
  ' TO ', pg_encoding_to_char(c.contoencoding), ' FROM ', c.conproc,
    CASE WHEN c.condefault THEN ' DEFAULT' END, {owner("c.conowner")})
FROM pg_conversion c JOIN ns n ON n.oid = c.connamespace WHERE c.oid >= {FIRST_NORMAL_OID}
  AND {not_extension("pg_conversion", "c.oid")}
UNION ALL
SELECT 'transform', t.trftype::regtype || ' for ' || l.lanname, concat(t.trffromsql, ', ', t.trftosql)
FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang
WHERE t.oid >= {FIRST_NORMAL_OID} AND {not_extension("pg_transform", "t.oid")}"""


def foreign(version: int) -> str:
    """Languages, access methods, foreign data wrappers, servers and user mappings.

    The options of a user mapping may be passwords: 16 bits of their digest show that one changed, and no more.
    """
    return f"""SELECT 'language', quote_ident(l.lanname), concat('CREATE ',
        CASE WHEN l.lanpltrusted THEN 'TRUSTED ' END, 'LANGUAGE HANDLER ', l.lanplcallfoid::regproc,
        ' INLINE ', l.laninline::regproc, ' VALIDATOR ', l.lanvalidator::regproc,
    {owner("l.lanowner")})
FROM pg_language l WHERE l.oid >= {FIRST_NORMAL_OID} AND {not_extension("pg_language", "l.oid")}
UNION ALL
SELECT 'access method', quote_ident(a.amname), concat('TYPE ', a.amtype, ' HANDLER ', a.amhandler)
FROM pg_am a WHERE a.oid >= {FIRST_NORMAL_OID} AND {not_extension("pg_am", "a.oid")}
UNION ALL
SELECT 'foreign data wrapper', quote_ident(w.fdwname), concat('HANDLER ', w.fdwhandler::regproc,
  ' VALIDATOR ', w.fdwvalidator::regproc, {options("w.fdwoptions", "OPTIONS")}, {owner("w.fdwowner")})
FROM pg_foreign_data_wrapper w WHERE {not_extension("pg_foreign_data_wrapper", "w.oid")}
UNION ALL
SELECT 'server', quote_ident(s.srvname), concat('CREATE SERVER ', quote_ident(s.srvname), ' TYPE '
  || s.srvtype, ' VERSION ' || s.srvversion, ' FOREIGN DATA WRAPPER ', quote_ident(w.fdwname),
    {options("s.srvoptions", "OPTIONS")}, {owner("s.srvowner")})
FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
WHERE {not_extension("pg_foreign_server", "s.oid")}
UNION ALL
SELECT 'user mapping', quote_ident(m.usename) || ' on ' || quote_ident(m.srvname),
  'OPTIONS (' || (SELECT string_agg(split_part(o, '=', 1) || ' ~' || left(md5(o), 4), ', ' ORDER BY o)
    FROM unnest(m.umoptions) AS o) || ')'
FROM pg_user_mappings m"""


def grants(version: int) -> str:
    """Grants on objects other than relations."""
    return _granted(f"""  SELECT 'schema' AS kind, q AS name, nspowner AS owner, nspacl AS acl,
    acldefault('n', nspowner) AS base
    FROM ns
    WHERE {not_extension("pg_namespace", "ns.oid")}
  UNION ALL SELECT 'function', q, proowner, proacl, acldefault('f', proowner) FROM fun
  UNION ALL SELECT 'type', q, typowner, typacl, acldefault('T', typowner) FROM typ
  UNION ALL SELECT 'language', quote_ident(lanname), lanowner, lanacl, acldefault('l', lanowner)
    FROM pg_language
    WHERE oid >= {FIRST_NORMAL_OID} OR lanpltrusted
  UNION ALL SELECT 'foreign data wrapper', quote_ident(fdwname), fdwowner, fdwacl, acldefault('F', fdwowner)
    FROM pg_foreign_data_wrapper
  UNION ALL SELECT 'server', quote_ident(srvname), srvowner, srvacl, acldefault('S', srvowner)
    FROM pg_foreign_server
  UNION ALL SELECT 'database', 'current', datdba, datacl, acldefault('d', datdba) FROM pg_database
    WHERE datname = current_database()
  UNION ALL SELECT CASE defaclobjtype WHEN 'r' THEN 'future tables' WHEN 'S' THEN 'future sequences'
      WHEN 'f' THEN 'future functions' WHEN 'T' THEN 'future types' WHEN 'n' THEN 'future schemas'
      ELSE 'future large objects' END,
    'of ' || quote_ident(pg_get_userbyid(defaclrole)) || coalesce(' in ' || ns.q, ''), defaclrole, defaclacl,
    CASE WHEN defaclnamespace <> 0 THEN acldefault('c', defaclrole)
         ELSE acldefault(CASE defaclobjtype WHEN 'S' THEN 's' ELSE defaclobjtype END::"char", defaclrole) END
    FROM pg_default_acl LEFT JOIN ns ON ns.oid = defaclnamespace""")


def relation_grants(version: int) -> str:
    """Grants on relations and columns; with the relation's OID."""
    return _granted(
        """  SELECT CASE relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
      WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind, q AS name, relowner AS owner, relacl AS acl,
    acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner) AS base, oid AS relation FROM rel
  UNION ALL SELECT 'column', q || '.' || quote_ident(attname), relowner, attacl, acldefault('c', relowner), attrelid
    FROM att""",
        "a.relation",
    )


def _granted(objects: str, relation: str = "") -> str:
    """The differences between an ACL and the built-in default; a NULL ACL equals the explicit default.

    Manual: "Privileges"; ``acldefault`` and ``aclexplode`` in "System Information Functions and Operators".
    """
    return f"""SELECT x.verb || ' on ' || a.kind, a.name || CASE x.verb WHEN 'grant' THEN ' to '
        ELSE ' from ' END || CASE x.grantee WHEN 0 THEN 'PUBLIC'
        ELSE quote_ident(pg_get_userbyid(x.grantee)) END, string_agg(concat(x.privilege_type,
        CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' END,
    CASE WHEN x.grantor <> a.owner THEN ' BY ' || quote_ident(pg_get_userbyid(x.grantor)) END), ', '
    ORDER BY x.privilege_type, x.is_grantable, pg_get_userbyid(x.grantor)){", " + relation if relation else ""}
FROM (
{objects}
) a, LATERAL (
  SELECT 'grant' AS verb, g.* FROM (SELECT * FROM aclexplode(a.acl) EXCEPT SELECT * FROM aclexplode(a.base)) g
  UNION ALL
  SELECT 'revoke', g.* FROM (SELECT * FROM aclexplode(a.base) EXCEPT SELECT * FROM aclexplode(a.acl)) g
) x
WHERE a.acl IS NOT NULL
GROUP BY a.kind, a.name, x.verb, x.grantee{", " + relation if relation else ""}"""


def comments(version: int) -> str:
    """Comments and security labels on objects other than relations, their parts, and members of extensions."""
    visible = """(d.objoid >= 16384 OR d.classoid IN ('pg_namespace'::regclass, 'pg_extension'::regclass))
  AND NOT EXISTS (SELECT FROM ext WHERE ext.classid = d.classoid AND ext.objid = d.objoid)
  AND d.classoid NOT IN ('pg_class'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_rewrite'::regclass)
  AND (d.classoid <> 'pg_constraint'::regclass
       OR EXISTS (SELECT FROM pg_constraint c WHERE c.oid = d.objoid AND c.conrelid = 0))
  AND (i.schema IS NULL OR i.schema IN (SELECT q FROM ns))
  AND (i.type <> 'schema' OR i.identity IN (SELECT q FROM ns))"""
    return f"""SELECT 'comment on ' || i.type, i.identity, quote_literal(d.description)
FROM pg_description d, LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
WHERE {visible}
UNION ALL
SELECT 'security label on ' || i.type, i.identity || ' by ' || d.provider, quote_literal(d.label)
FROM pg_seclabel d, LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
WHERE {visible}"""


def relation_comments(version: int) -> str:
    """Comments and security labels on relations and their dependents; with the relation's OID."""
    objects = """(
  SELECT r.oid AS relation, 'pg_class'::regclass::oid AS classoid, r.oid AS objoid FROM rel r
  UNION ALL SELECT r.oid, 'pg_class'::regclass, x.indexrelid FROM rel r JOIN pg_index x ON x.indrelid = r.oid
  UNION ALL SELECT r.oid, 'pg_constraint'::regclass, c.oid FROM rel r JOIN pg_constraint c ON c.conrelid = r.oid
  UNION ALL SELECT r.oid, 'pg_trigger'::regclass, t.oid FROM rel r JOIN pg_trigger t ON t.tgrelid = r.oid
  UNION ALL SELECT r.oid, 'pg_policy'::regclass, p.oid FROM rel r JOIN pg_policy p ON p.polrelid = r.oid
  UNION ALL SELECT r.oid, 'pg_rewrite'::regclass, w.oid FROM rel r JOIN pg_rewrite w ON w.ev_class = r.oid
) o"""
    return f"""SELECT 'comment on ' || replace(i.type, 'table column', 'column'), i.identity,
        quote_literal(d.description), o.relation
FROM {objects} JOIN pg_description d ON d.classoid = o.classoid AND d.objoid = o.objoid,
  LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
UNION ALL
SELECT 'security label on ' || i.type, i.identity || ' by ' || d.provider, quote_literal(d.label), o.relation
FROM {objects} JOIN pg_seclabel d ON d.classoid = o.classoid AND d.objoid = o.objoid,
  LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i"""


def database(version: int) -> str:
    """Settings and comment of the database, without its name and the run's marker; settings of roles."""
    return """SELECT 'database setting', split_part(o, '=', 1)
    || coalesce(' for ' || quote_ident(pg_get_userbyid(nullif(s.setrole, 0))), ''), substr(o, strpos(o,
      '=') + 1)
FROM pg_db_role_setting s JOIN pg_database b ON b.oid = s.setdatabase AND b.datname = current_database(),
  LATERAL unnest(s.setconfig) AS o
WHERE o !~ '^rollback_drills\\.'
UNION ALL
SELECT 'role setting', split_part(o, '=', 1) || ' of ' || coalesce(quote_ident(r.rolname), 'all roles'), substr(o,
  strpos(o, '=') + 1)
FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole, LATERAL unnest(s.setconfig) AS o
WHERE s.setdatabase = 0 AND (s.setrole = 0 OR r.oid IS NOT NULL)
UNION ALL
SELECT 'comment on database', 'current', quote_literal(d.description)
FROM pg_shdescription d JOIN pg_database b ON d.objoid = b.oid AND b.datname = current_database()
WHERE d.classoid = 'pg_database'::regclass"""


PARTS: Final[tuple[Callable[[int], str], ...]] = (
    schemas,
    types,
    routines,
    statistics,
    extensions,
    publications,
    text_search,
    operators,
    casts,
    foreign,
    grants,
    comments,
    database,
)

"""Hand-written migrations: each with one defect, and its healthy twin.

Statements are SQL, or Python where they begin with ``op.`` or ``with``. ``before`` are the statements of the revision
below. ``code`` is the only finding of the defective one. The numbers are those of the errors in pytest-mrt's
documentation.
"""

# ruff: noqa: E501 - SQL in a table
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    name: str
    code: str
    before: tuple[str, ...]
    up: tuple[str, ...]
    wrong: tuple[str, ...]
    right: tuple[str, ...]
    wrong_up: tuple[str, ...] | None = None
    wrong_before: tuple[str, ...] | None = None
    declare: str = ""
    wrong_declare: str | None = None
    settings: str = ""


def _lines(text: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";\n") if part.strip()) if isinstance(text, str) else tuple(text)


def case(
    name: str,
    code: str,
    *,
    before: str = "CREATE TABLE t (id serial PRIMARY KEY, a text, b integer)",
    up: str,
    wrong: str = "",
    right: str = "",
    wrong_up: str | None = None,
    wrong_before: str | None = None,
    declare: str = "",
    wrong_declare: str | None = None,
) -> Case:
    return Case(
        name,
        code,
        _lines(before),
        _lines(up),
        _lines(wrong),
        _lines(right),
        None if wrong_up is None else _lines(wrong_up),
        None if wrong_before is None else _lines(wrong_before),
        declare,
        wrong_declare,
    )


NEW = "data of the new release is lost"
RESIDUE, LOST, ROWS = "schema-residue", "rows-lost", "downgrade-fails-on-rows"
REFUSES, UNDECLARED = "upgrade-fails-on-rows", "loss-undeclared"
TABLE = "CREATE TABLE t (id serial PRIMARY KEY, a text, b integer)"
PARENT = "CREATE TABLE p (id integer PRIMARY KEY);\nCREATE TABLE t (id serial PRIMARY KEY, p integer, a text"

CASES = [
    # --- the schema is not restored ------------------------------------------------------------------
    case(
        "enum-type-left (MRT503)",
        RESIDUE,
        up="CREATE TYPE e AS ENUM ('x', 'y');\nALTER TABLE t ADD c e",
        wrong="ALTER TABLE t DROP c",
        right="ALTER TABLE t DROP c;\nDROP TYPE e",
        declare=NEW,
    ),
    case(
        "sequence-left",
        RESIDUE,
        up="CREATE SEQUENCE s;\nALTER TABLE t ALTER b SET DEFAULT nextval('s')",
        wrong="ALTER TABLE t ALTER b DROP DEFAULT",
        right="ALTER TABLE t ALTER b DROP DEFAULT;\nDROP SEQUENCE s",
    ),
    case(
        "trigger-left (MRT502)",
        RESIDUE,
        up="CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';\n"
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
        wrong="SELECT 1",
        right="DROP TRIGGER g ON t;\nDROP FUNCTION f()",
    ),
    case(
        "index-left",
        RESIDUE,
        up="CREATE INDEX i ON t (a);\nCREATE INDEX j ON t (b)",
        wrong="DROP INDEX j",
        right="DROP INDEX j;\nDROP INDEX i",
    ),
    case(
        "default-not-restored",
        RESIDUE,
        before=TABLE.replace("a text", "a text DEFAULT 'old'"),
        up="ALTER TABLE t ALTER a SET DEFAULT 'new'",
        wrong="ALTER TABLE t ALTER a DROP DEFAULT",
        right="ALTER TABLE t ALTER a SET DEFAULT 'old'",
    ),
    case(
        "comment-not-restored",
        RESIDUE,
        before=f"{TABLE};\nCOMMENT ON COLUMN t.a IS 'old'",
        up="COMMENT ON COLUMN t.a IS 'new'",
        wrong="COMMENT ON COLUMN t.a IS NULL",
        right="COMMENT ON COLUMN t.a IS 'old'",
    ),
    case(
        "constraint-not-validated",
        RESIDUE,
        before=f"{TABLE};\nALTER TABLE t ADD CONSTRAINT k CHECK (b <> 5)",
        up="ALTER TABLE t DROP CONSTRAINT k;\nALTER TABLE t ADD CONSTRAINT k CHECK (b <> 5 AND id > 0)",
        wrong="ALTER TABLE t DROP CONSTRAINT k;\nALTER TABLE t ADD CONSTRAINT k CHECK (b <> 5) NOT VALID",
        right="ALTER TABLE t DROP CONSTRAINT k;\nALTER TABLE t ADD CONSTRAINT k CHECK (b <> 5)",
    ),
    case(
        "foreign-key-not-restored (MRT205)",
        RESIDUE,
        before=PARENT + ", CONSTRAINT k FOREIGN KEY (p) REFERENCES p)",
        up="ALTER TABLE t DROP CONSTRAINT k;\nALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (p) REFERENCES p ON DELETE CASCADE",
        wrong="ALTER TABLE t DROP CONSTRAINT k",
        right="ALTER TABLE t DROP CONSTRAINT k;\nALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (p) REFERENCES p",
    ),
    case(
        "foreign-key-without-its-action",
        RESIDUE,
        before=PARENT + ", CONSTRAINT k FOREIGN KEY (p) REFERENCES p DEFERRABLE)",
        up="ALTER TABLE t ALTER CONSTRAINT k NOT DEFERRABLE",
        wrong="ALTER TABLE t ALTER CONSTRAINT k DEFERRABLE INITIALLY DEFERRED",
        right="ALTER TABLE t ALTER CONSTRAINT k DEFERRABLE",
    ),
    case(
        "view-not-recreated (MRT207)",
        RESIDUE,
        before=f"{TABLE};\nCREATE VIEW v AS SELECT a FROM t",
        up="DROP VIEW v",
        wrong="SELECT 1",
        right="CREATE VIEW v AS SELECT a FROM t",
    ),
    case(
        "view-recreated-differently",
        RESIDUE,
        before=f"{TABLE};\nCREATE VIEW v AS SELECT a FROM t WHERE b > 0",
        up="DROP VIEW v",
        wrong="CREATE VIEW v AS SELECT a FROM t",
        right="CREATE VIEW v AS SELECT a FROM t WHERE b > 0",
    ),
    case(
        "grant-lost",
        RESIDUE,
        before=f"{TABLE};\nCREATE VIEW v AS SELECT a FROM t;\nGRANT SELECT ON v TO PUBLIC",
        up="DROP VIEW v",
        wrong="CREATE VIEW v AS SELECT a FROM t",
        right="CREATE VIEW v AS SELECT a FROM t;\nGRANT SELECT ON v TO PUBLIC",
    ),
    case(
        "column-grant-left",
        RESIDUE,
        up="GRANT SELECT (a) ON t TO PUBLIC",
        wrong="REVOKE SELECT ON t FROM pg_monitor",
        right="REVOKE SELECT (a) ON t FROM PUBLIC",
    ),
    case(
        "owner-not-restored",
        RESIDUE,
        up="ALTER TABLE t OWNER TO pg_monitor",
        wrong="SELECT 1",
        right="ALTER TABLE t OWNER TO CURRENT_USER",
    ),
    case(
        "row-security-left",
        RESIDUE,
        up="ALTER TABLE t ENABLE ROW LEVEL SECURITY;\nCREATE POLICY y ON t USING (true)",
        wrong="DROP POLICY y ON t",
        right="DROP POLICY y ON t;\nALTER TABLE t DISABLE ROW LEVEL SECURITY",
    ),
    case(
        "trigger-left-disabled",
        RESIDUE,
        before=f"{TABLE};\nCREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';\n"
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
        up="ALTER TABLE t DISABLE TRIGGER g",
        wrong="SELECT 1",
        right="ALTER TABLE t ENABLE TRIGGER g",
    ),
    case(
        "enum-in-another-order",
        RESIDUE,
        before="CREATE TYPE e AS ENUM ('x', 'y');\nCREATE TABLE t (id serial PRIMARY KEY, a e)",
        up="ALTER TYPE e RENAME VALUE 'x' TO 'z'",
        wrong="ALTER TABLE t ALTER a TYPE text;\nDROP TYPE e;\nCREATE TYPE e AS ENUM ('y', 'x');\n"
        "ALTER TABLE t ALTER a TYPE e USING replace(a, 'z', 'x')::e",
        right="ALTER TYPE e RENAME VALUE 'z' TO 'x'",
    ),
    case(
        "index-without-its-predicate",
        RESIDUE,
        before=f"{TABLE};\nCREATE INDEX i ON t (a) WHERE b > 0",
        up="DROP INDEX i",
        wrong="CREATE INDEX i ON t (a)",
        right="CREATE INDEX i ON t (a) WHERE b > 0",
    ),
    case(
        "storage-not-restored",
        RESIDUE,
        up="ALTER TABLE t ALTER a SET STORAGE EXTERNAL;\nALTER TABLE t ALTER a SET STATISTICS 500",
        wrong="ALTER TABLE t ALTER a SET STORAGE EXTENDED",
        right="ALTER TABLE t ALTER a SET STORAGE EXTENDED;\nALTER TABLE t ALTER a SET STATISTICS -1",
    ),
    case(
        "partition-left",
        RESIDUE,
        before="CREATE TABLE t (id integer, d date) PARTITION BY RANGE (d);\n"
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
        up="CREATE TABLE t2 PARTITION OF t FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
        wrong="ALTER TABLE t DETACH PARTITION t2",
        right="DROP TABLE t2",
        declare=NEW,
    ),
    case(
        "replica-identity-left",
        RESIDUE,
        up="ALTER TABLE t REPLICA IDENTITY FULL",
        wrong="SELECT 1",
        right="ALTER TABLE t REPLICA IDENTITY DEFAULT",
    ),
    case(
        "table-rename-not-reversed (MRT301)",
        RESIDUE,
        up="ALTER TABLE t RENAME TO u;\nCREATE INDEX i ON u (a)",
        wrong="DROP INDEX i",
        right="DROP INDEX i;\nALTER TABLE u RENAME TO t",
    ),
    case(
        "column-rename-not-reversed (MRT302)",
        RESIDUE,
        up="ALTER TABLE t RENAME a TO z;\nCREATE INDEX i ON t (z)",
        wrong="DROP INDEX i",
        right="DROP INDEX i;\nALTER TABLE t RENAME z TO a",
    ),
    case(
        "sequence-loses-its-owner",
        RESIDUE,
        before=f"{TABLE};\nCREATE SEQUENCE s OWNED BY t.b",
        up="ALTER SEQUENCE s OWNED BY NONE",
        wrong="ALTER SEQUENCE s OWNED BY t.id",
        right="ALTER SEQUENCE s OWNED BY t.b",
    ),
    case(
        "domain-constraint-left",
        RESIDUE,
        before="CREATE DOMAIN d AS text;\nCREATE TABLE t (id serial PRIMARY KEY, a d)",
        up="ALTER DOMAIN d ADD CONSTRAINT k CHECK (VALUE <> 'never') NOT VALID;\nCREATE INDEX i ON t (a)",
        wrong="DROP INDEX i",
        right="DROP INDEX i;\nALTER DOMAIN d DROP CONSTRAINT k",
    ),
    case(
        "default-privileges-left",
        RESIDUE,
        up="ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        wrong="SELECT 1",
        right="ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM PUBLIC",
    ),
    case(
        "extension-left",
        RESIDUE,
        up="CREATE EXTENSION hstore;\nCREATE INDEX i ON t (a)",
        wrong="DROP INDEX i",
        right="DROP INDEX i;\nDROP EXTENSION hstore",
    ),
    case(
        "schema-left",
        RESIDUE,
        up="CREATE SCHEMA other;\nCREATE TABLE other.x (a integer)",
        wrong="DROP TABLE other.x",
        right="DROP TABLE other.x;\nDROP SCHEMA other",
        declare=NEW,
    ),
    case(
        "publication-left",
        RESIDUE,
        up="CREATE PUBLICATION pub FOR TABLE t;\nCREATE INDEX i ON t (a)",
        wrong="DROP INDEX i",
        right="DROP INDEX i;\nDROP PUBLICATION pub",
    ),
    # --- no way back -----------------------------------------------------------------------------------
    case(
        "downgrade-does-nothing (MRT102)",
        "downgrade-empty",
        up="ALTER TABLE t ADD c integer",
        right="ALTER TABLE t DROP c",
        declare=NEW,
    ),
    case(
        "downgrade-is-missing (MRT101)",
        "downgrade-failed",
        up="CREATE INDEX i ON t (a)",
        wrong="missing",
        right="DROP INDEX i",
    ),
    case(
        "downgrade-raises",
        "downgrade-failed",
        up="CREATE INDEX i ON t (a)",
        wrong="raise NotImplementedError",
        right="DROP INDEX i",
    ),
    # --- rows do not survive ---------------------------------------------------------------------------
    case(
        "column-dropped-in-upgrade (MRT201, MRT206)",
        LOST,
        up="ALTER TABLE t RENAME b TO c",
        wrong_up="ALTER TABLE t DROP b",
        wrong="ALTER TABLE t ADD b integer",
        right="ALTER TABLE t RENAME c TO b",
    ),
    case(
        "table-dropped-in-upgrade (MRT202)",
        LOST,
        up="ALTER TABLE t RENAME TO t_old",
        wrong_up="DROP TABLE t",
        wrong=TABLE,
        right="ALTER TABLE t_old RENAME TO t",
    ),
    case(
        "truncated (MRT203)",
        LOST,
        up="CREATE TABLE kept (LIKE t INCLUDING ALL);\nINSERT INTO kept SELECT * FROM t;\nDELETE FROM t",
        wrong_up="TRUNCATE t",
        wrong="SELECT 1",
        right="INSERT INTO t SELECT * FROM kept ON CONFLICT DO NOTHING;\nDROP TABLE kept",
        declare="what is written to the table in between is kept",
        wrong_declare="",
    ),
    case(
        "moved-and-dropped (MRT208)",
        LOST,
        up="ALTER TABLE t ADD c text;\nUPDATE t SET c = a;\nALTER TABLE t DROP a",
        wrong="ALTER TABLE t ADD a text;\nALTER TABLE t DROP c",
        right="ALTER TABLE t ADD a text;\nUPDATE t SET a = c;\nALTER TABLE t DROP c",
    ),
    case(
        "rows-rewritten",
        LOST,
        up="ALTER TABLE t ADD c text GENERATED ALWAYS AS (lower(a)) STORED",
        wrong_up="UPDATE t SET a = lower(a)",
        wrong="SELECT 1",
        right="ALTER TABLE t DROP c",
    ),
    case(
        "downgrade-deletes-rows",
        LOST,
        up="CREATE INDEX i ON t (a)",
        wrong="DROP INDEX i;\nDELETE FROM t WHERE a IS NULL",
        right="DROP INDEX i",
    ),
    case(
        "downgrade-cuts-texts",
        UNDECLARED,
        before="CREATE TABLE t (id serial PRIMARY KEY, a varchar(10))",
        up="ALTER TABLE t ALTER a TYPE text",
        wrong="ALTER TABLE t ALTER a TYPE varchar(10) USING left(a, 10)",
        right="ALTER TABLE t ALTER a TYPE varchar(10) USING left(a, 10)",
        declare="texts are cut",
        wrong_declare="",
    ),
    case(
        "new-column-undeclared",
        UNDECLARED,
        up="ALTER TABLE t ADD c integer",
        wrong="ALTER TABLE t DROP c",
        right="ALTER TABLE t DROP c",
        declare=NEW,
        wrong_declare="",
    ),
    case(
        "new-table-undeclared",
        UNDECLARED,
        up="CREATE TABLE x (a integer)",
        wrong="DROP TABLE x",
        right="DROP TABLE x",
        declare=NEW,
        wrong_declare="",
    ),
    # --- the downgrade fails on rows ---------------------------------------------------------------------
    case(
        "enum-value-in-use (MRT304)",
        ROWS,
        before="CREATE TYPE e AS ENUM ('x');\nCREATE TABLE t (id serial PRIMARY KEY, a e)",
        up="ALTER TYPE e ADD VALUE 'y'",
        wrong="ALTER TYPE e RENAME TO e_old;\nCREATE TYPE e AS ENUM ('x');\nALTER TABLE t ALTER a TYPE e USING a::text::e;\nDROP TYPE e_old",
        right="ALTER TYPE e RENAME TO e_old;\nCREATE TYPE e AS ENUM ('x');\n"
        "ALTER TABLE t ALTER a TYPE e USING nullif(a::text, 'y')::e;\nDROP TYPE e_old",
        declare="y becomes NULL",
    ),
    case(
        "not-null-set-again",
        ROWS,
        before="CREATE TABLE t (id serial PRIMARY KEY, a text NOT NULL)",
        up="ALTER TABLE t ALTER a DROP NOT NULL",
        wrong="ALTER TABLE t ALTER a SET NOT NULL",
        right="UPDATE t SET a = '' WHERE a IS NULL;\nALTER TABLE t ALTER a SET NOT NULL",
        declare="NULL becomes empty",
    ),
    case(
        "unique-added-again",
        ROWS,
        before=f"{TABLE};\nALTER TABLE t ADD CONSTRAINT k UNIQUE (b)",
        up="ALTER TABLE t DROP CONSTRAINT k",
        wrong="ALTER TABLE t ADD CONSTRAINT k UNIQUE (b)",
        right="DELETE FROM t WHERE EXISTS (SELECT FROM t o WHERE o.b = t.b AND o.id < t.id);\nALTER TABLE t ADD CONSTRAINT k UNIQUE (b)",
        declare="of rows with the same b one is kept",
    ),
    case(
        "integer-too-large",
        ROWS,
        up="ALTER TABLE t ALTER b TYPE bigint",
        wrong="ALTER TABLE t ALTER b TYPE integer",
        right="ALTER TABLE t ALTER b TYPE integer USING greatest(least(b, 2147483647), -2147483648)::integer",
        declare="capped",
    ),
    case(
        "check-added-again",
        ROWS,
        before=f"{TABLE};\nALTER TABLE t ADD CONSTRAINT k CHECK (b < 100)",
        up="ALTER TABLE t DROP CONSTRAINT k",
        wrong="ALTER TABLE t ADD CONSTRAINT k CHECK (b < 100)",
        right="UPDATE t SET b = 99 WHERE b >= 100;\nALTER TABLE t ADD CONSTRAINT k CHECK (b < 100)",
        declare="capped",
    ),
    case(
        "foreign-key-added-again",
        ROWS,
        before=PARENT + ", CONSTRAINT k FOREIGN KEY (p) REFERENCES p)",
        up="ALTER TABLE t DROP CONSTRAINT k",
        wrong="ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (p) REFERENCES p",
        right="UPDATE t SET p = NULL WHERE p NOT IN (SELECT id FROM p);\nALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (p) REFERENCES p",
        declare="references to what is not there are removed",
    ),
    case(
        "text-too-long",
        ROWS,
        before="CREATE TABLE t (id serial PRIMARY KEY, a varchar(10))",
        up="ALTER TABLE t ALTER a TYPE varchar(50)",
        wrong="ALTER TABLE t ALTER a TYPE varchar(10)",
        right="ALTER TABLE t ALTER a TYPE varchar(10) USING left(a, 10)",
        declare="cut",
    ),
    # --- the upgrade fails on rows -----------------------------------------------------------------------
    case(
        "required-column-without-default (MRT704)",
        REFUSES,
        up="ALTER TABLE t ADD c integer NOT NULL DEFAULT 0",
        wrong_up="ALTER TABLE t ADD c integer NOT NULL",
        wrong="ALTER TABLE t DROP c",
        right="ALTER TABLE t DROP c",
        declare=NEW,
    ),
    case(
        "unique-on-duplicates",
        REFUSES,
        before="CREATE TABLE t (id serial PRIMARY KEY, a boolean)",
        up="CREATE INDEX i ON t (a)",
        wrong_up="CREATE UNIQUE INDEX i ON t (a)",
        wrong="DROP INDEX i",
        right="DROP INDEX i",
    ),
    case(
        "cast-of-any-text",
        REFUSES,
        up="ALTER TABLE t ADD c integer",
        wrong_up="ALTER TABLE t ALTER a TYPE integer USING a::integer",
        wrong="ALTER TABLE t ALTER a TYPE text",
        right="ALTER TABLE t DROP c",
        declare=NEW,
        wrong_declare="",
    ),
    case(
        "not-null-on-nulls",
        REFUSES,
        up="UPDATE t SET a = '' WHERE a IS NULL;\nALTER TABLE t ALTER a SET NOT NULL",
        wrong_up="ALTER TABLE t ALTER a SET NOT NULL",
        wrong="ALTER TABLE t ALTER a DROP NOT NULL",
        right="ALTER TABLE t ALTER a DROP NOT NULL",
        declare="NULL becomes empty",
        wrong_declare="",
    ),
    case(
        "foreign-key-on-dangling-rows",
        REFUSES,
        before="CREATE TABLE p (id integer PRIMARY KEY);\nCREATE TABLE t (id serial PRIMARY KEY, p integer)",
        up="ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (p) REFERENCES p NOT VALID",
        wrong_up="ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (p) REFERENCES p",
        wrong="ALTER TABLE t DROP CONSTRAINT k",
        right="ALTER TABLE t DROP CONSTRAINT k",
    ),
    # --- up again, interruptions, declarations, seeds --------------------------------------------------------
    case(
        "inserted-row-left",
        "upgrade-not-repeatable",
        before="CREATE TABLE t (id integer PRIMARY KEY)",
        up="INSERT INTO t VALUES (424242)",
        wrong="SELECT 1",
        right="DELETE FROM t WHERE id = 424242",
    ),
    case(
        "half-done-outside-a-transaction",
        "interruption-not-restored",
        before=f"{TABLE};\nCREATE INDEX i ON t (a)",
        up="with: DROP INDEX CONCURRENTLY IF EXISTS {s}.i | DROP INDEX CONCURRENTLY IF EXISTS {s}.j | CREATE INDEX CONCURRENTLY j ON {s}.t (b)",
        wrong_up="with: DROP INDEX CONCURRENTLY {s}.i | CREATE INDEX CONCURRENTLY j ON {s}.t (b)",
        wrong="with: DROP INDEX CONCURRENTLY {s}.j | CREATE INDEX CONCURRENTLY i ON {s}.t (a)",
        right="with: DROP INDEX CONCURRENTLY IF EXISTS {s}.j | DROP INDEX CONCURRENTLY IF EXISTS {s}.i | CREATE INDEX CONCURRENTLY i ON {s}.t (a)",
    ),
    case(
        "half-done-index-taken-for-done",
        "interruption-taken-for-done",
        up="with: DROP INDEX CONCURRENTLY IF EXISTS {s}.i | CREATE INDEX CONCURRENTLY i ON {s}.t (a)",
        wrong_up="with: CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON {s}.t (a)",
        wrong="DROP INDEX i",
        right="DROP INDEX i",
    ),
    case(
        "downgrade-half-done-outside-a-transaction",
        "interruption-not-restored",
        up="CREATE INDEX i ON t (a);\nCREATE INDEX j ON t (b)",
        wrong="with: DROP INDEX CONCURRENTLY {s}.i | DROP INDEX CONCURRENTLY {s}.j",
        right="with: DROP INDEX CONCURRENTLY IF EXISTS {s}.i | DROP INDEX CONCURRENTLY IF EXISTS {s}.j",
    ),
    case(
        "declared-lossy-and-is-not",
        "declaration-untrue",
        up="CREATE INDEX i ON t (a)",
        wrong="DROP INDEX i",
        right="DROP INDEX i",
        wrong_declare="it used to lose something",
    ),
    case(
        "declared-irreversible-and-is-not",
        "declaration-untrue",
        up="CREATE INDEX i ON t (a)",
        wrong="DROP INDEX i",
        right="DROP INDEX i",
        wrong_declare="irreversible: it used to be",
    ),
    case(
        "declared-without-a-reason",
        "declaration-invalid",
        up="CREATE INDEX i ON t (a)",
        wrong="DROP INDEX i",
        right="DROP INDEX i",
        wrong_declare=":",
    ),
    case(
        "irreversible-by-design",
        "downgrade-failed",
        up="CREATE INDEX i ON t (a)",
        wrong="raise RuntimeError('no')",
        right="raise RuntimeError('no')",
        declare="irreversible: the index is needed for ever",
        wrong_declare="",
    ),
    case(
        "table-that-takes-no-row",
        "seed-refused",
        up="CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';\nCREATE TABLE x (a integer);\n"
        "CREATE TRIGGER g BEFORE INSERT ON x FOR EACH ROW EXECUTE FUNCTION f()",
        wrong_up="CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''never''; END';\nCREATE TABLE x (a integer);\n"
        "CREATE TRIGGER g BEFORE INSERT ON x FOR EACH ROW EXECUTE FUNCTION f()",
        wrong="DROP TABLE x;\nDROP FUNCTION f()",
        right="DROP TABLE x;\nDROP FUNCTION f()",
        declare=NEW,
        wrong_declare="",
    ),
]

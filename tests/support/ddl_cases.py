"""DDL statements with their exact inverse: each changes the schema fingerprint, the inverse restores it."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    name: str
    do: str
    undo: str
    key: str  # a key that the diff has to name


SETUP = """
CREATE SCHEMA shop;
CREATE TYPE shop.mood AS ENUM ('sad', 'ok', 'glad');
CREATE TYPE shop.address AS (street text, city text);
CREATE DOMAIN shop.positive AS integer CHECK (VALUE > 0);
CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION shop.twice(n integer) RETURNS integer LANGUAGE sql AS 'SELECT 2 * n';
CREATE FUNCTION shop.add(a integer, b integer) RETURNS integer LANGUAGE sql STRICT
  AS 'SELECT a + b';
CREATE TABLE shop.customers (id bigint PRIMARY KEY, name text NOT NULL, email text UNIQUE);
CREATE TABLE shop.orders (id serial PRIMARY KEY, customer bigint, status text, total numeric(10, 2),
                          note text, placed timestamptz, mood shop.mood);
INSERT INTO shop.orders (customer, status, total) VALUES (1, 'new', 1), (2, 'new', 2);
CREATE INDEX orders_status ON shop.orders (status);
CREATE UNIQUE INDEX orders_unique ON shop.orders (id, customer);
CREATE TRIGGER touch BEFORE UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.touch();
CREATE VIEW shop.open_orders AS SELECT id, status FROM shop.orders;
CREATE MATERIALIZED VIEW shop.totals AS SELECT sum(total) AS total FROM shop.orders;
CREATE SEQUENCE shop.numbers;
CREATE TABLE shop.events (id integer NOT NULL, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE shop.events_2024 PARTITION OF shop.events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE shop.base (a integer);
CREATE TABLE shop.child (b integer) INHERITS (shop.base);
CREATE PUBLICATION feed FOR TABLE shop.customers;
CREATE POLICY own ON shop.customers USING (name = current_user);
CREATE FOREIGN DATA WRAPPER wrapper;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER wrapper OPTIONS (host 'a');
CREATE TEXT SEARCH CONFIGURATION shop.words (COPY = pg_catalog.simple);
CREATE STATISTICS shop.correlated ON customer, status FROM shop.orders;
"""

_ORDERS = "ALTER TABLE shop.orders"
_STATUS = f"{_ORDERS} ALTER COLUMN status"
_EMPTY_MOOD = f"{_ORDERS} ALTER COLUMN mood TYPE text; DROP TYPE shop.mood; CREATE TYPE shop.mood AS ENUM "
_BACK_TO_MOOD = f"; {_ORDERS} ALTER COLUMN mood TYPE shop.mood USING mood::shop.mood"
_ROW = "column shop.orders.status"

CASES = [
    Case("schema", "CREATE SCHEMA extra", "DROP SCHEMA extra", "schema extra"),
    Case("schema owner", "ALTER SCHEMA shop OWNER TO reader", "ALTER SCHEMA shop OWNER TO drill_admin", "schema shop"),
    Case("table", "CREATE TABLE shop.t (a int)", "DROP TABLE shop.t", "table shop.t"),
    Case("table without columns", "CREATE TABLE shop.t ()", "DROP TABLE shop.t", "table shop.t"),
    Case("quoted names", 'CREATE TABLE "a.b" ("c.d" int)', 'DROP TABLE "a.b"', 'column public."a.b"."c.d"'),
    Case("unlogged", f"{_ORDERS} SET UNLOGGED", f"{_ORDERS} SET LOGGED", "table shop.orders"),
    Case(
        "table option",
        f"{_ORDERS} SET (fillfactor = 70)",
        f"{_ORDERS} RESET (fillfactor)",
        "table shop.orders",
    ),
    Case(
        "toast option",
        f"{_ORDERS} SET (toast.autovacuum_enabled = off)",
        f"{_ORDERS} RESET (toast.autovacuum_enabled)",
        "table shop.orders",
    ),
    Case("table owner", f"{_ORDERS} OWNER TO reader", f"{_ORDERS} OWNER TO drill_admin", "table shop.orders"),
    Case(
        "row level security",
        f"{_ORDERS} ENABLE ROW LEVEL SECURITY",
        f"{_ORDERS} DISABLE ROW LEVEL SECURITY",
        "table shop.orders",
    ),
    Case(
        "forced row level security",
        f"{_ORDERS} FORCE ROW LEVEL SECURITY",
        f"{_ORDERS} NO FORCE ROW LEVEL SECURITY",
        "table shop.orders",
    ),
    Case(
        "replica identity full",
        f"{_ORDERS} REPLICA IDENTITY FULL",
        f"{_ORDERS} REPLICA IDENTITY DEFAULT",
        "table shop.orders",
    ),
    Case(
        "replica identity index",
        "ALTER TABLE shop.customers REPLICA IDENTITY USING INDEX customers_pkey",
        "ALTER TABLE shop.customers REPLICA IDENTITY DEFAULT",
        "index shop.customers_pkey",
    ),
    Case(
        "inherit",
        "ALTER TABLE shop.child NO INHERIT shop.base",
        "DROP TABLE shop.child; CREATE TABLE shop.child (b integer) INHERITS (shop.base)",
        "table shop.child",
    ),
    Case(
        "detached partition",
        "ALTER TABLE shop.events DETACH PARTITION shop.events_2024",
        "ALTER TABLE shop.events ATTACH PARTITION shop.events_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
        "table shop.events_2024",
    ),
    Case(
        "partition bound",
        "DROP TABLE shop.events_2024; CREATE TABLE shop.events_2024 PARTITION OF shop.events DEFAULT",
        "DROP TABLE shop.events_2024; CREATE TABLE shop.events_2024 PARTITION OF shop.events"
        " FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
        "table shop.events_2024",
    ),
    Case("typed table", "CREATE TABLE shop.t OF shop.address", "DROP TABLE shop.t", "table shop.t"),
    Case(
        "column",
        f"{_ORDERS} ADD COLUMN extra text",
        f"{_ORDERS} DROP COLUMN extra",
        "column shop.orders.extra",
    ),
    Case("column renamed", f"{_ORDERS} RENAME status TO state", f"{_ORDERS} RENAME state TO status", _ROW),
    Case(
        "type",
        f"{_ORDERS} ALTER note TYPE varchar(9)",
        f"{_ORDERS} ALTER note TYPE text",
        "column shop.orders.note",
    ),
    Case(
        "typmod",
        f"{_ORDERS} ALTER placed TYPE timestamptz(3)",
        f"{_ORDERS} ALTER placed TYPE timestamptz",
        "column shop.orders.placed",
    ),
    Case(
        "collation",
        f'{_ORDERS} ALTER note TYPE text COLLATE "C"',
        f"{_ORDERS} ALTER note TYPE text",
        "column shop.orders.note",
    ),
    Case("default", f"{_STATUS} SET DEFAULT 'new'", f"{_STATUS} DROP DEFAULT", _ROW),
    Case("NOT NULL", f"{_STATUS} SET NOT NULL", f"{_STATUS} DROP NOT NULL", _ROW),
    Case("storage", f"{_STATUS} SET STORAGE EXTERNAL", f"{_STATUS} SET STORAGE EXTENDED", _ROW),
    Case("statistics target", f"{_STATUS} SET STATISTICS 500", f"{_STATUS} SET STATISTICS -1", _ROW),
    Case("compression", f"{_STATUS} SET COMPRESSION pglz", f"{_STATUS} SET COMPRESSION default", _ROW),
    Case("column option", f"{_STATUS} SET (n_distinct = 5)", f"{_STATUS} RESET (n_distinct)", _ROW),
    Case(
        "identity",
        "ALTER TABLE shop.customers ALTER id ADD GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE shop.customers ALTER id DROP IDENTITY",
        "column shop.customers.id",
    ),
    Case(
        "generated column",
        f"{_ORDERS} ADD double numeric GENERATED ALWAYS AS (total * 2) STORED",
        f"{_ORDERS} DROP double",
        "column shop.orders.double",
    ),
    Case(
        "check",
        f"{_ORDERS} ADD CONSTRAINT c CHECK (total > 0)",
        f"{_ORDERS} DROP CONSTRAINT c",
        "constraint shop.orders.c",
    ),
    Case(
        "constraint not valid",
        f"{_ORDERS} DROP CONSTRAINT IF EXISTS c; {_ORDERS} ADD CONSTRAINT c CHECK (total > 5) NOT VALID",
        f"{_ORDERS} DROP CONSTRAINT c",
        "constraint shop.orders.c",
    ),
    Case(
        "unique",
        f"{_ORDERS} ADD CONSTRAINT u UNIQUE (id, note)",
        f"{_ORDERS} DROP CONSTRAINT u",
        "index shop.u",
    ),
    Case(
        "deferrable",
        f"{_ORDERS} ADD CONSTRAINT u UNIQUE (id, note) DEFERRABLE INITIALLY DEFERRED",
        f"{_ORDERS} DROP CONSTRAINT u",
        "constraint shop.orders.u",
    ),
    Case(
        "foreign key",
        f"{_ORDERS} ADD CONSTRAINT f FOREIGN KEY (customer) REFERENCES shop.customers NOT VALID",
        f"{_ORDERS} DROP CONSTRAINT f",
        "constraint shop.orders.f",
    ),
    Case(
        "exclusion",
        f"{_ORDERS} ADD CONSTRAINT e EXCLUDE USING btree (id WITH =)",
        f"{_ORDERS} DROP CONSTRAINT e",
        "constraint shop.orders.e",
    ),
    Case("index", "CREATE INDEX i ON shop.orders (note)", "DROP INDEX shop.i", "index shop.i"),
    Case(
        "index predicate",
        "DROP INDEX shop.orders_status; CREATE INDEX orders_status ON shop.orders (status) WHERE total > 1",
        "DROP INDEX shop.orders_status; CREATE INDEX orders_status ON shop.orders (status)",
        "index shop.orders_status",
    ),
    Case(
        "operator class",
        "DROP INDEX shop.orders_status; CREATE INDEX orders_status ON shop.orders (status text_pattern_ops)",
        "DROP INDEX shop.orders_status; CREATE INDEX orders_status ON shop.orders (status)",
        "index shop.orders_status",
    ),
    Case(
        "index expression statistics",
        "CREATE INDEX i ON shop.orders (lower(note)); ALTER INDEX shop.i ALTER COLUMN 1 SET STATISTICS 300",
        "DROP INDEX shop.i",
        "index shop.i",
    ),
    Case(
        "index option",
        "ALTER INDEX shop.orders_status SET (fillfactor = 60)",
        "ALTER INDEX shop.orders_status RESET (fillfactor)",
        "index shop.orders_status",
    ),
    Case(
        "clustered",
        f"{_ORDERS} CLUSTER ON orders_pkey",
        f"{_ORDERS} SET WITHOUT CLUSTER",
        "index shop.orders_pkey",
    ),
    Case(
        "trigger disabled",
        f"{_ORDERS} DISABLE TRIGGER touch",
        f"{_ORDERS} ENABLE TRIGGER touch",
        "trigger shop.orders.touch",
    ),
    Case(
        "trigger always",
        f"{_ORDERS} ENABLE ALWAYS TRIGGER touch",
        f"{_ORDERS} ENABLE TRIGGER touch",
        "trigger shop.orders.touch",
    ),
    Case(
        "trigger",
        "DROP TRIGGER touch ON shop.orders",
        "CREATE TRIGGER touch BEFORE UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.touch()",
        "trigger shop.orders.touch",
    ),
    Case(
        "rule",
        "CREATE RULE r AS ON DELETE TO shop.orders DO INSTEAD NOTHING",
        "DROP RULE r ON shop.orders",
        "rule shop.orders.r",
    ),
    Case(
        "policy",
        "ALTER POLICY own ON shop.customers TO reader",
        "ALTER POLICY own ON shop.customers TO PUBLIC",
        "policy shop.customers.own",
    ),
    Case(
        "policy expression",
        "ALTER POLICY own ON shop.customers USING (true)",
        "ALTER POLICY own ON shop.customers USING (name = current_user)",
        "policy shop.customers.own",
    ),
    Case("enum", "CREATE TYPE shop.e AS ENUM ('a')", "DROP TYPE shop.e", "enum shop.e"),
    Case("enum without labels", "CREATE TYPE shop.e AS ENUM ()", "DROP TYPE shop.e", "enum shop.e"),
    Case(
        "enum label order",
        f"{_EMPTY_MOOD} ('ok', 'sad', 'glad'){_BACK_TO_MOOD}",
        f"{_EMPTY_MOOD} ('sad', 'ok', 'glad'){_BACK_TO_MOOD}",
        "enum shop.mood",
    ),
    Case(
        "enum label renamed",
        "ALTER TYPE shop.mood RENAME VALUE 'ok' TO 'fine'",
        "ALTER TYPE shop.mood RENAME VALUE 'fine' TO 'ok'",
        "enum shop.mood",
    ),
    Case(
        "composite type",
        "ALTER TYPE shop.address ADD ATTRIBUTE zip text",
        "ALTER TYPE shop.address DROP ATTRIBUTE zip",
        "attribute shop.address.zip",
    ),
    Case("range type", "CREATE TYPE shop.r AS RANGE (subtype = float8)", "DROP TYPE shop.r", "type shop.r"),
    Case("shell type", "CREATE TYPE shop.shell", "DROP TYPE shop.shell", "type shop.shell"),
    Case(
        "domain default",
        "ALTER DOMAIN shop.positive SET DEFAULT 1",
        "ALTER DOMAIN shop.positive DROP DEFAULT",
        "domain shop.positive",
    ),
    Case(
        "domain NOT NULL",
        "ALTER DOMAIN shop.positive SET NOT NULL",
        "ALTER DOMAIN shop.positive DROP NOT NULL",
        "domain shop.positive",
    ),
    Case(
        "domain constraint",
        "ALTER DOMAIN shop.positive ADD CONSTRAINT small CHECK (VALUE < 9)",
        "ALTER DOMAIN shop.positive DROP CONSTRAINT small",
        "domain constraint shop.positive.small",
    ),
    Case(
        "sequence increment",
        "ALTER SEQUENCE shop.numbers INCREMENT 5",
        "ALTER SEQUENCE shop.numbers INCREMENT 1",
        "sequence shop.numbers",
    ),
    Case(
        "sequence type",
        "ALTER SEQUENCE shop.numbers AS integer",
        "ALTER SEQUENCE shop.numbers AS bigint",
        "sequence shop.numbers",
    ),
    Case(
        "sequence cycle",
        "ALTER SEQUENCE shop.numbers CYCLE CACHE 9",
        "ALTER SEQUENCE shop.numbers NO CYCLE CACHE 1",
        "sequence shop.numbers",
    ),
    Case(
        "sequence owned by",
        "ALTER SEQUENCE shop.orders_id_seq OWNED BY NONE",
        "ALTER SEQUENCE shop.orders_id_seq OWNED BY shop.orders.id",
        "sequence shop.orders_id_seq",
    ),
    Case(
        "view",
        "CREATE OR REPLACE VIEW shop.open_orders AS SELECT id, status FROM shop.orders WHERE total > 0",
        "CREATE OR REPLACE VIEW shop.open_orders AS SELECT id, status FROM shop.orders",
        "view shop.open_orders",
    ),
    Case(
        "view option",
        "ALTER VIEW shop.open_orders SET (security_barrier)",
        "ALTER VIEW shop.open_orders RESET (security_barrier)",
        "view shop.open_orders",
    ),
    Case(
        "view column default",
        "ALTER VIEW shop.open_orders ALTER status SET DEFAULT 'x'",
        "ALTER VIEW shop.open_orders ALTER status DROP DEFAULT",
        "column shop.open_orders.status",
    ),
    Case(
        "materialised view not populated",
        "REFRESH MATERIALIZED VIEW shop.totals WITH NO DATA",
        "REFRESH MATERIALIZED VIEW shop.totals",
        "materialized view shop.totals",
    ),
    Case(
        "function body",
        "CREATE OR REPLACE FUNCTION shop.twice(n integer) RETURNS integer LANGUAGE sql AS 'SELECT n + n'",
        "CREATE OR REPLACE FUNCTION shop.twice(n integer) RETURNS integer LANGUAGE sql AS 'SELECT 2 * n'",
        "function shop.twice(n integer)",
    ),
    Case(
        "function volatility",
        "ALTER FUNCTION shop.twice IMMUTABLE SECURITY DEFINER SET search_path = shop",
        "ALTER FUNCTION shop.twice VOLATILE SECURITY INVOKER RESET ALL",
        "function shop.twice(n integer)",
    ),
    Case(
        "overload",
        "CREATE FUNCTION shop.twice(n text) RETURNS text LANGUAGE sql AS 'SELECT n'",
        "DROP FUNCTION shop.twice(text)",
        "function shop.twice(n text)",
    ),
    Case(
        "procedure",
        "CREATE PROCEDURE shop.p() LANGUAGE sql AS 'SELECT 1'",
        "DROP PROCEDURE shop.p()",
        "procedure shop.p()",
    ),
    Case(
        "aggregate",
        "CREATE AGGREGATE shop.total(integer) (SFUNC = shop.add, STYPE = integer, INITCOND = '0')",
        "DROP AGGREGATE shop.total(integer)",
        "aggregate shop.total(integer)",
    ),
    Case(
        "operator",
        "CREATE OPERATOR shop.### (FUNCTION = shop.add, LEFTARG = integer, RIGHTARG = integer)",
        "DROP OPERATOR shop.### (integer, integer)",
        "operator shop.###(integer,integer)",
    ),
    Case(
        "operator class",
        "CREATE OPERATOR CLASS shop.oc FOR TYPE integer USING btree AS OPERATOR 1 <, OPERATOR 2 <=,"
        " OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(integer, integer)",
        "DROP OPERATOR FAMILY shop.oc USING btree",
        "operator class shop.oc using btree",
    ),
    Case(
        "cast",
        "CREATE CAST (shop.mood AS integer) WITH INOUT AS ASSIGNMENT",
        "DROP CAST (shop.mood AS integer)",
        "cast shop.mood as integer",
    ),
    Case(
        "collation",
        "CREATE COLLATION shop.c (LOCALE = 'C')",
        "DROP COLLATION shop.c",
        "collation shop.c encoding 6",
    ),
    Case(
        "conversion",
        "CREATE CONVERSION shop.c FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1",
        "DROP CONVERSION shop.c",
        "conversion shop.c",
    ),
    Case(
        "text search mapping",
        "ALTER TEXT SEARCH CONFIGURATION shop.words DROP MAPPING FOR email",
        "ALTER TEXT SEARCH CONFIGURATION shop.words ADD MAPPING FOR email WITH simple",
        "text search configuration shop.words",
    ),
    Case(
        "text search dictionary",
        "CREATE TEXT SEARCH DICTIONARY shop.d (TEMPLATE = simple, Accept = false)",
        "DROP TEXT SEARCH DICTIONARY shop.d",
        "text search dictionary shop.d",
    ),
    Case(
        "extended statistics",
        "ALTER STATISTICS shop.correlated SET STATISTICS 50",
        "ALTER STATISTICS shop.correlated SET STATISTICS -1",
        "statistics shop.correlated",
    ),
    Case("extension", "CREATE EXTENSION citext SCHEMA shop", "DROP EXTENSION citext", "extension citext"),
    Case(
        "event trigger",
        "CREATE FUNCTION shop.ev() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE EVENT TRIGGER ev ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION shop.ev()",
        "DROP EVENT TRIGGER ev; DROP FUNCTION shop.ev()",
        "event trigger ev",
    ),
    Case(
        "publication",
        "ALTER PUBLICATION feed SET (publish = 'insert')",
        "ALTER PUBLICATION feed SET (publish = 'insert, update, delete, truncate')",
        "publication feed",
    ),
    Case(
        "publication table",
        "ALTER PUBLICATION feed ADD TABLE shop.orders",
        "ALTER PUBLICATION feed DROP TABLE shop.orders",
        "publication table feed: shop.orders",
    ),
    Case(
        "publication filter",
        "ALTER PUBLICATION feed SET TABLE shop.customers (id) WHERE (id > 5)",
        "ALTER PUBLICATION feed SET TABLE shop.customers",
        "publication table feed: shop.customers",
    ),
    Case(
        "publication schema",
        "ALTER PUBLICATION feed ADD TABLES IN SCHEMA shop",
        "ALTER PUBLICATION feed DROP TABLES IN SCHEMA shop",
        "publication schema feed: shop",
    ),
    Case(
        "server option",
        "ALTER SERVER elsewhere OPTIONS (SET host 'b')",
        "ALTER SERVER elsewhere OPTIONS (SET host 'a')",
        "server elsewhere",
    ),
    Case(
        "user mapping",
        "CREATE USER MAPPING FOR reader SERVER elsewhere OPTIONS (password 'secret')",
        "DROP USER MAPPING FOR reader SERVER elsewhere",
        "user mapping reader on elsewhere",
    ),
    Case(
        "foreign table",
        "CREATE FOREIGN TABLE shop.f (a integer) SERVER elsewhere",
        "DROP FOREIGN TABLE shop.f",
        "foreign table shop.f",
    ),
    Case(
        "language",
        "CREATE LANGUAGE pl HANDLER plpgsql_call_handler",
        "DROP LANGUAGE pl",
        "language pl",
    ),
    Case(
        "access method",
        "CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler",
        "DROP ACCESS METHOD heap2",
        "access method heap2",
    ),
    Case(
        "comment",
        "COMMENT ON TABLE shop.orders IS 'x'",
        "COMMENT ON TABLE shop.orders IS NULL",
        "comment on table shop.orders",
    ),
    Case(
        "comment on column",
        "COMMENT ON COLUMN shop.orders.id IS 'x'",
        "COMMENT ON COLUMN shop.orders.id IS NULL",
        "comment on column shop.orders.id",
    ),
    Case(
        "comment on constraint",
        "COMMENT ON CONSTRAINT orders_pkey ON shop.orders IS 'x'",
        "COMMENT ON CONSTRAINT orders_pkey ON shop.orders IS NULL",
        "comment on table constraint orders_pkey on shop.orders",
    ),
    Case(
        "comment on index",
        "COMMENT ON INDEX shop.orders_status IS 'x'",
        "COMMENT ON INDEX shop.orders_status IS NULL",
        "comment on index shop.orders_status",
    ),
    Case(
        "comment on type",
        "COMMENT ON TYPE shop.mood IS 'x'",
        "COMMENT ON TYPE shop.mood IS NULL",
        "comment on type shop.mood",
    ),
    Case(
        "grant",
        "GRANT SELECT ON shop.orders TO reader",
        "REVOKE SELECT ON shop.orders FROM reader",
        "grant on table shop.orders to reader",
    ),
    Case(
        "grant option",
        "GRANT UPDATE ON shop.orders TO reader WITH GRANT OPTION",
        "REVOKE UPDATE ON shop.orders FROM reader",
        "grant on table shop.orders to reader",
    ),
    Case(
        "column grant",
        "GRANT UPDATE (status) ON shop.orders TO reader",
        "REVOKE UPDATE (status) ON shop.orders FROM reader",
        "grant on column shop.orders.status to reader",
    ),
    Case(
        "revoke from owner",
        "REVOKE DELETE ON shop.orders FROM drill_admin",
        "GRANT DELETE ON shop.orders TO drill_admin",
        "revoke on table shop.orders from drill_admin",
    ),
    Case(
        "revoke from public",
        "REVOKE EXECUTE ON FUNCTION shop.twice FROM PUBLIC",
        "GRANT EXECUTE ON FUNCTION shop.twice TO PUBLIC",
        "revoke on function shop.twice(n integer) from PUBLIC",
    ),
    Case(
        "schema grant",
        "GRANT USAGE ON SCHEMA shop TO reader",
        "REVOKE USAGE ON SCHEMA shop FROM reader",
        "grant on schema shop to reader",
    ),
    Case(
        "sequence grant",
        "GRANT USAGE ON SEQUENCE shop.numbers TO reader",
        "REVOKE USAGE ON SEQUENCE shop.numbers FROM reader",
        "grant on sequence shop.numbers to reader",
    ),
    Case(
        "type grant",
        "REVOKE USAGE ON TYPE shop.mood FROM PUBLIC",
        "GRANT USAGE ON TYPE shop.mood TO PUBLIC",
        "revoke on type shop.mood from PUBLIC",
    ),
    Case(
        "default privileges",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO reader",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA shop REVOKE SELECT ON TABLES FROM reader",
        "grant on future tables of drill_admin in shop to reader",
    ),
    Case(
        "global default privileges",
        "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
        "revoke on future functions of drill_admin from PUBLIC",
    ),
    Case(
        "database setting",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 99999', current_database()); END $$",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET work_mem', current_database()); END $$",
        "database setting work_mem",
    ),
]

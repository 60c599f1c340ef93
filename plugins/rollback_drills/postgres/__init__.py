"""PostgreSQL as a drill needs it: fingerprints of schema, data and sequences, and disposable databases.

Independent of pytest, targets and runtimes; needs psycopg and a server of version 13 or newer.
"""

from rollback_drills.postgres.activity import (
    LOCK_MODES,
    BackendSession,
    blocked,
    invalid_indexes,
    relation_locks,
    sessions,
    terminate,
    terminate_all,
)
from rollback_drills.postgres.changed_columns import changed_columns, without
from rollback_drills.postgres.connection import (
    Connection,
    connect,
    libpq_url,
    quote_ident,
    quote_literal,
    read_pinned,
    redact,
    with_account,
    with_database,
)
from rollback_drills.postgres.crash import crash
from rollback_drills.postgres.data import (
    DataDiff,
    DataFingerprint,
    TableData,
    TableDiff,
    data_fingerprint,
)
from rollback_drills.postgres.databases import (
    check_marker,
    create_database,
    create_extensions,
    database_exists,
    drop_database,
    mark,
    prepare_server,
    read_marker,
    require_marker,
    swap_databases,
)
from rollback_drills.postgres.large_objects import LARGE_OBJECTS
from rollback_drills.postgres.newest import newest_row
from rollback_drills.postgres.relations import columns, common_columns, version_tables
from rollback_drills.postgres.rows import MissingRows, RowSet, all_columns, row_hashes
from rollback_drills.postgres.schema.fingerprint import (
    Change,
    SchemaDiff,
    SchemaEntry,
    SchemaFingerprint,
    schema_fingerprint,
)
from rollback_drills.postgres.sequence_state import SequenceState, sequences
from rollback_drills.postgres.settings import RoleSettings, restore_role_settings, role_settings
from rollback_drills.postgres.written import Written, WrittenRow, moment, written_since

__all__ = [
    "LARGE_OBJECTS",
    "LOCK_MODES",
    "BackendSession",
    "Change",
    "Connection",
    "DataDiff",
    "DataFingerprint",
    "MissingRows",
    "RoleSettings",
    "RowSet",
    "SchemaDiff",
    "SchemaEntry",
    "SchemaFingerprint",
    "SequenceState",
    "TableData",
    "TableDiff",
    "Written",
    "WrittenRow",
    "all_columns",
    "blocked",
    "changed_columns",
    "check_marker",
    "columns",
    "common_columns",
    "connect",
    "crash",
    "create_database",
    "create_extensions",
    "data_fingerprint",
    "database_exists",
    "drop_database",
    "invalid_indexes",
    "libpq_url",
    "mark",
    "moment",
    "newest_row",
    "prepare_server",
    "quote_ident",
    "quote_literal",
    "read_marker",
    "read_pinned",
    "redact",
    "relation_locks",
    "require_marker",
    "restore_role_settings",
    "role_settings",
    "row_hashes",
    "schema_fingerprint",
    "sequences",
    "sessions",
    "swap_databases",
    "terminate",
    "terminate_all",
    "version_tables",
    "with_account",
    "with_database",
    "without",
    "written_since",
]

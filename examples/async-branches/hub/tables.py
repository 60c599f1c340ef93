"""The tables, as this release knows them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Computed, DateTime, ForeignKey, MetaData, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

owners = Table(
    "owners",
    metadata,
    Column("name", Text, primary_key=True),
    Column("trusted", Boolean, nullable=False, server_default=text("false")),
)
repositories = Table(
    "repositories",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("full_name", Text, nullable=False, unique=True),
)
authors = Table(
    "authors",
    metadata,
    Column("email", Text, primary_key=True),
    Column("pushes", BigInteger, nullable=False, server_default=text("0")),
)
deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", Text, primary_key=True),
    Column("forge", Text, nullable=False),
    Column("repository", BigInteger, ForeignKey("repositories.id"), nullable=False),
    Column("ref", Text, nullable=False),
    Column("branch", Text, Computed("substring(ref from '^refs/heads/(.*)$')", persisted=True)),
    Column("payload", JSONB, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

"""A database's address, in the forms that libpq, SQLAlchemy and a target's configuration want."""

from __future__ import annotations

from psycopg.conninfo import conninfo_to_dict


def sqlalchemy_url(url: str) -> str:
    """The same address for SQLAlchemy with psycopg 3; libpq's own tools must never see it."""
    return "postgresql+psycopg://" + url.split("://", 1)[1]


def database_values(url: str) -> dict[str, str]:
    """What the placeholders of a database mean: whole addresses, and their parts for whoever wants them apart."""
    parts = conninfo_to_dict(url)
    return {
        "database_url": url,
        "sqlalchemy_url": sqlalchemy_url(url),
        "database_host": str(parts.get("host", "")),
        "database_port": str(parts.get("port", "5432")),
        "database_name": str(parts.get("dbname", "")),
        "database_user": str(parts.get("user", "")),
        "database_password": str(parts.get("password", "")),
    }

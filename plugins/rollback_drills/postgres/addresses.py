"""The address of a database in the forms of libpq, SQLAlchemy and a target's configuration."""

from __future__ import annotations

from psycopg.conninfo import conninfo_to_dict


def sqlalchemy_url(url: str) -> str:
    """The address for SQLAlchemy with psycopg 3; libpq's own tools would misunderstand it."""
    return "postgresql+psycopg://" + url.split("://", 1)[1]


def database_values(url: str) -> dict[str, str]:
    """Values for a target file's placeholders: the address as a whole, and its parts."""
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

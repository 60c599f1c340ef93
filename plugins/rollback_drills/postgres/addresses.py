"""The address of a database in the forms of libpq, SQLAlchemy and a target's configuration."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote, urlsplit, urlunsplit

from psycopg.conninfo import conninfo_to_dict

from rollback_drills.core.placeholders import names_in


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


def without_password(url: str) -> tuple[str, str]:
    """The libpq URL without its password, and the password; '' if it has none.

    Every user of the machine can read the arguments of a process. Its environment only its own account can.
    """
    parts = urlsplit(url)
    account, at, address = parts.netloc.rpartition("@")
    user, _, password = account.partition(":")
    return urlunsplit((parts.scheme, f"{user}{at}{address}", *parts[2:])), unquote(password)


def client_variables(url: str) -> dict[str, str]:
    """The variables from which a client program takes the password that its arguments do not have.

    Everything on libpq reads PGPASSWORD (manual, libpq: "Environment Variables"); DATABASE_URL is for what does not.
    """
    return {"PGPASSWORD": without_password(url)[1], "DATABASE_URL": url}


def argument_values(url: str) -> dict[str, str]:
    """Values for the placeholders of the address in a command's arguments: without the password."""
    bare = without_password(url)[0]
    return {"database_url": bare, "sqlalchemy_url": sqlalchemy_url(bare)}


def argument_variables(argv: Iterable[str], url: str) -> dict[str, str]:
    """The password for a command in whose arguments the address stands, as a variable."""
    named = any(names_in(argument) & {"database_url", "sqlalchemy_url"} for argument in argv)
    return {"PGPASSWORD": without_password(url)[1]} if named else {}

"""The database: what a push does to it. Every wait has a limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from hub.tables import authors, deliveries, metadata, owners, repositories

TIMEOUT = 2.0  # seconds


class UnavailableError(Exception):
    """The database did not do what it was asked for; the message says why."""


class Store:
    def __init__(self, url: str) -> None:
        # No prepared statement is kept: under a connection that lasts, a migration makes it invalid.
        settings = {
            "timeout": TIMEOUT,
            "command_timeout": TIMEOUT,
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
        }
        self._engine = create_async_engine(url, pool_size=5, pool_pre_ping=True, connect_args=settings)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with asyncio.timeout(2 * TIMEOUT), self._engine.begin() as connection:
                yield connection
        except TimeoutError:
            raise UnavailableError(f"no answer from the database within {TIMEOUT:g} s") from None
        except (SQLAlchemyError, OSError) as error:
            raise UnavailableError(str(error).splitlines()[0]) from error

    async def record(self, forge: str, delivery_id: str, push: dict[str, Any]) -> bool:
        """Store a push once, and count it for its author. Returns False if it was there already."""
        name = push["repository"]
        async with self._transaction() as connection:
            await connection.execute(insert(owners).values(name=name.partition("/")[0]).on_conflict_do_nothing())
            await connection.execute(insert(repositories).values(full_name=name).on_conflict_do_nothing())
            known = select(repositories.c.id).where(repositories.c.full_name == name).scalar_subquery()
            stored = await connection.execute(
                insert(deliveries)
                .values(delivery_id=delivery_id, forge=forge, repository=known, ref=push["ref"], payload=push)
                .on_conflict_do_nothing()
            )
            if stored.rowcount == 0:
                return False
            counted = insert(authors).values(email=push["author"], pushes=1)
            await connection.execute(
                counted.on_conflict_do_update(index_elements=["email"], set_={"pushes": authors.c.pushes + 1})
            )
        return True

    async def branches(self, repository: str) -> list[str]:
        """The branches of a repository that were pushed to."""
        async with self._transaction() as connection:
            query = (
                select(deliveries.c.branch)
                .join(repositories)
                .where(repositories.c.full_name == repository, deliveries.c.branch.is_not(None))
                .distinct()
            )
            return sorted((await connection.scalars(query)).all())

    async def check(self) -> None:
        """Read every column of every table that this release knows, though no row of them."""
        async with self._transaction() as connection:
            for table in metadata.tables.values():
                await connection.execute(select(table).limit(0))

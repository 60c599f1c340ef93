"""Connects by the asynchronous driver that the hub has, since no other one is installed."""

import asyncio
import os

from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


def migrate(connection):
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def main():
    settings = {"application_name": "hub migrations", "lock_timeout": "1000"}
    engine = create_async_engine(
        os.environ["DATABASE_URL"], poolclass=NullPool, connect_args={"server_settings": settings}
    )
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


asyncio.run(main())

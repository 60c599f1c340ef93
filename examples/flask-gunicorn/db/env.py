"""Connects as the application does. A statement that waits for a lock gives up after a second: nothing queues up."""

from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from parcels.database import settings

where = settings()
url = URL.create(
    "postgresql+psycopg2", where["user"], where["password"], where["host"], int(where["port"]), where["dbname"]
)
engine = create_engine(url, poolclass=NullPool, connect_args={"options": "-c lock_timeout=1000"})

with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()

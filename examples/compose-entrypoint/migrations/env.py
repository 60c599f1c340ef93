"""Connects by DATABASE_URL. One instance migrates at a time; the next one finds nothing left to do."""

import os

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg")
engine = create_engine(url, poolclass=NullPool, connect_args={"options": "-c lock_timeout=1s"})

with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        # Let go by the server at the end of the transaction, however that comes.
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(2304)"))
        connection.execute(text("SET LOCAL lock_timeout = '1s'"))
        context.run_migrations()

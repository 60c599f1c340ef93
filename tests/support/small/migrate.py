"""Stands in for alembic: there is nothing to migrate, and every command succeeds."""

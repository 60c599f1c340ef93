"""Alembic, driven one step at a time in the target's own interpreter."""

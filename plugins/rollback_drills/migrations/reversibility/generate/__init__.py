"""Rows that are written before a migration, to see what becomes of them."""

"""Proves of every revision what its downgrade does, with rows in the tables."""

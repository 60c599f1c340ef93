"""Fingerprints of a schema, and their changes."""

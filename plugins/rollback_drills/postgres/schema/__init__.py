"""Fingerprints of a schema, and how they change."""

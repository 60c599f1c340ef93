"""Generates the rows with which the tables are seeded before a migration."""

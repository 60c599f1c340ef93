"""A disposable copy of the system, ready for drills."""

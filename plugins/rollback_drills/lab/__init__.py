"""A disposable copy of the system, ready to be drilled."""

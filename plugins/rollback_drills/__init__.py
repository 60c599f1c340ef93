"""Rehearse every rollback of a runbook on a disposable gateway and PostgreSQL, and file the proof.

This module stays empty on purpose: the pytest entry point imports the package on every pytest run.
"""

__version__ = "0.1.0"

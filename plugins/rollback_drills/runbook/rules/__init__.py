"""The rules of the runbook linter: one function per rule, named by the code of its finding.

A rule yields the commands of a section that mislead their reader. When in doubt, it reports nothing.
"""

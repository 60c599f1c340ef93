"""Processes, ports and tools of this machine."""

"""Processes, ports and tools on this machine."""

"""Private processes of this machine."""

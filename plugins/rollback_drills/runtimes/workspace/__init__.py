"""The private directory of a run, and its removal."""

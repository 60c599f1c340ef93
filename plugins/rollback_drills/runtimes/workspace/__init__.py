"""The private directory of a run, and the removal of what killed runs left behind."""

"""The files of a run, and how the runs of a directory are kept in order."""

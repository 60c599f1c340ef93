"""Where the documents of a run land, and how runs are kept in order."""

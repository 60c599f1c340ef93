"""What a run leaves behind: the JSON contract between drills and reports."""

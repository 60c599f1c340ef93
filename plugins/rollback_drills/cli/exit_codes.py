"""Exit codes of the command line."""

OK = 0
WRONG = 1  # it was looked at, and not all is well
USAGE = 2  # it could not be done: a wrong option, a file that is not there or is in the way

"""Exit codes of the command line."""

OK = 0
PROBLEMS = 1  # the command ran, and found problems
USAGE = 2  # the command could not run: a wrong option, a missing file, or one that must not be overwritten
REFUSED = 4  # as pytest's, of the commands that become pytest: a mistake that is reported before anything is started
CLOSED_OUTPUT = 141  # as of a command that SIGPIPE has ended

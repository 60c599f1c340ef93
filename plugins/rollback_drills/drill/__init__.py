"""A drill and its verdict."""

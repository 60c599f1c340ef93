"""A status board: monitors report what is wrong, people see what is open."""

__version__ = "2.4"

"""Random game days: operations in random order, and the invariants that every one of them must leave intact."""

from rollback_drills.gamedays.attempt import FailedDay
from rollback_drills.gamedays.day import Day
from rollback_drills.gamedays.notation import format_day, parse_day
from rollback_drills.gamedays.operations import Operation
from rollback_drills.gamedays.search import Search

__all__ = ["Day", "FailedDay", "Operation", "Search", "format_day", "parse_day"]

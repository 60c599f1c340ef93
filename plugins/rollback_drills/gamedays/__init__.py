"""Random game days: operations in any order, with what must hold after each of them."""

from rollback_drills.gamedays.day import Day, Judge
from rollback_drills.gamedays.operations import Operation, parse, token
from rollback_drills.gamedays.search import (
    FailedDay,
    Search,
)

__all__ = ["Day", "FailedDay", "Judge", "Operation", "Search", "parse", "token"]

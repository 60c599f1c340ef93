"""Client traffic: an open-loop load through a drill, and what clients saw of it.

`sender_program` sends in a process of its own, `sender` talks to it, `load` is the load of one drill. `records` says
what a request came to, `analysis` and `accounting` derive what is reported; they are pure functions of the records.
"""

from rollback_drills.clients.traffic.accounting import (
    DeliveryAttempt,
    DeliveryLedger,
    account,
)
from rollback_drills.clients.traffic.analysis import Span, analyse, held
from rollback_drills.clients.traffic.clients import Clients, Held
from rollback_drills.clients.traffic.load import Load, begin
from rollback_drills.clients.traffic.records import Request, fate
from rollback_drills.clients.traffic.sender import Sender

__all__ = [
    "Clients",
    "DeliveryAttempt",
    "DeliveryLedger",
    "Held",
    "Load",
    "Request",
    "Sender",
    "Span",
    "account",
    "analyse",
    "begin",
    "fate",
    "held",
]

"""Client traffic: an open-loop load during a drill, and what clients saw.

`sender_program` sends the requests in its own process, `sender` talks to it, `load` is the load of one drill.
`records` holds the results; `analysis` and `accounting` evaluate them with pure functions.
"""

from rollback_drills.clients.traffic.accounting import (
    DeliveryAttempt,
    DeliveryLedger,
    account,
)
from rollback_drills.clients.traffic.analysis import Span, analyse, held
from rollback_drills.clients.traffic.clients import StackClients, SteadyWindow
from rollback_drills.clients.traffic.load import Load, begin
from rollback_drills.clients.traffic.records import Request, fate
from rollback_drills.clients.traffic.sender import Sender

__all__ = [
    "DeliveryAttempt",
    "DeliveryLedger",
    "Load",
    "Request",
    "Sender",
    "Span",
    "StackClients",
    "SteadyWindow",
    "account",
    "analyse",
    "begin",
    "fate",
    "held",
]

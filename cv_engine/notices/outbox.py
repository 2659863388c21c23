"""The outbox of the notices: what a notice's state is, and what is to be sent next."""

from __future__ import annotations

from enum import StrEnum


class NoticeState(StrEnum):
    """State of a notice."""

    NONE = "none"  # nothing is sent for the case
    WAITING = "waiting"  # to be sent, now or later
    SENDING = "sending"  # an attempt is under way, or was interrupted
    SENT = "sent"  # the gateway has it
    DELIVERED = "delivered"  # the phone has it, as the gateway reports
    UNDELIVERED = "undelivered"  # the gateway reports that it did not arrive
    DOUBTFUL = "doubtful"  # the gateway may have it: not repeated by itself
    DEAD = "dead"  # not sent, and given up
    CANCELLED = "cancelled"  # not needed any more


#: States that an operator has to look at.
LETTERS = (NoticeState.DEAD, NoticeState.DOUBTFUL)

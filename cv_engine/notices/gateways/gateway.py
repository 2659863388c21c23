"""What a gateway is: it takes text messages, and may report what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """A text message.

    Attributes:
        key: Idempotency key: the same for every attempt at one notice, and for no other.
        to: Phone number.
        text: The text.
    """

    key: str
    to: str
    text: str


class Outcome(StrEnum):
    """What became of a message that the gateway took."""

    PENDING = "pending"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"


@dataclass(frozen=True, slots=True)
class Report:
    """A delivery report.

    Attributes:
        outcome: What became of the message.
        text: The status as the gateway has it.
    """

    outcome: Outcome
    text: str


class Gateway(Protocol):
    """Takes text messages.

    Attributes:
        name: Name for people.
        is_idempotent: Whether the gateway sends a message once, however often it gets the same key.
        reports: Whether it tells what became of a message.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def is_idempotent(self) -> bool: ...  # noqa: D102

    @property
    def reports(self) -> bool: ...  # noqa: D102

    def send(self, message: Message) -> str | None:
        """Send one message, and return when the gateway has taken it.

        Returns:
            The gateway's number of the message, for the report; ``None`` without one.

        Raises:
            OutletAway: The gateway takes nothing at present, and has not taken this message.
            RetryLater: This message was not taken, and may be later.
            Refused: This message will never be taken.
            InDoubt: This message may have been taken.
        """
        ...

    def report(self, message_id: str) -> Report:
        """What became of a message.

        Raises:
            RetryLater: The gateway does not say at present.
        """
        ...

    def close(self) -> None:
        """Close the connection, if there is one; the next message opens it again."""
        ...

"""Report: what one message of a sensor says, with the time at which the device said so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from cv_engine.sensors.condition import Condition

TimeFrom = Literal["device", "receipt"]


class Delivery(StrEnum):
    """How the broker delivered a message.

    Attributes:
        FIRST: For the first time, as far as the broker knows.
        AGAIN: After a delivery that was not acknowledged (the flag DUP of MQTT).
        RETAINED: As the topic's last message, to a new subscriber.
    """

    FIRST = "first"
    AGAIN = "again"
    RETAINED = "retained"


@dataclass(frozen=True, slots=True)
class Position:
    """A position that a device reports.

    Attributes:
        longitude: Degrees WGS 84.
        latitude: Degrees WGS 84.
        accuracy_m: Radius in metres within which the device is, ``None`` if unknown.
    """

    longitude: float
    latitude: float
    accuracy_m: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One message, read and timed.

    Attributes:
        device: The device's id.
        at: When the device said so.
        received: When the message arrived.
        time_from: Whether ``at`` is the device's time or the time of receipt.
        sequence: The device's number of the message.
        event: The condition that the device names; ``None`` without an event, or for a sign of
            life.
        tilt_deg: Tilt against the registered attitude, degrees, 0 to 180.
        displaced: Whether the thing is out of its place, by the device's own contact or switch.
        acceleration_g: Largest acceleration since the last message, without gravity, in g.
        battery_pct: Charge of the battery, percent.
        position: Where the device is.
        identity: Digest of the message, which equal messages share.
        numbered: Whether the message has a number or a time, so that the next one differs.
    """

    device: str
    at: datetime
    received: datetime
    time_from: TimeFrom = "device"
    sequence: int | None = None
    event: Condition | None = None
    tilt_deg: float | None = None
    displaced: bool | None = None
    acceleration_g: float | None = None
    battery_pct: float | None = None
    position: Position | None = None
    identity: str = ""
    numbered: bool = False

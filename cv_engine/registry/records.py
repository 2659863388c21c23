"""What the registries know: vehicles, merchants, permits, exemptions and contact data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, Self

from zones.schedule import Schedule

_EARTH_M = 6_371_008.8  # mean radius (IUGG); a sphere is wrong by 0.5 % at most


class Kind(StrEnum):
    """The registries, each one table; the words of the command line."""

    VEHICLES = "vehicles"
    MERCHANTS = "merchants"
    STALLS = "stalls"  # permits of street stalls
    ADVERTISING = "advertising"  # permits of outdoor advertising
    BUILDING = "building"  # permits of building works and of what they put on the street
    PARKING = "parking"  # permits to park, of residents for example
    EXEMPTIONS = "exemptions"  # vehicles that may stop: police, ambulance, works


#: The registries of permits.
PERMITS: Final = (Kind.STALLS, Kind.ADVERTISING, Kind.BUILDING, Kind.PARKING)


class Status(StrEnum):
    """What the vehicle registry says of a vehicle."""

    NORMAL = "normal"
    EXEMPT = "exempt"
    STOLEN = "stolen"
    DEREGISTERED = "deregistered"  # scrapped or exported: no vehicle should have the plate


@dataclass(frozen=True, slots=True)
class Spot:
    """A place on the ground.

    Attributes:
        longitude: Degrees WGS 84.
        latitude: Degrees WGS 84.
        accuracy_m: Radius in metres within which the true place lies.
    """

    longitude: float
    latitude: float
    accuracy_m: float = 0.0

    @classmethod
    def of(cls, geometry: Mapping[str, Any], accuracy_m: float = 0.0) -> Self:
        """The middle of a GeoJSON geometry in WGS 84.

        Args:
            geometry: The geometry, longitude first.
            accuracy_m: Radius in metres within which the true place lies.
        """
        from shapely.geometry import shape

        middle = shape(dict(geometry)).centroid
        return cls(float(middle.x), float(middle.y), accuracy_m)


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A registered vehicle.

    Attributes:
        plate: Upper case, without dots and spaces.
        layout: Name of the plate's layout, such as ``"blue"``, where the registry has one.
        status: Whether the vehicle is normal, exempt, stolen or deregistered.
        exempt_reason: Why the vehicle is exempt, if so.
        has_contact: Whether the registry has contact data of the owner.
    """

    plate: str
    layout: str | None = None
    status: Status = Status.NORMAL
    exempt_reason: str | None = None
    has_contact: bool = False


@dataclass(frozen=True, slots=True)
class Contact:
    """How to reach the owner of a vehicle, or a merchant; never shown by ``repr``.

    Attributes:
        name: Name of the person or company, if known.
        phone: Digits, with a ``+`` before a country's code, if known.
        address: Postal address in one line, if known.
    """

    name: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    address: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Merchant:
    """A shop, or another merchant.

    Attributes:
        id: The authority's number, such as the unified social credit code.
        name: Name on the sign.
        zone: Name of the zone, if known.
        longitude: Degrees WGS 84, if known.
        latitude: Degrees WGS 84, if known.
        has_contact: Whether the registry has contact data.
    """

    id: str
    name: str
    zone: str | None = None
    longitude: float | None = None
    latitude: float | None = None
    has_contact: bool = False


@dataclass(frozen=True, slots=True)
class Permit:
    """A permit to use the street.

    Attributes:
        number: The authority's number; a permit of several places has several records.
        holder: Merchant's id or the holder's name, if known.
        plate: The vehicle that the permit is for; ``None``: any.
        zone: Name of the zone; ``None``: not bound to a zone.
        longitude: Degrees WGS 84; ``None``: not bound to a place.
        latitude: Degrees WGS 84.
        radius_m: Metres around the place that the permit covers.
        valid_from: First day; ``None``: since ever.
        valid_to: Last day; ``None``: without end.
        hours: Hours of the week, written as in a zone's schedule; ``None``: all.
    """

    number: str
    holder: str | None = None
    plate: str | None = None
    zone: str | None = None
    longitude: float | None = None
    latitude: float | None = None
    radius_m: float | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    hours: str | None = None

    def covers(self, zone: str | None, spot: Spot | None, plate: str | None) -> bool:
        """Whether the permit covers a zone, place or vehicle.

        Every one of zone, place and plate that both the permit and the question name must agree,
        and at least one must.

        Args:
            zone: Name of the zone asked about, if any.
            spot: Place asked about, if any.
            plate: Plate asked about, if any.
        """
        agreed = []
        if zone is not None and self.zone is not None:
            agreed.append(zone == self.zone)
        if plate is not None and self.plate is not None:
            agreed.append(plate == self.plate)
        if spot is not None and self.longitude is not None and self.latitude is not None:
            far_m = distance_m(spot, Spot(self.longitude, self.latitude))
            agreed.append(far_m <= (self.radius_m or 0.0) + spot.accuracy_m)
        return bool(agreed) and all(agreed)


@dataclass(frozen=True, slots=True)
class Exemption:
    """A vehicle that may stop where others may not.

    Attributes:
        plate: Upper case, without dots and spaces.
        reason: Why, such as ``"police"``, ``"ambulance"`` or ``"works"``.
        zone: Name of the zone; ``None``: everywhere.
        valid_from: First day; ``None``: since ever.
        valid_to: Last day; ``None``: without end.
        hours: Hours of the week, written as in a zone's schedule; ``None``: all.
    """

    plate: str
    reason: str
    zone: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    hours: str | None = None


def is_valid(record: Permit | Exemption, at: datetime, timezone: str, clock: tzinfo) -> bool:
    """Whether a permit or an exemption holds at a moment.

    Args:
        record: The permit or exemption.
        at: The moment, timezone-aware.
        timezone: Name of the time zone of its days and hours.
        clock: The same time zone.
    """
    day = at.astimezone(clock).date()
    if record.valid_from is not None and day < record.valid_from:
        return False
    if record.valid_to is not None and day > record.valid_to:
        return False
    return record.hours is None or _schedule(record.hours, timezone).active(at)


def distance_m(one: Spot, other: Spot) -> float:
    """Distance of two places along the ground, metres (haversine formula).

    Args:
        one: A place.
        other: Another place.
    """
    north, north_of_other = math.radians(one.latitude), math.radians(other.latitude)
    across = math.sin(math.radians(other.longitude - one.longitude) / 2) ** 2
    along = math.sin((north_of_other - north) / 2) ** 2
    share = along + math.cos(north) * math.cos(north_of_other) * across
    return 2 * _EARTH_M * math.asin(math.sqrt(min(share, 1.0)))


@lru_cache(maxsize=1024)
def _schedule(hours: str, timezone: str) -> Schedule:
    return Schedule.parse(hours, timezone)

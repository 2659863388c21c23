"""The registries of a city behind one interface; accesses to contact data are logged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Self

from cv_engine.cases.lifecycle import Actor, Role
from cv_engine.cases.looks import Look
from cv_engine.plate import normal_plate
from cv_engine.registry.errors import RegistryError
from cv_engine.registry.records import (
    PERMITS,
    Contact,
    Exemption,
    Kind,
    Merchant,
    Permit,
    Spot,
    Vehicle,
    distance_m,
    is_valid,
)
from cv_engine.registry.source import Source
from zones.errors import WrongValue
from zones.schedule import time_zone

_WITH_CONTACT = (Kind.VEHICLES, Kind.MERCHANTS)


class Registry:
    """What the city knows of vehicles, merchants, permits and exemptions; for any thread.

    A registry that was never imported answers that nothing is known. Every method raises
    ``RegistryUnavailable`` where a table or the service cannot answer now.

    Args:
        sources: Where the records of each registry are.
        log: Makes each access to contact data durable before the data are given; where the log
            raises, they are not given.
        clock: Returns the present time (timezone-aware).
        contact_role: The least role that sees contact data.
        timezone: Name of the time zone in which permits have their days and hours.
    """

    def __init__(
        self,
        sources: Mapping[Kind, Source],
        log: Callable[[Look], None],
        clock: Callable[[], datetime],
        *,
        contact_role: Role = Role.SUPERVISOR,
        timezone: str = "UTC",
    ) -> None:
        self._sources, self._log, self._clock = dict(sources), log, clock
        self._contact_role = contact_role
        self._timezone, self._zone_clock = timezone, time_zone(timezone)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close files and connections."""
        for source in {id(source): source for source in self._sources.values()}.values():
            source.close()

    def vehicle(self, plate: str) -> Vehicle | None:
        """The vehicle of a plate; ``None`` if it is not registered.

        Args:
            plate: The plate, in any spelling.
        """
        name = _plate(plate)
        return None if name is None else self._sources[Kind.VEHICLES].vehicle(name)

    def merchant(self, merchant_id: str) -> Merchant | None:
        """The merchant of an id; ``None`` if there is none.

        Args:
            merchant_id: The authority's number.
        """
        return self._sources[Kind.MERCHANTS].merchant(merchant_id)

    def merchants(self, spot: Spot, within_m: float) -> tuple[Merchant, ...]:
        """Merchants near a place, the nearest first.

        Args:
            spot: The place.
            within_m: Largest distance beyond the error of the place, metres.
        """
        far = [
            (distance_m(spot, Spot(each.longitude, each.latitude)), each.id, each)
            for each in self._sources[Kind.MERCHANTS].merchants(spot, within_m)
            if each.longitude is not None and each.latitude is not None
        ]
        return tuple(each for d, _, each in sorted(far) if d <= within_m + spot.accuracy_m)

    def permits(
        self,
        kind: Kind,
        at: datetime,
        *,
        zone: str | None = None,
        spot: Spot | None = None,
        plate: str | None = None,
    ) -> tuple[Permit, ...]:
        """Permits that hold at a moment and cover a zone, place or vehicle.

        Args:
            kind: One of :data:`~cv_engine.registry.records.PERMITS`.
            at: The moment, timezone-aware.
            zone: Name of the zone, if that is asked about.
            spot: The place, if that is asked about.
            plate: The vehicle, if that is asked about; in any spelling.

        Raises:
            RegistryError: The registry has no permits.
        """
        if kind not in PERMITS:
            raise RegistryError(f"{kind} has no permits; take one of {', '.join(PERMITS)}")
        name = None if plate is None else _plate(plate)
        day = at.astimezone(self._zone_clock).date()
        return tuple(
            each
            for each in self._sources[kind].permits(kind, zone, spot, name, day)
            if each.covers(zone, spot, name)
            and is_valid(each, at, self._timezone, self._zone_clock)
        )

    def exemptions(
        self, plate: str, zone: str | None, at: datetime, *, spot: Spot | None = None
    ) -> tuple[Exemption, ...]:
        """Exemptions and parking permits of a vehicle that hold at a moment.

        Args:
            plate: The plate, in any spelling.
            zone: Name of the zone; ``None``: those of any zone are returned.
            at: The moment, timezone-aware.
            spot: Where the vehicle stands; without it a permit that is bound to a place is none.
        """
        name = _plate(plate)
        if name is None:
            return ()
        day = at.astimezone(self._zone_clock).date()
        exempt = (
            each
            for each in self._sources[Kind.EXEMPTIONS].exemptions(name, day)
            if (zone is None or each.zone in (None, zone))
            and is_valid(each, at, self._timezone, self._zone_clock)
        )
        permitted = (
            _as_exemption(name, each)
            for each in self.permits(Kind.PARKING, at, zone=zone, spot=spot, plate=name)
            if each.longitude is None or spot is not None
        )
        return (*exempt, *permitted)

    def records_of(self, plate: str) -> Iterator[tuple[Kind, Vehicle | Permit | Exemption]]:
        """All that the registries hold about a vehicle, of any time, without contact data.

        Args:
            plate: The plate, in any spelling.

        Yields:
            The registry, and a record of it.
        """
        name = _plate(plate)
        if name is None:
            return
        vehicle = self._sources[Kind.VEHICLES].vehicle(name)
        if vehicle is not None:
            yield Kind.VEHICLES, vehicle
        for kind in PERMITS:
            for permit in self._sources[kind].permits(kind, None, None, name, None):
                yield kind, permit
        for exemption in self._sources[Kind.EXEMPTIONS].exemptions(name, None):
            yield Kind.EXEMPTIONS, exemption

    def contact(
        self,
        name: str,
        *,
        who: str,
        role: Role,
        why: str,
        case_id: int | None = None,
        kind: Kind = Kind.VEHICLES,
    ) -> Contact | None:
        """Contact data of a vehicle's owner or of a merchant; the access is logged first.

        Args:
            name: The plate in any spelling, or the merchant's id.
            who: Name of the person or program that asks.
            role: Role of the person.
            why: The reason.
            case_id: Number of the case that the data are needed for, if any.
            kind: The registry.

        Returns:
            The contact data; ``None`` if the registry has none.

        Raises:
            ForbiddenError: The role may not see contact data.
            QueueError: No reason is given, or the log cannot be written.
            RegistryError: The key of the contact data is missing.
        """
        if kind not in _WITH_CONTACT:
            raise RegistryError(f"{kind} has no contact data; take vehicles or merchants")
        known = (_plate(name) if kind is Kind.VEHICLES else name) or name
        Actor(who, role).need(self._contact_role, f"see the contact data of {known}")
        plate, what = (known, "contact") if kind is Kind.VEHICLES else (None, f"contact {known}")
        self._log(Look(who, role, what, why, self._clock(), case_id, plate))
        return self._sources[kind].contact(kind, known)


def _as_exemption(plate: str, permit: Permit) -> Exemption:
    return Exemption(
        plate,
        f"parking permit {permit.number}",
        permit.zone,
        permit.valid_from,
        permit.valid_to,
        permit.hours,
    )


def _plate(text: str) -> str | None:
    """The plate in the registries' spelling; ``None`` where the text is no plate."""
    try:
        return normal_plate(text.strip())
    except WrongValue:
        return None

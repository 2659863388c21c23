"""Sources of a registry: the tables of this machine, or a service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from cv_engine.registry.records import Contact, Exemption, Kind, Merchant, Permit, Spot, Vehicle


class Source(Protocol):
    """Where records of some registries are.

    Plates are given as :func:`~cv_engine.plate.normal_plate` writes them. Every method
    raises ``RegistryUnavailable`` where the source cannot answer now.
    """

    def vehicle(self, plate: str) -> Vehicle | None:
        """The vehicle of a plate; ``None`` if it is not registered."""

    def merchant(self, merchant_id: str) -> Merchant | None:
        """The merchant of an id; ``None`` if there is none."""

    def merchants(self, spot: Spot, within_m: float) -> Sequence[Merchant]:
        """Merchants that may lie within a distance of a place."""

    def permits(
        self, kind: Kind, zone: str | None, spot: Spot | None, plate: str | None, day: date | None
    ) -> Sequence[Permit]:
        """Permits of a day, or of all days, that may cover a zone, place or vehicle."""

    def exemptions(self, plate: str, day: date | None) -> Sequence[Exemption]:
        """Exemptions of a plate on a day, or on all days."""

    def contact(self, kind: Kind, name: str) -> Contact | None:
        """Contact data of a vehicle's owner or a merchant; ``None`` if there are none."""

    def close(self) -> None:
        """Close files and connections."""

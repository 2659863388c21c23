"""The city's registries as the register that notices ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cv_engine.cases.lifecycle import Role
from cv_engine.finding import Place
from cv_engine.registry import Contact, Exemption, Registry, Spot, Vehicle


@dataclass(frozen=True, slots=True)
class CityRegistry:
    """The registries of :mod:`cv_engine.registry`, asked by the place of a case.

    Attributes:
        registry: The registries.
    """

    registry: Registry

    def vehicle(self, plate: str, /) -> Vehicle | None:
        """See :meth:`cv_engine.notices.registry.Registry.vehicle`."""
        return self.registry.vehicle(plate)

    def exemptions(
        self, plate: str, zone: str, at: datetime, place: Place, /
    ) -> Sequence[Exemption]:
        """See :meth:`cv_engine.notices.registry.Registry.exemptions`.

        A permit for a place holds only where the place of the case is known.
        """
        return self.registry.exemptions(plate, zone, at, spot=_spot(place))

    def contact(
        self, plate: str, /, *, who: str, role: Role, why: str, case_id: int
    ) -> Contact | None:
        """See :meth:`cv_engine.notices.registry.Registry.contact`."""
        return self.registry.contact(plate, who=who, role=role, why=why, case_id=case_id)


def _spot(place: Place) -> Spot | None:
    if place.geometry is None:
        return None
    from shapely.geometry import shape

    middle = shape(dict(place.geometry)).centroid
    return Spot(middle.x, middle.y, place.accuracy_m or 0.0)

"""The registries as a holder: what they know of a vehicle, its owner and its exemptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from cv_engine.cases import Actor
from cv_engine.privacy.holder import Kept, Removed
from cv_engine.registry import Registry


@dataclass(frozen=True, slots=True)
class RegistryHolder:
    """What the registries hold about vehicles; the access to contact data is logged.

    Attributes:
        registry: The registries.
        by: Who discloses.
        why: The reason.
        now: Present time (timezone-aware), at which exemptions are listed.
    """

    registry: Registry
    by: Actor
    why: str
    now: datetime
    name: str = "registry"

    def held(self, plate: str) -> Sequence[Mapping[str, Any]]:
        """See :class:`cv_engine.privacy.holder.Holder`."""
        vehicle = self.registry.vehicle(plate)
        if vehicle is None:
            return []
        record: dict[str, Any] = asdict(vehicle)
        if vehicle.has_contact:
            contact = self.registry.contact(
                plate, who=self.by.name, role=self.by.role, why=self.why
            )
            record["contact"] = None if contact is None else asdict(contact)
        found = self.registry.exemptions(plate, None, self.now)
        return [{**record, "exemptions": [asdict(each) for each in found]}]

    def erase(self, plate: str, at: datetime) -> Removed:
        """Remove nothing: the city imports its registers whole, and the next one would undo it."""
        if self.registry.vehicle(plate) is None:
            return Removed(0)
        why = (
            "the register is the city's: ask who keeps it, and import it again without the vehicle"
        )
        return Removed(0, (Kept("registry", why),))

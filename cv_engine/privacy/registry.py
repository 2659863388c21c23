"""The registries as a holder: what the city's own lists say of a vehicle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from cv_engine.cases import Actor
from cv_engine.privacy.holder import Kept, Removed
from cv_engine.registry import Kind, Registry, RegistryUnavailable, Vehicle


@dataclass(frozen=True, slots=True)
class RegistryHolder:
    """What the registries hold about vehicles, with the contact data of their owners.

    Attributes:
        registry: The registries.
    """

    registry: Registry
    name: str = "registry"

    def held(self, plate: str, by: Actor, why: str) -> Sequence[Mapping[str, Any]]:
        """See :class:`cv_engine.privacy.holder.Holder`; the access to contact data is logged.

        Raises:
            ForbiddenError: The vehicle has contact data, which the role may not see.
            RegistryError: A registry does not answer, or the key is missing.
        """
        return [
            {"registry": kind.value, **asdict(record), **self._contact(record, by, why)}
            for kind, record in self.registry.records_of(plate)
        ]

    def _contact(self, record: object, by: Actor, why: str) -> dict[str, Any]:
        if not isinstance(record, Vehicle) or not record.has_contact:
            return {}
        found = self.registry.contact(record.plate, who=by.name, role=by.role, why=why)
        return {"contact": found and asdict(found)}

    def erase(self, plate: str, at: datetime) -> Removed:
        """Remove nothing, and name the lists that have the plate: they are the city's own."""
        try:
            kinds = dict.fromkeys(kind for kind, _ in self.registry.records_of(plate))
        except RegistryUnavailable as error:  # nothing would have been removed there
            return Removed(0, beyond=(Kept("registry", str(error)),))
        return Removed(0, beyond=tuple(Kept(f"registry {kind}", _why(kind)) for kind in kinds))


def _why(kind: Kind) -> str:
    return (
        "it is the city's own list: have the record removed there; the next "
        f"`cv-engine registry import {kind}` decides"
    )

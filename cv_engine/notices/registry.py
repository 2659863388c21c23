"""What notices ask a register of vehicles; any class with these methods will do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from cv_engine.cases.lifecycle import Role
from cv_engine.finding import Place

#: Status of a vehicle without any other status.
NORMAL = "normal"
#: Status of a vehicle that is reported stolen: its driver is not warned.
STOLEN = "stolen"
#: Status of a vehicle that may stand anywhere.
EXEMPT = "exempt"


class Vehicle(Protocol):
    """A registered vehicle.

    Attributes:
        status: ``"normal"``, ``"exempt"``, ``"stolen"`` or another word of the register.
        exempt_reason: Why it is exempt, such as ``"ambulance"``.
        has_contact: Whether the register knows how to reach the driver.
    """

    @property
    def status(self) -> str: ...  # noqa: D102

    @property
    def exempt_reason(self) -> str | None: ...  # noqa: D102

    @property
    def has_contact(self) -> bool: ...  # noqa: D102


class Contact(Protocol):
    """How the driver of a vehicle is reached.

    Attributes:
        phone: The number for text messages; ``None`` where none is known.
    """

    @property
    def phone(self) -> str | None: ...  # noqa: D102


class Exemption(Protocol):
    """A permit or exemption that holds for a vehicle in a zone.

    Attributes:
        reason: What it is, such as ``"resident's permit"``.
    """

    @property
    def reason(self) -> str: ...  # noqa: D102


class Registry(Protocol):
    """The register of vehicles."""

    def vehicle(self, plate: str, /) -> Vehicle | None:
        """The vehicle of a plate; ``None`` where it is not registered.

        Raises:
            cv_engine.errors.EngineError: The register does not answer.
        """
        ...

    def exemptions(
        self, plate: str, zone: str, at: datetime, place: Place, /
    ) -> Sequence[Exemption]:
        """The permits and exemptions that hold for a vehicle in a zone, or at a place, at a moment.

        Raises:
            cv_engine.errors.EngineError: The register does not answer.
        """
        ...

    def contact(
        self, plate: str, /, *, who: str, role: Role, why: str, case_id: int
    ) -> Contact | None:
        """How the driver is reached; the register logs the access.

        Raises:
            cv_engine.errors.EngineError: The register does not answer, or refuses.
        """
        ...

"""A list of vehicles in a CSV file: the register of a trial with a few vehicles.

Columns: ``plate``, ``status`` (``normal``, ``exempt``, ``stolen`` or ``deregistered``; empty is
``normal``), ``reason`` (of the exemption or permit), ``zones`` (the zones of a permit, separated by
``;``), ``from`` and ``to`` (its first and last moment, ISO 8601 with offset; empty without limit)
and ``phone``. All but ``plate`` may be left out. The numbers lie there as they are: a real register
encrypts them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cv_engine.cases.lifecycle import Role
from cv_engine.finding import Place
from cv_engine.notices.errors import NoticeError
from cv_engine.notices.plates import plain

_COLUMNS = ("plate", "status", "reason", "zones", "from", "to", "phone")
_STATUSES = ("normal", "exempt", "stolen", "deregistered")
_ALWAYS = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class ListedContact:
    """How the driver of a listed vehicle is reached."""

    phone: str | None


@dataclass(frozen=True, slots=True)
class ListedPermit:
    """What lets a listed vehicle stand."""

    reason: str


@dataclass(frozen=True, slots=True)
class ListedVehicle:
    """One line of the list.

    Attributes:
        plate: Text of the plate, without dots and spaces.
        status: ``"normal"``, ``"exempt"`` or ``"stolen"``.
        exempt_reason: Reason of the exemption or permit; ``None`` without one.
        zones: Zones of the permit; empty where the vehicle has none.
        valid: First and last moment of the permit.
        phone: Number for text messages; ``None`` where none is known.
    """

    plate: str
    status: str = "normal"
    exempt_reason: str | None = None
    zones: frozenset[str] = frozenset()
    valid: tuple[datetime, datetime] = _ALWAYS
    phone: str | None = None

    @property
    def has_contact(self) -> bool:
        """Whether the list has a number."""
        return self.phone is not None


class VehicleList:
    """A register of few vehicles, in memory; see the module for the file.

    Args:
        vehicles: The vehicles, with different plates.
    """

    def __init__(self, vehicles: Sequence[ListedVehicle]) -> None:
        self._vehicles = {each.plate: each for each in vehicles}

    @classmethod
    def read(cls, path: Path) -> VehicleList:
        """Read the list.

        Raises:
            NoticeError: The file cannot be read, or a line is wrong; the message names the line.
        """
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                return cls(list(_vehicles(path, csv.DictReader(file))))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise NoticeError(f"{path}: the list of vehicles cannot be read ({why})") from None

    def vehicle(self, plate: str, /) -> ListedVehicle | None:
        """See :meth:`cv_engine.notices.registry.Registry.vehicle`."""
        return self._vehicles.get(plain(plate))

    def exemptions(
        self, plate: str, zone: str, at: datetime, place: Place, /
    ) -> Sequence[ListedPermit]:
        """See :meth:`cv_engine.notices.registry.Registry.exemptions`; by zone alone."""
        found = self.vehicle(plate)
        if found is None or zone not in found.zones:
            return ()
        first, last = found.valid
        return (ListedPermit(found.exempt_reason or "permit"),) if first <= at <= last else ()

    def contact(
        self, plate: str, /, *, who: str, role: Role, why: str, case_id: int
    ) -> ListedContact | None:
        """See :meth:`cv_engine.notices.registry.Registry.contact`; a list logs nothing."""
        found = self.vehicle(plate)
        return None if found is None else ListedContact(found.phone)


def _vehicles(path: Path, rows: csv.DictReader[str]) -> Iterator[ListedVehicle]:
    unknown = [name for name in rows.fieldnames or () if name not in _COLUMNS]
    if unknown or "plate" not in (rows.fieldnames or ()):
        what = f"no column {unknown[0]!r}" if unknown else "a column plate"
        raise NoticeError(f"{path}:1: the list has {what}; its columns are {', '.join(_COLUMNS)}")
    seen: set[str] = set()
    for row in rows:
        where = f"{path}:{rows.line_num}"
        found = _vehicle(where, {name: (row.get(name) or "").strip() for name in _COLUMNS})
        if found.plate in seen:
            raise NoticeError(f"{where}: plate: {found.plate} is there twice; remove one line")
        seen.add(found.plate)
        yield found


def _vehicle(where: str, row: Mapping[str, str]) -> ListedVehicle:
    status = row["status"] or "normal"
    if not plain(row["plate"]):
        raise NoticeError(f"{where}: plate: the line has no plate")
    if status not in _STATUSES:
        raise NoticeError(f"{where}: status: {status!r} is not one of {', '.join(_STATUSES)}")
    first, last = (_time(where, row, name) for name in ("from", "to"))
    return ListedVehicle(
        plate=plain(row["plate"]),
        status=status,
        exempt_reason=row["reason"] or None,
        zones=frozenset(name.strip() for name in row["zones"].split(";") if name.strip()),
        valid=(first or _ALWAYS[0], last or _ALWAYS[1]),
        phone=row["phone"] or None,
    )


def _time(where: str, row: Mapping[str, str], name: str) -> datetime | None:
    if not row[name]:
        return None
    try:
        at = datetime.fromisoformat(row[name])
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise NoticeError(
            f"{where}: {name}: {row[name]!r} is no time; write it as 2026-05-01T08:00:00+08:00"
        )
    return at

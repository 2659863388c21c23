"""The tables of this machine as a source of records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from cv_engine.registry.errors import RegistryError
from cv_engine.registry.records import (
    Contact,
    Exemption,
    Kind,
    Merchant,
    Permit,
    Spot,
    Status,
    Vehicle,
)
from cv_engine.registry.tables.forms import FORMS
from cv_engine.registry.tables.keys import KeySource
from cv_engine.registry.tables.table_file import About, Record, Table, degrees_east, degrees_north

_VEHICLE = (
    "SELECT plate, layout, status, exempt_reason, contact IS NOT NULL FROM records WHERE plate = ?"
)
_MERCHANT = "SELECT id, name, zone, longitude, latitude, contact IS NOT NULL FROM records"
_NEAR = (
    "line IN (SELECT line FROM places WHERE west <= ? AND east >= ? AND south <= ? AND north >= ?)"
)
_MARGIN_M = 1.0  # of the index of places, whose numbers have 32 bits
_PERMIT = ", ".join(column.name for column in FORMS[Kind.STALLS].columns)
_EXEMPTION = ", ".join(column.name for column in FORMS[Kind.EXEMPTIONS].columns)
_ON_DAY = " AND (valid_from IS NULL OR valid_from <= ?) AND (valid_to IS NULL OR valid_to >= ?)"


def table_path(folder: Path, kind: Kind) -> Path:
    """Where the table of a registry lies."""
    return folder / f"{kind}.db"


class Tables:
    """The tables of a folder; see :class:`~cv_engine.registry.source.Source`.

    Args:
        folder: The folder; it may be missing.
        keys: The keys of the contact data.
    """

    def __init__(self, folder: Path, keys: KeySource) -> None:
        self._tables = {kind: Table(table_path(folder, kind)) for kind in Kind}
        self._keys = keys

    def close(self) -> None:
        """Close the tables."""
        for table in self._tables.values():
            table.close()

    def about(self, kind: Kind) -> About | None:
        """What a table says of itself; ``None`` where nothing was imported."""
        return self._tables[kind].about()

    def vehicle(self, plate: str) -> Vehicle | None:
        """The vehicle of a plate."""
        for row in self._tables[Kind.VEHICLES].ask(_VEHICLE, (plate,)):
            name, layout, status, reason, has_contact = row
            return Vehicle(name, layout, Status(status), reason, bool(has_contact))
        return None

    def merchant(self, merchant_id: str) -> Merchant | None:
        """The merchant of an id."""
        rows = self._tables[Kind.MERCHANTS].ask(f"{_MERCHANT} WHERE id = ?", (merchant_id,))
        return _merchant(rows[0]) if rows else None

    def merchants(self, spot: Spot, within_m: float) -> Sequence[Merchant]:
        """Merchants in the box around a circle."""
        box = _box(Spot(spot.longitude, spot.latitude, spot.accuracy_m + within_m))
        return [
            _merchant(row)
            for row in self._tables[Kind.MERCHANTS].ask(f"{_MERCHANT} WHERE {_NEAR}", box)
        ]

    def permits(
        self, kind: Kind, zone: str | None, spot: Spot | None, plate: str | None, day: date | None
    ) -> Sequence[Permit]:
        """Permits that agree in zone, place or plate."""
        clauses: list[str] = []
        values: list[Any] = []
        for name, value in (("zone", zone), ("plate", plate)):
            if value is not None:
                clauses.append(f"{name} = ?")
                values.append(value)
        if spot is not None:
            clauses.append(_NEAR)
            values += _box(spot)
        if not clauses:
            return []
        on_day, days = _on(day)
        query = f"SELECT {_PERMIT} FROM records WHERE ({' OR '.join(clauses)}){on_day}"
        rows = self._tables[kind].ask(f"{query} ORDER BY line", (*values, *days))
        return [Permit(*_with_days(row, 7, 8)) for row in rows]

    def exemptions(self, plate: str, day: date | None) -> Sequence[Exemption]:
        """Exemptions of a plate."""
        on_day, days = _on(day)
        query = f"SELECT {_EXEMPTION} FROM records WHERE plate = ?{on_day} ORDER BY line"
        rows = self._tables[Kind.EXEMPTIONS].ask(query, (plate, *days))
        return [Exemption(*_with_days(row, 3, 4)) for row in rows]

    def contact(self, kind: Kind, name: str) -> Contact | None:
        """Decrypt the contact data of a record.

        Raises:
            RegistryError: The key is not at hand, or the data were changed.
        """
        table, key_name = self._tables[kind], FORMS[kind].key
        while True:
            about = table.about()
            sealed = table.ask(f"SELECT contact FROM records WHERE {key_name} = ?", (name,))
            if about is None or not sealed or sealed[0][0] is None:
                return None
            ring = self._keys.read()
            key = ring.find(about.key_id)
            if key is not None or table.about() == about:  # a newer table has another key
                break
        if key is None:
            raise RegistryError(
                f"{kind}: the contact data are encrypted with the key {about.key_id}, and "
                f"{self._keys.where} has only {', '.join(each.id for each in ring.keys)}: restore "
                "that key beside it, or import the file again"
            )
        return key.unseal(kind, name, sealed[0][0])


def _on(day: date | None) -> tuple[str, tuple[str, ...]]:
    """The condition that a record is of a day, with its values; none for all days."""
    return ("", ()) if day is None else (_ON_DAY, (day.isoformat(), day.isoformat()))


def _merchant(row: Record) -> Merchant:
    merchant_id, name, zone, longitude, latitude, has_contact = row
    return Merchant(merchant_id, name, zone, longitude, latitude, bool(has_contact))


def _with_days(row: Record, *positions: int) -> list[Any]:
    values = list(row)
    for position in positions:
        if values[position] is not None:
            values[position] = date.fromisoformat(values[position])
    return values


def _box(spot: Spot) -> tuple[float, float, float, float]:
    """The box around a place: its east, west, north and south."""
    east = degrees_east(spot.accuracy_m + _MARGIN_M, spot.latitude)
    north = degrees_north(spot.accuracy_m + _MARGIN_M)
    return (
        spot.longitude + east,
        spot.longitude - east,
        spot.latitude + north,
        spot.latitude - north,
    )

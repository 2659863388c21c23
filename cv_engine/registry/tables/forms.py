"""Forms: the columns of each registry, and the reading of one row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cv_engine.plate import normal_plate
from cv_engine.registry.records import PERMITS, Contact, Kind, Status
from cv_engine.registry.tables.columns import (
    Column,
    number_between,
    read_day,
    read_hours,
    read_layout,
    read_phone,
    read_status,
    read_text,
)
from zones.errors import WrongValue

_MOST_RADIUS_M = 1000.0  # a permit of a whole quarter is bound to zones
_RADIUS_M = 10.0  # of a permit with a place alone: a stall and the error of its position

# Control characters, and what Python makes of bytes that the encoding does not have.
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_ENCODING = "save the file as UTF-8, or name its encoding, such as --encoding gb18030"

#: Column, what is wrong, and what to do.
Fault = tuple[str, str, str]
#: The values of a row's columns, and its contact data, if any.
Row = tuple[list[Any], Contact | None]


@dataclass(frozen=True, slots=True)
class Form:
    """The columns of a registry.

    Attributes:
        kind: The registry.
        columns: The columns that lie open in the table.
        contact: The columns of contact data, which are encrypted.
        key: The column that names a record once; ``None``: records may repeat.
        looked_up_by: Further columns that records are found by.
    """

    kind: Kind
    columns: tuple[Column, ...]
    contact: tuple[Column, ...] = ()
    key: str | None = None
    looked_up_by: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All names of a header."""
        return tuple(column.name for column in (*self.columns, *self.contact))

    @property
    def has_places(self) -> bool:
        """Whether records may have a place."""
        return any(column.name == "longitude" for column in self.columns)


_CONTACT = (
    Column("owner", read_text),
    Column("phone", read_phone),
    Column("address", read_text),
)
_PLACE = (
    Column("longitude", number_between(-180, 180)),
    Column("latitude", number_between(-90, 90)),
)
_TIMES = (
    Column("valid_from", read_day),
    Column("valid_to", read_day),
    Column("hours", read_hours),
)
_VEHICLE = (
    Column("plate", normal_plate, needed=True),
    Column("layout", read_layout),
    Column("status", read_status, empty=Status.NORMAL.value),
    Column("exempt_reason", read_text),
)
_MERCHANT = (
    Column("id", read_text, needed=True),
    Column("name", read_text, needed=True),
    Column("zone", read_text),
    *_PLACE,
)
_PERMIT = (
    Column("number", read_text, needed=True),
    Column("holder", read_text),
    Column("plate", normal_plate),
    Column("zone", read_text),
    *_PLACE,
    Column("radius_m", number_between(0, _MOST_RADIUS_M), empty=_RADIUS_M),
    *_TIMES,
)
_EXEMPTION = (
    Column("plate", normal_plate, needed=True),
    Column("reason", read_text, needed=True),
    Column("zone", read_text),
    *_TIMES,
)

#: The form of each registry.
FORMS: Final[Mapping[Kind, Form]] = {
    Kind.VEHICLES: Form(Kind.VEHICLES, _VEHICLE, _CONTACT, key="plate"),
    Kind.MERCHANTS: Form(Kind.MERCHANTS, _MERCHANT, _CONTACT, key="id"),
    **{kind: Form(kind, _PERMIT, looked_up_by=("zone", "plate")) for kind in PERMITS},
    Kind.EXEMPTIONS: Form(Kind.EXEMPTIONS, _EXEMPTION, looked_up_by=("plate",)),
}


def header_faults(form: Form, names: Sequence[str]) -> Iterator[Fault]:
    """What is wrong with the names of a file's columns.

    Args:
        form: The registry's form.
        names: The names, as the file has them.
    """
    advice = f"the columns are {', '.join(form.names)}"
    if len(names) == 1 and any(sign in names[0] for sign in ";\t|"):
        yield repr(names[0]), "the columns are not divided by commas", "divide them by commas"
        return
    for column in form.columns:
        if column.needed and column.name not in names:
            yield column.name, "the column is missing", advice
    for name in dict.fromkeys(names):
        if _NO_TEXT.search(name):
            yield repr(name), "the name holds bytes that are no text", _ENCODING
        elif name not in form.names:
            yield name, "the column is unknown", f"rename or remove it; {advice}"
        elif names.count(name) > 1:
            yield name, "the column is there twice", "remove one of the two"


class RowReader:
    """Reads the rows of one file.

    Args:
        form: The registry's form.
        names: The names of the file's columns, without faults.
    """

    def __init__(self, form: Form, names: Sequence[str]) -> None:
        self._form = form
        self._open = [(column, _position(names, column)) for column in form.columns]
        self._contact = [(column, _position(names, column)) for column in form.contact]

    def read(self, cells: Sequence[str]) -> tuple[Row, list[Fault]]:
        """Read one row.

        Args:
            cells: The text of each of the file's columns.

        Returns:
            The row, and what is wrong with the row; with a fault the row's values mean nothing.
        """
        faults: list[Fault] = []
        values = [_value(column, cells, at, faults) for column, at in self._open]
        contact = None
        if self._contact:
            found = [_value(column, cells, at, faults) for column, at in self._contact]
            if any(found):
                contact = Contact(*found)
        if not faults:
            faults += _row_faults(self._form, values)
        return (values, contact), faults


def _position(names: Sequence[str], column: Column) -> int | None:
    return names.index(column.name) if column.name in names else None


def _value(column: Column, cells: Sequence[str], at: int | None, faults: list[Fault]) -> Any:
    text = "" if at is None else cells[at].strip()
    if not text:
        if column.needed:
            faults.append((column.name, "the cell is empty", "write a value, or remove the row"))
        return column.empty
    if not text.isprintable() and _NO_TEXT.search(text):
        faults.append((column.name, f"{text!r} holds bytes that are no text", _ENCODING))
        return column.empty
    try:
        return column.read(text)
    except WrongValue as error:
        faults.append((column.name, error.what, error.advice))
        return column.empty


def _row_faults(form: Form, values: Sequence[Any]) -> Iterator[Fault]:
    """What is wrong with values that are each right alone."""
    if form.kind is Kind.VEHICLES:
        if values[2] == Status.EXEMPT and values[3] is None:
            yield "exempt_reason", "the cell is empty", "say why the vehicle is exempt"
        return
    row = dict(zip((column.name for column in form.columns), values, strict=True))
    for name, other in (("longitude", "latitude"), ("latitude", "longitude")):
        if name in row and row[name] is None and row[other] is not None:
            yield name, "the cell is empty", f"a place needs it beside the {other}"
    first, last = row.get("valid_from"), row.get("valid_to")
    if first is not None and last is not None and last < first:
        yield "valid_to", f"{last} lies before valid_from {first}", "correct one of the two"
    bound = ("zone", "plate", "longitude")
    if form.kind in PERMITS and all(row[name] is None for name in bound):
        yield "zone", "the permit names no zone, plate or place", "write what the permit is for"

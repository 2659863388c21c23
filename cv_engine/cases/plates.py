"""Plates: the cases of a vehicle, found by an index on an attribute of cases and findings.

A rule that has read a plate gives it as ``attributes["plate"] = {"text": "浙B12345", ...}``; the
text is in capitals, without dots or spaces.
"""

from __future__ import annotations

import unicodedata

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.case import Event
from cv_engine.cases.database.plate_index import plate_column
from cv_engine.cases.database.tables import cases, findings, history
from cv_engine.cases.errors import QueueError

#: The attribute of a finding, and so of its case, that holds what was read.
PLATE = "plate"
#: Signs that plates are written with and that are no part of them.
_BETWEEN = "·•・.-_"
_LONGEST = 12  # characters: no country's plates are longer


def plate_text(typed: str) -> str:
    """A plate as attributes hold it, from the way a person writes it.

    Raises:
        QueueError: The text is no plate.

    Example:
        >>> plate_text("浙b·12345")
        '浙B12345'
    """
    folded = unicodedata.normalize("NFKC", typed).upper()
    text = "".join(c for c in folded if not c.isspace() and c not in _BETWEEN)
    if not text or len(text) > _LONGEST or not text.isalnum():
        raise QueueError(f"{typed!r} is no plate; write it like 浙B12345 or AB123CD")
    return text


def cases_of_plate(connection: Connection, plate: str) -> list[int]:
    """Numbers of the cases that a vehicle is in, those merged or split since included.

    Args:
        connection: Connection to the store.
        plate: The plate, as :func:`plate_text` gives it.

    Returns:
        The numbers in ascending order.
    """
    filed = sa.select(findings.c.case_id).where(plate_column(connection, findings) == plate)
    named = sa.select(cases.c.id).where(plate_column(connection, cases) == plate)
    found = set(connection.execute(sa.union(filed, named)).scalars())
    return sorted(_with_related(connection, found))


def _with_related(connection: Connection, found: set[int]) -> set[int]:
    """Cases, and those that they have taken in or were split from: their histories name both."""
    waiting = list(found)
    for number in waiting:  # which grows meanwhile
        entries = sa.select(history.c.event, history.c.data).where(
            history.c.case_id == number,
            history.c.event.in_([Event.FILED.value, Event.MERGED.value]),
        )
        for event, data in connection.execute(entries):
            other = data.get("case" if event == Event.MERGED else "split_from")
            if other is not None and other not in found:
                found.add(other)
                waiting.append(other)
    return found

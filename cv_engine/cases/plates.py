"""Plates: the cases of a vehicle, found by an index on an attribute of cases and findings.

A rule that has read a plate gives it as ``attributes["plate"] = {"text": "浙B12345", ...}``, the
text as :func:`cv_engine.plate.normal_plate` writes it.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.case import Event
from cv_engine.cases.database.plate_index import plate_column
from cv_engine.cases.database.tables import cases, findings, history

#: The attribute of a finding, and so of its case, that holds what was read.
PLATE = "plate"


def cases_of_plate(connection: Connection, plate: str) -> list[int]:
    """Numbers of the cases that a vehicle is in, those merged or split since included.

    Args:
        connection: Connection to the store.
        plate: The plate, as :func:`cv_engine.plate.normal_plate` writes it.

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

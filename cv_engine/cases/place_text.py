"""The text of a place: what a person types to find the cases of a street.

The texts are few, since a camera's cases share one: table ``places`` holds each once, and a search
goes through them, not through the cases.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.engine import Connection

from cv_engine.cases.database.prepared import Prepared
from cv_engine.cases.database.tables import places

#: Columns of table ``cases`` that a place's text is made of; of the attributes, one value.
PLACE_COLUMNS = frozenset({"source", "zone", "area", "attributes"})
_ADDRESS = "address"


def place_text(case: Mapping[str, Any]) -> str:
    """The text of a case's place: its source, zone, area and address, folded, one a line.

    Args:
        case: Columns of table ``cases``.
    """
    address = (case["attributes"] or {}).get(_ADDRESS)
    parts = (case["source"], case["zone"], case.get("area"), address)
    return "\n".join(folded(part) for part in parts if isinstance(part, str) and part)


def folded(text: str) -> str:
    """A text without the differences that a person who searches does not mean.

    Upper and lower case, full width and half width (Unicode's NFKC), and kinds of blanks are equal.
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def place_of_text(text: sa.BindParameter[str]) -> sa.ScalarSelect[int | None]:
    """The number of a known place, as an expression for table ``cases``; NULL if unknown."""
    return sa.select(places.c.id).where(places.c.text == text).scalar_subquery()


def add_place(connection: Connection, text: str) -> int:
    """Add a place that may be unknown, and return its number.

    Args:
        connection: Connection to the store, in a transaction that writes.
        text: The text of :func:`place_text`.
    """
    added = _ADD[connection.dialect.name].run(connection, {"text": text})
    (found,) = added or _FIND.run(connection, {"text": text})
    return int(found.id)


_ADD = {
    "sqlite": Prepared(
        insert_sqlite(places).on_conflict_do_nothing().returning(places.c.id), ["text"]
    ),
    "postgresql": Prepared(
        insert_postgresql(places).on_conflict_do_nothing().returning(places.c.id), ["text"]
    ),
}
_FIND = Prepared(sa.select(places.c.id).where(places.c.text == sa.bindparam("text", None)))

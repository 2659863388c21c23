"""Gives the findings of the first schema what tells whether another one is of the same thing."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection, Row

from cv_engine.cases.database.column_types import UtcTime
from cv_engine.cases.filing.cells import cell_of
from cv_engine.finding import Place

_CASES_AT_ONCE = 1000
_JSON: sa.types.TypeEngine[Any] = sa.JSON(none_as_null=True).with_variant(
    JSONB(none_as_null=True), "postgresql"
)
_BOX = ("box_x1", "box_y1", "box_x2", "box_y2")


def _shared() -> tuple[sa.ColumnClause[Any], ...]:
    """Columns of both tables at this version of the schema: later ones must not change it."""
    return (
        *(sa.column(name, sa.Text) for name in ("kind", "source", "zone", "basis")),
        *(sa.column(name, sa.Double) for name in ("confidence", "accuracy_m", *_BOX)),
        *(sa.column(name, _JSON) for name in ("geometry", "attributes")),
        *(sa.column(name, UtcTime) for name in ("began", "observed")),
    )


cases = sa.table("cases", sa.column("id", sa.Integer), *_shared())
findings = sa.table(
    "findings",
    sa.column("key", sa.Text),
    sa.column("case_id", sa.Integer),
    sa.column("since", UtcTime),
    sa.column("cell", sa.BigInteger),
    *_shared(),
)
history = sa.table(
    "history",
    sa.column("case_id", sa.Integer),
    sa.column("event", sa.Text),
    sa.column("data", sa.JSON(none_as_null=True)),
)


def fill_findings(connection: Connection) -> None:
    """Fill the new columns of all findings: from the history, else from their cases.

    Args:
        connection: Connection to a store whose columns exist.
    """
    last = 0
    while True:
        numbers = sa.select(cases.c.id).where(cases.c.id > last).order_by(cases.c.id)
        batch = connection.execute(numbers.limit(_CASES_AT_ONCE)).scalars().all()
        if not batch:
            return
        _fill(connection, int(batch[0]), int(batch[-1]))
        last = batch[-1]


def _fill(connection: Connection, first: int, last: int) -> None:
    told = sa.select(history.c.data).where(
        history.c.case_id.between(first, last), history.c.event.in_(["filed", "joined"])
    )
    said = {data["key"]: data for data in connection.execute(told).scalars() if "key" in data}
    own = [findings.c[name] for name in ("key", "began", "observed")]
    statement = (
        sa.select(cases, *(column.label(f"finding_{column.name}") for column in own))
        .join_from(findings, cases, cases.c.id == findings.c.case_id)
        .where(findings.c.case_id.between(first, last))
        .order_by(cases.c.id, findings.c.observed, findings.c.key)
    )
    values: list[dict[str, Any]] = []
    for _, group in groupby(connection.execute(statement).all(), key=attrgetter("id")):
        rows = list(group)
        values += [_values(row, said.get(row.finding_key, {})) for row in rows]
        # The first schema kept only with the case until when a thing was seen.
        values[-1]["observed"] = rows[-1].observed
    if not values:
        return
    names = [name for name in values[0] if name != "finding"]
    update = sa.update(findings).where(findings.c.key == sa.bindparam("finding"))
    connection.execute(update.values({name: sa.bindparam(f"new_{name}") for name in names}), [
        {f"new_{name}" if name != "finding" else name: value for name, value in each.items()}
        for each in values
    ])  # fmt: skip


def _values(row: Row[Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """The new columns of a finding."""
    case_box = None if row.box_x1 is None else [getattr(row, name) for name in _BOX]
    box = said.get("image_box", case_box)
    geometry = said.get("geometry", row.geometry)
    place = Place(geometry, row.accuracy_m, row.basis, None if box is None else tuple(box))
    return {
        "finding": row.finding_key,
        **{name: getattr(row, name) for name in ("kind", "source", "zone", "basis", "accuracy_m")},
        "since": row.finding_began,
        "observed": row.finding_observed,
        "confidence": said.get("confidence", row.confidence),
        "attributes": said.get("attributes", row.attributes),
        "geometry": geometry,
        "cell": cell_of(place),
        **dict(zip(_BOX, box or (None,) * 4, strict=True)),
    }

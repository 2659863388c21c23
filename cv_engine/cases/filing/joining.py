"""Joining: the open case that a finding belongs to, and how the case grows by it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cv_engine.cases.database.tables import case_boxes, cases
from cv_engine.cases.filing.overlap import SENSOR_BASIS, same_place
from cv_engine.cases.filing.site import area_m2, is_site, joined, reach
from cv_engine.cases.filter import box_conditions
from cv_engine.cases.lifecycle import OPEN_STATES
from cv_engine.cases.rows import place_of
from cv_engine.finding import Finding, Place

_AREA = "area_m2"  # the attribute with a site's area
_OUTSIDE = "outside_permit_m2"  # the attribute with the area that no permit covers


def lock_place(connection: Connection, finding: Finding) -> None:
    """Prevent others from filing at the same place until this transaction ends.

    SQLite admits only one writer at a time; PostgreSQL takes a lock named by the place.
    """
    if connection.dialect.name == "postgresql":
        zone = "" if is_site(finding.place) else finding.zone
        name = "\0".join((finding.source, zone, finding.kind)).encode()
        number = int.from_bytes(hashlib.sha256(name).digest()[:8], signed=True)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def same_case(
    connection: Connection, finding: Finding, missed: timedelta, gap_m: float
) -> Row[Any] | None:
    """The open case that a finding belongs to, if there is one.

    Args:
        connection: Connection to the store.
        finding: The finding.
        missed: Time without samples before the finding's start. A case whose thing is not known to
            have left is taken to have continued for this time.
        gap_m: Largest distance of a site's finding from the case's site, in metres.
    """
    place = finding.place
    if is_site(place):
        conditions = box_conditions(connection, reach(place.geometry or {}, gap_m))
    else:
        conditions = [
            cases.c.zone == finding.zone,
            sa.or_(
                cases.c.observed >= finding.began,
                sa.and_(cases.c.gone_at.is_(None), cases.c.observed >= finding.began - missed),
            ),
            cases.c.began <= finding.observed,
        ]
    statement = (
        cases.select()
        .where(
            cases.c.source == finding.source,
            cases.c.kind == finding.kind,
            cases.c.state.in_(sorted(OPEN_STATES)),
            *conditions,
        )
        .order_by(cases.c.id)
        .with_for_update()
    )
    scored = [
        (same_place(place_of(row), place, gap_m), row) for row in connection.execute(statement)
    ]
    near = [pair for pair in scored if pair[0] > 0.0]
    # The first of several equals is the oldest: rows are ordered by number.
    return max(near, key=lambda pair: pair[0])[1] if near else None


def grown(connection: Connection, case: Row[Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a case that change with a joining finding.

    The history keeps earlier places.

    Args:
        connection: Connection to the store, in the transaction that has locked the case.
        case: The case.
        row: The joining finding, as a row of table ``cases``.

    Returns:
        Columns of table ``cases``: a site's ground; the attributes of a sensor's latest finding,
        since a fault of a device becomes worse; none of any other case.
    """
    if row["basis"] == SENSOR_BASIS:
        return {"attributes": {**case.attributes, **row["attributes"]}}
    if not (is_site(place_of(case)) and is_site(Place(row["geometry"], None, row["basis"]))):
        return {}
    from shapely.geometry import shape

    geometry = joined(case.geometry, row["geometry"])
    names = ("min_lon", "min_lat", "max_lon", "max_lat")
    bounds = dict(zip(names, shape(geometry).bounds, strict=True))
    total_m2 = area_m2(geometry)
    attributes = {**case.attributes, _AREA: round(total_m2, 1)}
    outside, more = (of.get(_OUTSIDE) for of in (case.attributes, row["attributes"]))
    if outside is not None and more is not None:
        # The share that was known before is counted already.
        new_share = (total_m2 - area_m2(case.geometry)) / max(area_m2(row["geometry"]), 1e-9)
        attributes[_OUTSIDE] = round(outside + more * min(max(new_share, 0.0), 1.0), 1)
    if connection.dialect.name == "sqlite":  # the R*Tree's trigger fires for new cases only
        moved = sa.update(case_boxes).where(case_boxes.c.id == case.id).values(**bounds)
        connection.execute(moved)
    return {"geometry": geometry, "attributes": attributes, **bounds}

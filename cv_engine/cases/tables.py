"""The queue's tables for SQLAlchemy Core; the migrations create them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A time: ``timestamptz`` on PostgreSQL, ISO text in UTC on SQLite; aware in Python."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time for the database; without time zone on SQLite."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time for the program, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


#: JSON values; PostgreSQL keeps them parsed.
Json: sa.types.TypeEngine[Any] = sa.JSON(none_as_null=True).with_variant(
    JSONB(none_as_null=True), "postgresql"
)

metadata = sa.MetaData()

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("standard", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("zone", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("began", UtcTime, nullable=False),
    sa.Column("observed", UtcTime, nullable=False),
    sa.Column("left_at", UtcTime),
    sa.Column("filed_at", UtcTime, nullable=False),
    sa.Column("confidence", sa.Double, nullable=False),
    sa.Column("geometry", Json),
    sa.Column("min_lon", sa.Double),
    sa.Column("min_lat", sa.Double),
    sa.Column("max_lon", sa.Double),
    sa.Column("max_lat", sa.Double),
    sa.Column("accuracy_m", sa.Double),
    sa.Column("basis", sa.Text, nullable=False),
    sa.Column("box_x1", sa.Double),
    sa.Column("box_y1", sa.Double),
    sa.Column("box_x2", sa.Double),
    sa.Column("box_y2", sa.Double),
    sa.Column("attributes", Json, nullable=False),
    sa.Column("evidence", sa.Text),
    sa.Index("cases_by_time", "began", "id"),
    sa.Index("cases_by_kind", "kind", "began", "id"),
    sa.Index("cases_by_zone", "zone", "began", "id"),
    sa.Index("cases_by_source", "source", "began", "id"),
    sa.Index("cases_by_state", "state", "began", "id"),
    sa.Index("cases_by_presence", "source", "zone", "kind", "observed"),
    sqlite_autoincrement=True,
)

#: Every finding that was ever filed, so that filing a finding again changes nothing.
findings = sa.Table(
    "findings",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False, index=True),
    sa.Column("began", UtcTime, nullable=False),
    sa.Column("observed", UtcTime, nullable=False),
    sa.Column("left_at", UtcTime),
    sa.Column("evidence", sa.Text),
)

#: Append-only: triggers refuse UPDATE and DELETE.
history = sa.Table(
    "history",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False, index=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("from_state", sa.Text),
    sa.Column("to_state", sa.Text),
    sa.Column("data", Json, nullable=False),
    sqlite_autoincrement=True,
)

# SQLite only: R*Trees over the cases' bounding boxes and spans of time, filled by triggers. Their
# numbers are 32-bit and rounded outward: they preselect, and the columns of `cases` decide.

case_boxes = sa.table(
    "case_boxes",
    *(sa.column(name) for name in ("id", "min_lon", "max_lon", "min_lat", "max_lat")),
)

#: Times in seconds since ``SPANS_SINCE``.
case_spans = sa.table("case_spans", *(sa.column(name) for name in ("id", "began_s", "observed_s")))
SPANS_SINCE = datetime(2020, 1, 1, tzinfo=UTC)

"""Lists by box from an index of squares, and statistics from indexes alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cv_engine.cases.database import tallies
from cv_engine.cases.database.squares import square_sql

revision = "0003"
down_revision = "0002"

_STATISTICS = {
    "cases_by_filing": ["filed_at", "kind", "state"],
    "cases_by_confirmation": ["confirmed_at", "kind", "state", "filed_at"],
    "cases_by_end": [
        *("ended_at", "kind", "state", "filed_at", "dispatched_at", "handled_at", "returns"),
    ],
    "cases_by_closing_deadline": ["close_due_at", "kind", "state", "confirmed_at", "ended_at"],
}


def upgrade() -> None:
    """Replace the indexes."""
    dialect = op.get_bind().dialect.name
    if dialect == "sqlite":
        for name in ("cases_box", "cases_box_moved"):
            op.execute(f"DROP TRIGGER IF EXISTS {name}")
        op.execute("DROP TABLE case_boxes")
    else:
        op.execute("DROP INDEX case_boxes")
    square = sa.text(f"({square_sql(dialect)})")
    bounds = ["min_lon", "min_lat", "max_lon", "max_lat"]
    op.create_index("cases_by_square", "cases", [square, "state", "began", "id", *bounds])
    for name, columns in _STATISTICS.items():
        op.drop_index(name, "cases")
        some = None if name == "cases_by_filing" else sa.text(f"{columns[0]} IS NOT NULL")
        op.create_index(name, "cases", columns, sqlite_where=some, postgresql_where=some)
    tallies.recount(op.get_bind())  # cases without a value have no rows any more

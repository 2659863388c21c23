"""Cases, the findings behind them and their append-only history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision: str | None = None

_JSON = sa.JSON().with_variant(JSONB(), "postgresql")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the first schema."""
    _create_cases()
    _create_findings()
    _create_history()
    if op.get_bind().dialect.name == "sqlite":
        _finish_sqlite()
    else:
        _finish_postgresql()


def _create_cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("kind", "standard", "code", "source", "zone", "state")
        ),
        sa.Column("began", _TIME, nullable=False),
        sa.Column("observed", _TIME, nullable=False),
        sa.Column("left_at", _TIME),
        sa.Column("filed_at", _TIME, nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("geometry", _JSON),
        *(sa.Column(name, sa.Double) for name in ("min_lon", "min_lat", "max_lon", "max_lat")),
        sa.Column("accuracy_m", sa.Double),
        sa.Column("basis", sa.Text, nullable=False),
        *(sa.Column(name, sa.Double) for name in ("box_x1", "box_y1", "box_x2", "box_y2")),
        sa.Column("attributes", _JSON, nullable=False),
        sa.Column("evidence", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("cases_by_time", "cases", ["began", "id"])
    for column in ("kind", "zone", "source", "state"):
        op.create_index(f"cases_by_{column}", "cases", [column, "began", "id"])
    op.create_index("cases_by_presence", "cases", ["source", "zone", "kind", "observed"])


def _create_findings() -> None:
    op.create_table(
        "findings",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("began", _TIME, nullable=False),
        sa.Column("observed", _TIME, nullable=False),
        sa.Column("left_at", _TIME),
        sa.Column("evidence", sa.Text),
    )
    op.create_index("ix_findings_case_id", "findings", ["case_id"])


def _create_history() -> None:
    op.create_table(
        "history",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("from_state", sa.Text),
        sa.Column("to_state", sa.Text),
        sa.Column("data", _JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_history_case_id", "history", ["case_id"])


def _finish_sqlite() -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER history_no_{verb.lower()} BEFORE {verb} ON history "
            "BEGIN SELECT RAISE(ABORT, 'the history of cases is append-only'); END"
        )
    op.execute(
        "CREATE VIRTUAL TABLE case_boxes USING rtree(id, min_lon, max_lon, min_lat, max_lat)"
    )
    op.execute(
        "CREATE TRIGGER cases_box AFTER INSERT ON cases WHEN NEW.min_lon IS NOT NULL BEGIN "
        "INSERT INTO case_boxes VALUES "
        "(NEW.id, NEW.min_lon, NEW.max_lon, NEW.min_lat, NEW.max_lat); END"
    )
    # Seconds since 2020: small numbers keep more precision in an R*Tree's 32 bits.
    began, observed = (
        f"CAST(strftime('%s', NEW.{name}) AS INTEGER) - 1577836800"
        for name in ("began", "observed")
    )
    op.execute("CREATE VIRTUAL TABLE case_spans USING rtree(id, began_s, observed_s)")
    op.execute(
        "CREATE TRIGGER cases_span AFTER INSERT ON cases BEGIN "
        f"INSERT INTO case_spans VALUES (NEW.id, {began}, {observed} + 1); END"
    )
    op.execute(
        "CREATE TRIGGER cases_span_moved AFTER UPDATE OF began, observed ON cases BEGIN "
        f"UPDATE case_spans SET began_s = {began}, observed_s = {observed} + 1 "
        "WHERE id = NEW.id; END"
    )


def _finish_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION history_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the history of cases is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER history_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON history "
        "FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only()"
    )
    op.execute(
        "CREATE INDEX case_boxes ON cases USING gist "
        "(box(point(min_lon, min_lat), point(max_lon, max_lat)))"
    )
    op.execute("CREATE INDEX case_spans ON cases USING gist (tstzrange(began, observed, '[]'))")

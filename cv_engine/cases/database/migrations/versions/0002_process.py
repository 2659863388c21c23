"""The process of a case: who acts by when, the chained history, outlets and devices."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from cv_engine.cases.database import tallies
from cv_engine.cases.database.migrations.chaining import chain_histories
from cv_engine.cases.database.migrations.filling import fill_findings

revision = "0002"
down_revision = "0001"

_JSON = sa.JSON().with_variant(JSONB(), "postgresql")
_TIME = sa.DateTime(timezone=True)

#: The lifecycle's pairs of states at this version of the schema.
TRANSITIONS = """
    reported-confirmed reported-rejected reported-withdrawn reported-merged
    confirmed-reported confirmed-noticed confirmed-cited confirmed-dispatched confirmed-deferred
    confirmed-withdrawn confirmed-merged
    rejected-reported rejected-appealed
    noticed-cited noticed-closed noticed-dispatched noticed-withdrawn noticed-merged
    cited-closed cited-appealed cited-withdrawn
    dispatched-handled dispatched-confirmed dispatched-deferred dispatched-withdrawn
    dispatched-merged
    handled-verified handled-dispatched handled-withdrawn handled-merged
    verified-closed verified-dispatched verified-withdrawn verified-merged
    deferred-confirmed deferred-withdrawn deferred-merged
    appealed-confirmed appealed-rejected appealed-closed appealed-withdrawn appealed-merged
    closed-appealed closed-confirmed
"""


def upgrade() -> None:
    """Bring the first schema to this one, with the cases that are in it."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if is_sqlite:
        for verb in ("update", "delete"):
            op.execute(f"DROP TRIGGER IF EXISTS history_no_{verb}")
    else:
        op.execute("DROP FUNCTION history_is_append_only() CASCADE")  # with its trigger
    for table in ("cases", "findings"):
        op.alter_column(table, "left_at", new_column_name="gone_at")
    _extend_cases()
    _extend_findings()
    _create_tables()
    _extend_history(is_sqlite)
    chain_histories(op.get_bind())
    fill_findings(op.get_bind())
    op.drop_index("ix_history_case_id", "history")
    op.create_index("history_by_case", "history", ["case_id", "seq"], unique=True)
    _index_of_some("cases_by_department", ["department", "due_at", "id"])
    _index_of_some("cases_by_attention", ["attention_at", "id"])
    _index_findings(is_sqlite)
    op.create_index("cases_by_place", "cases", ["place_id", "began", "id"])
    op.create_index("cases_by_filing", "cases", ["filed_at"])
    _index_of_some("cases_by_confirmation", ["confirmed_at"])
    _index_of_some("cases_by_closing_deadline", ["close_due_at"])
    _index_of_some("cases_by_end", ["ended_at"])
    _create_tallies()


def _index_of_some(name: str, columns: list[str]) -> None:
    some = sa.text(f"{columns[0]} IS NOT NULL")
    op.create_index(name, "cases", columns, sqlite_where=some, postgresql_where=some)


def _create_tallies() -> None:
    counts = ("received", "filed", "rejected", "withdrawn", "closed", "reworked")
    counts_of_due = ("due", "deferred", "settled", "on_time")
    op.create_table(
        "tallies",
        sa.Column("dimension", sa.Text, primary_key=True),
        sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in (*counts, *counts_of_due)),
        sqlite_with_rowid=False,
    )
    tallies.recount(op.get_bind())


def _extend_cases() -> None:
    counts = ("deferrals", "extensions", "returns", "reopenings")
    times = ("due_at", "close_due_at", "attention_at", "confirmed_at", "dispatched_at")
    more_times = ("handled_at", "verified_at", "ended_at", "deferred_until")
    texts = ("department", "team", "officer", "area", "alert", "reason", "outcome")
    columns: tuple[sa.Column[Any], ...] = (
        sa.Column("version", sa.Integer, nullable=False, server_default="0"),
        sa.Column("head", sa.Text, nullable=False, server_default=""),
        sa.Column("priority", sa.Text, nullable=False, server_default="normal"),
        sa.Column("merged_into", sa.Integer),
        sa.Column("place_id", sa.Integer),
        *(sa.Column(name, sa.Text) for name in texts),
        *(sa.Column(name, _TIME) for name in (*times, *more_times)),
        *(sa.Column(name, sa.Integer, nullable=False, server_default="0") for name in counts),
    )
    for column in columns:
        op.add_column("cases", column)


def _extend_findings() -> None:
    """What tells whether another finding is of the same thing."""
    required: dict[str, tuple[Any, str]] = {
        **dict.fromkeys(("kind", "source", "zone", "basis"), (sa.Text, "")),
        "since": (_TIME, "1970-01-01 00:00:00"),
        "confidence": (sa.Double, "0"),
        "attributes": (_JSON, "{}"),
    }
    for name, (form, value) in required.items():
        op.add_column("findings", sa.Column(name, form, nullable=False, server_default=value))
    op.add_column("findings", sa.Column("geometry", _JSON))
    op.add_column("findings", sa.Column("cell", sa.BigInteger))
    for name in ("accuracy_m", "box_x1", "box_y1", "box_x2", "box_y2"):
        op.add_column("findings", sa.Column(name, sa.Double))
    op.add_column("findings", sa.Column("evidence_sha256", sa.Text))


def _index_findings(is_sqlite: bool) -> None:
    op.drop_index("cases_by_presence", "cases")
    op.create_index("findings_by_zone", "findings", ["source", "zone", "kind", "observed"])
    op.create_index("findings_by_cell", "findings", ["kind", "cell", "observed"])
    if not is_sqlite:
        return
    # A case's place moves when its site grows, and when its findings are divided.
    op.execute(
        "CREATE TRIGGER cases_box_moved "
        "AFTER UPDATE OF min_lon, min_lat, max_lon, max_lat ON cases "
        "BEGIN DELETE FROM case_boxes WHERE id = NEW.id; "
        "INSERT INTO case_boxes SELECT NEW.id, NEW.min_lon, NEW.max_lon, NEW.min_lat, NEW.max_lat "
        "WHERE NEW.min_lon IS NOT NULL; END"
    )


def _extend_history(is_sqlite: bool) -> None:
    for column in (
        sa.Column("seq", sa.Integer, nullable=False, server_default="0"),
        sa.Column("role", sa.Text, nullable=False, server_default=""),
        sa.Column("hash", sa.Text, nullable=False, server_default=""),
    ):
        op.add_column("history", column)
    if not is_sqlite:  # to the letter: the hashes cover the values
        op.execute("ALTER TABLE history ALTER COLUMN data TYPE json USING data::json")


def _create_tables() -> None:
    op.create_table(
        "places",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("text", sa.Text, nullable=False, unique=True),
    )
    op.create_table(
        "case_evidence",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False, index=True),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("at", _TIME, nullable=False),
    )
    op.create_table(
        "outlets",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text) for name in ("error", "lease_by")),
        *(sa.Column(name, _TIME) for name in ("next_at", "lease_until")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("outlet", sa.Text, nullable=False),
        *(
            sa.Column(name, sa.Integer, nullable=False)
            for name in ("case_id", "entry_id", "attempts")
        ),
        sa.Column("next_at", _TIME, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("dead_at", _TIME),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "deliveries_by_outlet", "deliveries", ["outlet", "case_id", "entry_id"], unique=True
    )
    op.create_index("deliveries_due", "deliveries", ["outlet", "next_at", "id"])
    op.create_table(
        "devices",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("kind", "zone")),
        *(sa.Column(name, sa.Double) for name in ("longitude", "latitude", "accuracy_m")),
        *(sa.Column(name, _JSON, nullable=False) for name in ("settings", "condition")),
        sa.Column("registered_at", _TIME, nullable=False),
        *(sa.Column(name, _TIME) for name in ("seen_at", "listened_from", "wake_at")),
    )
    op.create_index("devices_by_wake", "devices", ["wake_at"])
    pairs = op.create_table(
        "case_transitions",
        sa.Column("from_state", sa.Text, primary_key=True),
        sa.Column("to_state", sa.Text, primary_key=True),
    )
    rows = [pair.split("-") for pair in TRANSITIONS.split()]
    op.bulk_insert(pairs, [{"from_state": before, "to_state": after} for before, after in rows])

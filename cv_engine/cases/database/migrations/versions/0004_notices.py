"""The drivers' notices, and the zones whose notices are stopped."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "notices",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("plate", sa.Text),
        sa.Column("way", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("decided_at", _TIME, nullable=False),
        sa.Column("asked_by", sa.Integer),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("text", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("first_tried_at", _TIME),
        sa.Column("next_at", _TIME),
        sa.Column("in_doubt", sa.Boolean, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("message_id", sa.Text),
        sa.Column("sent_at", _TIME),
        sa.Column("leave_by", _TIME),
        sa.Column("escalated_at", _TIME),
        sqlite_autoincrement=True,
    )
    op.create_index("notices_by_case", "notices", ["case_id", "round"], unique=True)
    op.create_index("notices_by_plate", "notices", ["plate", "decided_at"])
    op.create_index("notices_due", "notices", ["state", "next_at", "id"])
    op.create_table(
        "notice_zones",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("zone", sa.Text, primary_key=True),
        sa.Column("proven_at", _TIME),
        sa.Column("stopped_at", _TIME),
        sa.Column("stopped_by", sa.Text),
        sa.Column("why", sa.Text),
        sa.Column("released_at", _TIME),
        sa.Column("released_by", sa.Text),
        sa.Column("allowed", sa.Integer, nullable=False),
    )

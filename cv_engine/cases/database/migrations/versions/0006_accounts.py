"""People's accounts, their sessions, tokens and links, and the log of what changed in them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from cv_engine.cases.database.column_types import Json

revision = "0006"
down_revision = "0005"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables; no row of a case changes."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("folded", sa.Text, nullable=False, unique=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("areas", Json),
        sa.Column("password", sa.Text),
        sa.Column("subject", sa.Text, unique=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("disabled_at", _TIME),
        sqlite_autoincrement=True,
    )
    _of_account(
        "account_sessions",
        sa.Column("digest", sa.Text, primary_key=True),
        _account(nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
    )
    _of_account(
        "account_tokens",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        _account(nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME, nullable=False),
        sa.Column("revoked_at", _TIME),
        sqlite_autoincrement=True,
    )
    _of_account(
        "account_links",
        sa.Column("digest", sa.Text, primary_key=True),
        _account(nullable=True),
        sa.Column("ends_at", _TIME, nullable=False),
    )
    op.create_table(
        "account_attempts",
        sa.Column("who", sa.Text, primary_key=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("locked_until", _TIME),
    )
    op.create_table(
        "account_log",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", _TIME, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("by", "account", "what")),
        sa.Column("data", Json, nullable=False),
        sqlite_autoincrement=True,
    )


def _account(*, nullable: bool) -> sa.Column[int]:
    return sa.Column("account_id", sa.Integer, sa.ForeignKey("accounts.id"), nullable=nullable)


def _of_account(name: str, *columns: sa.Column[Any], **options: Any) -> None:
    op.create_table(name, *columns, **options)
    op.create_index(f"ix_{name}_account_id", name, ["account_id"])

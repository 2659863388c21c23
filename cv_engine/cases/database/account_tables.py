"""The tables of people's accounts, which lie beside the cases; the migrations create them.

No password, session, token or link is kept: only what a given one is compared with.
"""

from __future__ import annotations

import sqlalchemy as sa

from cv_engine.cases.database.column_types import Json, UtcTime
from cv_engine.cases.database.tables import metadata

#: With these tables, all of a store.
__all__ = ["metadata"]

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    # The name in small letters, so that no two people have names that look the same.
    sa.Column("folded", sa.Text, nullable=False, unique=True),
    sa.Column("role", sa.Text, nullable=False),
    # Names of areas of responsibility; empty: all.
    sa.Column("areas", Json),
    sa.Column("password", sa.Text),
    # Who the person is at the city's own log-in (OpenID Connect): issuer and subject.
    sa.Column("subject", sa.Text, unique=True),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("disabled_at", UtcTime),
    sqlite_autoincrement=True,
)

account_sessions = sa.Table(
    "account_sessions",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Integer, sa.ForeignKey("accounts.id"), nullable=False, index=True),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("seen_at", UtcTime, nullable=False),
)

account_tokens = sa.Table(
    "account_tokens",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("account_id", sa.Integer, sa.ForeignKey("accounts.id"), nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("ends_at", UtcTime, nullable=False),
    sa.Column("revoked_at", UtcTime),
    sqlite_autoincrement=True,
)

#: Links by which a password is set once; without an account, that of the first administrator.
account_links = sa.Table(
    "account_links",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Integer, sa.ForeignKey("accounts.id"), index=True),
    sa.Column("ends_at", UtcTime, nullable=False),
)

#: Attempts to log in since the last one that succeeded, by the digest of the name that was given,
#: whether it is an account's or not.
account_attempts = sa.Table(
    "account_attempts",
    metadata,
    sa.Column("who", sa.Text, primary_key=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("locked_until", UtcTime),
)

#: Append-only: triggers refuse UPDATE and DELETE.
account_log = sa.Table(
    "account_log",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("data", Json, nullable=False),
    sqlite_autoincrement=True,
)

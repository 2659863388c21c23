"""The access log, evidence that was deleted, and cases by plate."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cv_engine.cases.database.plate_index import plate_sql

revision = "0005"
down_revision = "0004"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables, the column and the indexes; no row of a case changes."""
    op.add_column("cases", sa.Column("purged_at", _TIME))
    _index_where(
        "cases_to_purge",
        "cases",
        ["ended_at", "kind", "state", "outcome", "id"],
        "ended_at IS NOT NULL AND purged_at IS NULL",
    )
    plate = plate_sql(op.get_bind().dialect.name)
    for table, key in (("cases", "id"), ("findings", "case_id")):
        expression = sa.text(f"({plate})")
        _index_where(f"{table}_by_plate", table, [expression, key], f"({plate}) IS NOT NULL")
    _create_purged_evidence()
    _create_looks()
    op.create_table(
        "erasing", sa.Column("case_id", sa.Integer, primary_key=True, autoincrement=False)
    )


def _create_purged_evidence() -> None:
    op.create_table(
        "purged_evidence",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("sha256", sa.Text),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("deleted_at", _TIME),
    )
    op.create_index("ix_purged_evidence_case_id", "purged_evidence", ["case_id"])
    _index_where(
        "purged_evidence_to_delete", "purged_evidence", ["at", "name"], "deleted_at IS NULL"
    )


def _create_looks() -> None:
    op.create_table(
        "looks",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", _TIME, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("who", "role", "what", "why")),
        sa.Column("case_id", sa.Integer),
        *(sa.Column(name, sa.Text) for name in ("plate", "salt", "plate_sha256")),
        sa.Column("hash", sa.Text, nullable=False),
    )
    for column in ("case_id", "plate"):
        name = f"looks_by_{column.removesuffix('_id')}"
        _index_where(name, "looks", [column, "seq"], f"{column} IS NOT NULL")
    op.create_table(
        "chain_heads",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )


def _index_where(name: str, table: str, columns: list[str | sa.TextClause], where: str) -> None:
    some = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=some, postgresql_where=some)

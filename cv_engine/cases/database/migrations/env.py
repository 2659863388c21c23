"""Alembic's entry point: runs the migrations in the transaction of the connection passed in."""

from __future__ import annotations

from alembic import context

from cv_engine.cases.database.account_tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=context.config.attributes["version_table"],
)
with context.begin_transaction():
    context.run_migrations()

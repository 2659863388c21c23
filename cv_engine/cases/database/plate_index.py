"""The index of plates: an expression on the attributes of cases and findings.

Few cases have a plate, and none is looked for among those without: the index holds the others.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def plate_sql(dialect: str) -> str:
    """The plate's text in a row of ``cases`` or ``findings``, exactly as the indexes have it.

    Args:
        dialect: Name of SQLAlchemy's dialect.
    """
    if dialect == "postgresql":
        return "attributes #>> '{plate,text}'"
    return "json_extract(attributes, '$.plate.text')"


def plate_column(connection: Connection, table: sa.Table) -> sa.ColumnElement[str]:
    """The plate's text in a row of a table, for a condition that uses the index.

    Args:
        connection: Connection to the store.
        table: ``cases`` or ``findings``.
    """
    text = plate_sql(connection.dialect.name).replace("attributes", f"{table.name}.attributes")
    return sa.literal_column(f"({text})", sa.Text)

"""Statistics for the query planner."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

#: Of each index on SQLite: the cases or findings of a city, and how many of them share the first
#: column, the first two columns, ... of the index.
_EXPECTED = {
    "sqlite_autoindex_cases_1": "1000000 1",
    "cases_by_time": "1000000 1 1",
    "cases_by_kind": "1000000 200000 1 1",
    "cases_by_zone": "1000000 1000 1 1",
    "cases_by_source": "1000000 1000 1 1",
    "cases_by_state": "1000000 150000 1 1",
    "cases_by_department": "1000000 50000 2 1",
    "cases_by_attention": "1000000 2 1",
    "cases_by_place": "1000000 1000 1 1",
    "cases_by_square": "1000000 100 30 1 1 1 1 1 1",
    "cases_by_filing": "1000000 2 1 1",
    "cases_by_confirmation": "1000000 2 2 2 1",
    "cases_by_closing_deadline": "1000000 2 2 2 1 1",
    "cases_by_end": "1000000 2 2 2 1 1 1 1",
    "cases_to_purge": "1000000 2 2 2 1 1",
    "cases_by_plate": "1000000 2 1",
    "sqlite_autoindex_findings_1": "1000000 1",
    "ix_findings_case_id": "1000000 1",
    "findings_by_zone": "1000000 1000 900 300 1",
    "findings_by_cell": "1000000 200000 100 1",
    "findings_by_plate": "1000000 2 1",
}


def set_statistics(connection: Connection) -> None:
    """Give the query planner the statistics of a city's queue.

    PostgreSQL gathers them from the data. On SQLite they are set: without statistics, SQLite starts
    from any index that fits, such as the state's, although the camera's index selects a thousandth
    of the rows; and ANALYZE would find nothing in a new queue.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("ANALYZE"))
        return
    connection.execute(sa.text("ANALYZE case_transitions"))  # creates the table of statistics
    connection.execute(sa.text("DELETE FROM sqlite_stat1"))
    statistics = sa.table("sqlite_stat1", sa.column("tbl"), sa.column("idx"), sa.column("stat"))
    connection.execute(
        statistics.insert(),
        [
            {"tbl": "findings" if "findings" in index else "cases", "idx": index, "stat": rows}
            for index, rows in _EXPECTED.items()
        ],
    )

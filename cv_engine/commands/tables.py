"""Tables for people."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cv_engine.commands.exit_codes import escaped

if TYPE_CHECKING:
    from rich.console import JustifyMethod
    from rich.table import Table


def empty_table(columns: Iterable[str], right: Collection[str] = ()) -> Table:
    """A table without rows.

    Args:
        columns: Names of the columns; cells that are too wide are folded.
        right: Those that are aligned to the right.
    """
    from rich import box
    from rich.table import Table

    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        justify: JustifyMethod = "right" if name in right else "left"
        result.add_column(name, justify=justify, overflow="fold")
    return result


def rows_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A table of rows that have equal keys, which name the columns."""
    names = rows[0] if rows else ()
    result = empty_table(name.replace("_", " ") for name in names)
    for row in rows:
        result.add_row(*(escaped(_text(value)) for value in row.values()))
    return result


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)

"""Tables for people."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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

    result = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
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


def records_of(table: Table) -> Iterator[list[str]]:
    """A table as records of plain text: the columns' names, then the rows.

    Cells have no markup, no tabs and no line ends. A grid of names and facts has no names of
    columns: each line of a fact is a record of its own, behind the same name.
    """
    from rich.text import Text

    def plain(cell: object) -> str:
        return Text.from_markup(str(cell)).plain.replace("\t", " ")

    columns = [[plain(cell) for cell in column.cells] for column in table.columns]
    if table.show_header:
        headers = (plain(column.header) for column in table.columns)
        yield [header.replace("-\n", "").replace("\n", " ") for header in headers]
        for row in zip(*columns, strict=True):
            yield [cell.replace("\n", "; ") for cell in row]
        return
    for name, facts in zip(*columns, strict=True):
        yield from ([name, fact] for fact in facts.split("\n"))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)

"""Cases as CSV (RFC 4180), for spreadsheets or for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum

from cv_engine.cases.export.columns import CaseRow, Column, Value

#: Spreadsheets run a cell with such a beginning as a formula (OWASP, "CSV Injection"); the second
#: row holds the full-width forms, which some spreadsheets treat in the same way.
_FORMULA_STARTS = (
    *("=", "+", "-", "@", "\t", "\r", "\n", "|", "%"),
    *("\uff1d", "\uff0b", "\uff0d", "\uff20"),
)
#: Excel takes a file without it for one in the machine's old encoding.
_BYTE_ORDER_MARK = "\ufeff"


class Dialect(StrEnum):
    """Whom a CSV file is for.

    In one for spreadsheets, codes are formulas of a text, so that leading zeros stay; times have no
    offset, so that they are dates to reckon with (the column ``timezone`` has it); and the file
    begins with a byte order mark, by which spreadsheets know it as UTF-8. One for programs has
    plain codes, times with their offset, and no byte order mark.
    """

    SPREADSHEET = "spreadsheet"
    PLAIN = "plain"


def csv_text(
    rows: Iterable[CaseRow], columns: Sequence[Column], dialect: Dialect = Dialect.SPREADSHEET
) -> Iterator[str]:
    """Write cases as CSV, piece by piece.

    Args:
        rows: The cases; read one at a time, so that any number fits in memory.
        columns: What is written of each.
        dialect: Whom the file is for.

    Returns:
        The file in pieces of text, to be written as UTF-8 without changing line ends.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    yield _BYTE_ORDER_MARK if dialect is Dialect.SPREADSHEET else ""
    writer.writerow([column.name for column in columns])
    yield text.getvalue()
    for row in rows:
        text.seek(0)
        text.truncate()
        writer.writerow([_cell(column, row, dialect) for column in columns])
        yield text.getvalue()


def _cell(column: Column, row: CaseRow, dialect: Dialect) -> object:
    value = column.value(row)
    if dialect is Dialect.PLAIN and isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if dialect is Dialect.SPREADSHEET and column.is_code and isinstance(value, str):
        return code_cell(value)
    return safe_cell(text_of(value))


def text_of(value: Value) -> str | int | float | None:
    """A value as it is shown: a time by ISO 8601, in whole seconds, without its offset."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="seconds")
    return value


def code_cell(code: str) -> str:
    """A code as a formula of a text, so that a spreadsheet keeps its leading zeros."""
    quoted = code.replace('"', '""')
    return f'="{quoted}"'


def safe_cell(cell: object) -> object:
    """The cell, with an apostrophe before text that a spreadsheet would run as a formula."""
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA_STARTS):
        return "'" + cell
    return cell

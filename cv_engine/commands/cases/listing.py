"""The commands ``cv-engine cases list``, ``show`` and ``export``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cv_engine.commands.cases.options import ColumnsOption, ListOptions, expanded, read_columns
from cv_engine.commands.cases.reading import (
    existing_queue,
    missing_queue,
    package_address,
    surroundings,
    told_of_list,
)
from cv_engine.commands.cases.report import OpenOption, open_in_browser, write_case
from cv_engine.commands.cases.tables import as_row, entry_row, print_cases, sheet
from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import escaped
from cv_engine.commands.options import (
    ConfigOption,
    CsvDialect,
    DataOption,
    ExportForm,
    Format,
    FormatOption,
)
from cv_engine.commands.session import Session
from cv_engine.commands.tables import empty_table
from cv_engine.files import atomic_file

if TYPE_CHECKING:
    from cv_engine.cases import Case, Queue
    from cv_engine.cases.export.columns import Column

CaseArgument = Annotated[int, typer.Argument(metavar="ID", help="The case's number.")]


@expanded
def list_cases(
    options: ListOptions,
    columns: ColumnsOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List cases, the newest first."""
    selected, picked = options.read(), read_columns(columns)
    session = Session(config, data, format)
    missing = missing_queue(session)
    if missing is not None:
        session.err.print(f"no cases: {escaped(missing)}")
        return
    with session.open_queue() as queue:
        shown = _print_cases(session, queue, queue.each(selected), picked)
        if format is Format.TABLE:
            session.err.print(escaped(told_of_list(session, queue, shown)))


def show(
    case: CaseArgument,
    open: OpenOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show one case with its history."""
    session = Session(config, data, format)
    with existing_queue(session) as queue:
        _print_case(session, queue, case)
        path = write_case(session, queue, case) if open else None
    if path is not None:
        session.err.print(f"report: {escaped(str(path))}")
        open_in_browser(session, path)


@expanded
def export(
    options: ListOptions,
    form: Annotated[ExportForm, typer.Option("--as", help="The file format.")] = ExportForm.GEOJSON,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The file to write; stdout if left out."),
    ] = None,
    columns: ColumnsOption = None,
    dialect: Annotated[
        CsvDialect,
        typer.Option(help="CSV for spreadsheets (codes stay text, times are dates) or plain."),
    ] = CsvDialect.SPREADSHEET,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Export cases as GeoJSON or CSV."""
    from cv_engine.cases.export.columns import COLUMNS, rows_of
    from cv_engine.cases.export.geojson import geojson
    from cv_engine.cases.export.spreadsheet import Dialect, csv_text

    selected, picked = options.read(), read_columns(columns)
    if form is not ExportForm.CSV and picked:
        raise InputError("--columns is for --as csv: GeoJSON has all properties")
    session = Session(config, data)
    with existing_queue(session) as queue:
        cases = queue.each(selected)
        if form is ExportForm.GEOJSON:
            _write(session, geojson(cases), out)
        else:
            rows = rows_of(cases, surroundings(session, queue))
            _write(session, csv_text(rows, picked or COLUMNS, Dialect(dialect)), out)


def _print_cases(
    session: Session, queue: Queue, cases: Iterable[Case], columns: Sequence[Column]
) -> int:
    """Print cases as JSON lines, one at a time, or as one table; returns their number."""
    if columns:
        return _print_picked(session, queue, cases, columns)
    if session.format is Format.JSONL:
        count = 0
        for case in cases:
            session.line(as_row(case))
            count += 1
        return count
    found = list(cases)
    if found:
        print_cases(session, found)
    return len(found)


def _print_picked(
    session: Session, queue: Queue, cases: Iterable[Case], columns: Sequence[Column]
) -> int:
    """Print the columns that were asked for."""
    from cv_engine.cases.export.columns import rows_of
    from cv_engine.cases.export.spreadsheet import text_of

    names = [column.name for column in columns]
    shown, count = empty_table(names), 0
    for row in rows_of(cases, surroundings(session, queue)):
        count += 1
        values = [column.value(row) for column in columns]
        if session.format is Format.JSONL:
            session.line(dict(zip(names, values, strict=True)))
            continue
        cells = map(text_of, values)
        shown.add_row(*("-" if cell is None else escaped(str(cell)) for cell in cells))
    if session.format is Format.TABLE and count:
        session.print_table(shown)
    return count


def _print_case(session: Session, queue: Queue, number: int) -> None:
    """Print one case with its evidence packages and its history.

    Raises:
        QueueError: There is no such case.
    """
    case, history = queue.get(number), queue.history(number)
    packages = [package_address(session, queue, name) for name in queue.evidence(number)]
    if session.format is Format.JSONL:
        events = [entry_row(entry) for entry in history]
        session.line({**as_row(case), "folders": packages, "history": events})
        return
    session.print_table(sheet(case, history, packages, session.config, datetime.now(UTC)))


def _write(session: Session, pieces: Iterable[str], out: Path | None) -> None:
    """Write an export to stdout, or to a file that appears whole or not at all."""
    if out is None:
        for piece in pieces:
            sys.stdout.write(piece)
        return
    with (
        atomic_file(out) as partial,
        partial.open("w", encoding="utf-8", newline="") as file,
    ):
        file.writelines(pieces)
    session.err.print(f"written: {escaped(str(out))}")

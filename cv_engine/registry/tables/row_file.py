"""Files to import: rows of text from CSV or Parquet, each with its line or number."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from cv_engine.registry.errors import ImportRefused, RegistryError
from zones.errors import Problem

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

#: Receives a problem of the file.
Report = Callable[[Problem], None]
#: Receives how much of how much is done; the latter is ``None`` where unknown.
Progress = Callable[[int, int | None], None]

_ROWS_AT_ONCE = 10_000  # between two reports of the progress, and of Parquet in memory


class RowFile(Protocol):
    """A file of rows.

    Attributes:
        names: Names of the columns.
    """

    names: Sequence[str]

    def rows(self, report: Report, progress: Progress) -> Iterator[tuple[int, Sequence[str]]]:
        """Each row's number and cells, as many as the file has columns.

        Args:
            report: Receives what is no row.
            progress: Receives how much of the file is read.
        """

    def where(self, number: int, column: str | None = None) -> str:
        """File and place of a row and column, for messages."""


def open_rows(path: Path, encoding: str) -> AbstractContextManager[RowFile]:
    """Open a file of rows: Parquet where the name ends so, else CSV.

    Args:
        path: The file; a pipe will do for CSV.
        encoding: Encoding of CSV, such as ``"utf-8"`` or ``"gb18030"``.

    Raises:
        ImportRefused: The file has no header or is no Parquet file.
        RegistryError: The encoding is unknown, or Parquet cannot be read here.
        OSError: The file cannot be read.
    """
    return _open_parquet(path) if path.suffix.lower() == ".parquet" else _open_csv(path, encoding)


class _CsvRows:
    """Rows of a CSV file; numbers are the lines where they begin, from 1."""

    def __init__(self, path: Path, file: TextIO, done: Callable[[], int]) -> None:
        self._path, self._done = path, done
        self._size = path.stat().st_size if path.is_file() else None  # unknown of a pipe
        self._reader = csv.reader(file, strict=True)
        try:
            header = next(self._reader, [])
        except csv.Error as error:
            raise _refused(f"{path}:1", f"the line is not CSV ({error})", "correct it") from None
        self.names: Sequence[str] = [name.strip() for name in header]
        if not header:
            raise _refused(f"{path}:1", "the file is empty", "write a header and a row")

    def rows(self, report: Report, progress: Progress) -> Iterator[tuple[int, Sequence[str]]]:
        """Each row's first line and cells; reading ends at what is not CSV."""
        count, reader = len(self.names), self._reader
        before = reader.line_num
        try:
            for number, row in enumerate(reader):
                line, before = before + 1, reader.line_num
                if len(row) == count:
                    yield line, row
                elif any(row):
                    what = f"the row has {len(row)} columns, the header {count}"
                    report(Problem(self.where(line), what, "correct commas and quotes"))
                if number % _ROWS_AT_ONCE == 0 and self._size is not None:
                    progress(self._done(), self._size)
        except csv.Error as error:
            what = f"the line is not CSV ({error}); what follows was not read"
            report(Problem(self.where(before + 1), what, "correct its quotes"))

    def where(self, number: int, column: str | None = None) -> str:
        """Such as ``vehicles.csv:17: plate``."""
        return f"{self._path}:{number}" + ("" if column is None else f": {column}")


class _ParquetRows:
    """Rows of a Parquet file; numbers count the rows from 1."""

    def __init__(self, path: Path, file: ParquetFile) -> None:
        self._path, self._file = path, file
        self.names: Sequence[str] = [str(name) for name in file.schema_arrow.names]

    def rows(self, report: Report, progress: Progress) -> Iterator[tuple[int, Sequence[str]]]:
        """Each row's number and cells as text."""
        import pyarrow

        number, total = 0, self._file.metadata.num_rows
        try:
            for batch in self._file.iter_batches(batch_size=_ROWS_AT_ONCE):
                columns = [[_text(value) for value in each.to_pylist()] for each in batch.columns]
                for cells in zip(*columns, strict=True):
                    number += 1
                    yield number, cells
                progress(number, total)
        except (pyarrow.ArrowException, OSError) as error:
            what = f"the file is damaged ({_first_line(error)})"
            report(Problem(self.where(number + 1), what, "export the file again"))

    def where(self, number: int, column: str | None = None) -> str:
        """Such as ``vehicles.parquet: row 17: plate``."""
        return f"{self._path}: row {number}" + ("" if column is None else f": {column}")


@contextmanager
def _open_csv(path: Path, encoding: str) -> Iterator[RowFile]:
    if encoding.replace("_", "-").lower() == "utf-8":
        encoding = "utf-8-sig"  # spreadsheets write a byte order mark
    with path.open("rb") as raw:
        try:
            # What is no text is found in its cell, with line and column.
            file = TextIOWrapper(raw, encoding, errors="surrogateescape", newline="")
        except LookupError:
            raise RegistryError(
                f"{encoding!r} is no encoding; write one such as utf-8 or gb18030"
            ) from None
        try:
            yield _CsvRows(path, file, raw.tell)
        except UnicodeError as error:
            what = f"the file is not in {encoding} ({error})"
            raise _refused(str(path), what, "name its encoding with --encoding") from None


@contextmanager
def _open_parquet(path: Path) -> Iterator[RowFile]:
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ModuleNotFoundError:
        raise RegistryError(
            f"{path}: Parquet needs the package pyarrow: install cv-engine with its extra "
            "`parquet`, or import the table as CSV"
        ) from None
    with path.open("rb") as file:
        try:
            rows = ParquetFile(file)
        except (pyarrow.ArrowException, OSError) as error:
            what = f"the file is not Parquet ({_first_line(error)})"
            raise _refused(str(path), what, "export the file again") from None
        yield _ParquetRows(path, rows)


def _text(value: Any) -> str:
    """A cell as CSV would have it."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # numbers of telephones, where some are missing
    if isinstance(value, float) and value != value:
        return ""  # how data frames write a missing number
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    if isinstance(value, int | float | Decimal | date) and not isinstance(value, bool):
        return str(value)
    return repr(value)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _refused(where: str, what: str, advice: str) -> ImportRefused:
    return ImportRefused([Problem(where, what, advice)], 1)

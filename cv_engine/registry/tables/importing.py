"""Imports: a file becomes the new table of a registry, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from cv_engine.files import atomic_file
from cv_engine.registry.errors import ImportRefused, RegistryError, RegistryUnavailable
from cv_engine.registry.records import Contact, Kind
from cv_engine.registry.tables.forms import FORMS, Form, RowReader, header_faults
from cv_engine.registry.tables.keys import Key, KeySource, new_key
from cv_engine.registry.tables.row_file import Progress, Report, RowFile, open_rows
from cv_engine.registry.tables.table_file import (
    About,
    Duplicates,
    Record,
    TableFile,
    TableWriter,
)
from cv_engine.registry.tables.tables import table_path
from zones.errors import Problem

#: Share of a table's records that the next one has at least, unless somebody says otherwise: a
#: registry loses few records from one export to the next, a file that was cut off loses many.
FEWEST: Final = 0.9

_MOST_KEPT = 100  # problems in one message


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has done.

    Attributes:
        about: What the new table says of itself.
        rows_before: Number of records of the table before; ``None`` if there was none.
    """

    about: About
    rows_before: int | None


class Problems:
    """Counts the problems of a file, and keeps the first.

    Args:
        report: Receives each problem.
    """

    def __init__(self, report: Report | None = None) -> None:
        self._report = report
        self.first: list[Problem] = []
        self.count = 0

    def add(self, problem: Problem) -> None:
        """Add a problem."""
        self.count += 1
        if len(self.first) < _MOST_KEPT:
            self.first.append(problem)
        if self._report is not None:
            self._report(problem)


class _Discarded(Exception):
    """Ends the writing of a table that is not to be kept."""


def import_file(
    folder: Path,
    kind: Kind,
    file: Path,
    keys: KeySource,
    now: datetime,
    progress: Progress,
    *,
    encoding: str = "utf-8",
    may_shrink: bool = False,
) -> Imported:
    """Replace the table of a registry by the records of a file.

    The table before serves until the new one is complete and on the disk. Killed before, the
    import has changed nothing and may be repeated.

    Args:
        folder: Folder of the tables; created if missing.
        kind: The registry.
        file: A CSV or Parquet file.
        keys: The keys of the contact data; the first is made where there is none.
        now: Present time (timezone-aware).
        progress: Receives the progress.
        encoding: Encoding of CSV.
        may_shrink: Whether far fewer records than before are accepted.

    Raises:
        ImportRefused: The file has errors; the first are in the message.
        RegistryError: The table cannot be written, or has far fewer records than before.
    """
    problems = Problems()
    with exclusive(folder), open_rows(file, encoding) as rows:
        key = _key(folder, kind, keys) if FORMS[kind].contact else None
        with atomic_file(table_path(folder, kind), sync=True) as partial:
            about = _write(partial, kind, rows, key, now, file.name, problems.add, progress)
            if problems.count:
                raise ImportRefused(problems.first, problems.count)
            before = about_table(folder, kind)
            if before is not None and about.rows < FEWEST * before.rows and not may_shrink:
                raise RegistryError(
                    f"{file}: has {about.rows} records, the present table of {kind} has "
                    f"{before.rows}: the file may have been cut off; if not, import it with "
                    "--may-shrink"
                )
    return Imported(about, None if before is None else before.rows)


def check_file(
    folder: Path,
    kind: Kind,
    file: Path,
    now: datetime,
    report: Report,
    progress: Progress,
    *,
    encoding: str = "utf-8",
) -> int:
    """Do everything that an import does, and discard the result.

    Args:
        folder: Folder of the tables, where the table is written until then.
        kind: The registry.
        file: A CSV or Parquet file.
        now: Present time (timezone-aware).
        report: Receives each problem.
        progress: Receives the progress.
        encoding: Encoding of CSV.

    Returns:
        The number of records without a problem.

    Raises:
        ImportRefused: The file has no header or is no Parquet file.
        RegistryError: The table cannot be written.
    """
    with (
        exclusive(folder),
        open_rows(file, encoding) as rows,
        suppress(_Discarded),
        atomic_file(table_path(folder, kind)) as partial,
    ):
        about = _write(partial, kind, rows, new_key(), now, file.name, report, progress)
        raise _Discarded
    return about.rows


def about_table(folder: Path, kind: Kind) -> About | None:
    """What a table says of itself; ``None`` where there is none that can be read."""
    path = table_path(folder, kind)
    if not path.exists():
        return None
    try:
        table = TableFile(path)
    except RegistryError:  # the import will replace it
        return None
    table.close()
    return table.about


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder of tables; created if missing, for its owner alone.

    Args:
        folder: The folder.

    Raises:
        RegistryUnavailable: Another program holds the lock.
        OSError: The folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RegistryUnavailable(
            f"{folder}: another import, check or change of the key is running: wait for its end"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _key(folder: Path, kind: Kind, keys: KeySource) -> Key:
    """The key that encrypts; a new one where there is none and no other table needs one."""
    if keys.is_missing:
        for other in set(Kind) - {kind}:
            about = about_table(folder, other)
            if about is not None and about.key_id:
                raise RegistryError(
                    f"{keys.where}: the key of the contact data in {other} is missing: restore it "
                    f"from its backup; or, if it is lost, remove {table_path(folder, other)}, and "
                    "import both files again"
                )
        keys.replace([new_key()])
    return keys.read().newest


def _write(
    path: Path,
    kind: Kind,
    rows: RowFile,
    key: Key | None,
    now: datetime,
    source: str,
    report: Report,
    progress: Progress,
) -> About:
    """Write the table of a file; problems are reported, and their rows left out."""
    form = FORMS[kind]
    problems = Problems(report)
    for column, what, advice in header_faults(form, rows.names):
        problems.add(Problem(rows.where(1, column), what, advice))
    with TableWriter(path, form) as table:
        sealed = _Sealed(form, key)
        count = 0
        if not problems.count:
            count = table.add(_records(form, rows, sealed, problems.add, progress))
        if not count and not problems.count:
            problems.add(Problem(rows.where(1), "the file has no row", "add one"))
        try:
            table.index()
        except Duplicates as duplicates:
            for name, line, first in duplicates.found:
                what = f"{name!r} is there twice, first at {rows.where(first)}"
                problems.add(Problem(rows.where(line, form.key), what, "remove one of the two"))
        key_id = key.id if key is not None and sealed.count else ""
        about = About(kind, count, sealed.count, key_id, now.astimezone(UTC).isoformat(), source)
        table.complete(about)
    return about


class _Sealed:
    """Encrypts the contact data of records, and counts them."""

    def __init__(self, form: Form, key: Key | None) -> None:
        self._form, self._key = form, key
        self.count = 0

    def __call__(self, values: list[object], contact: Contact | None) -> bytes | None:
        if contact is None or self._key is None:
            return None
        self.count += 1
        return self._key.seal(self._form.kind, str(values[0]), contact)


def _records(
    form: Form, rows: RowFile, seal: _Sealed, report: Report, progress: Progress
) -> Iterator[Record]:
    reader = RowReader(form, rows.names)
    for number, cells in rows.rows(report, progress):
        (values, contact), faults = reader.read(cells)
        if faults:
            for column, what, advice in faults:
                report(Problem(rows.where(number, column), what, advice))
        elif form.contact:
            yield (number, *values, seal(values, contact))
        else:
            yield (number, *values)

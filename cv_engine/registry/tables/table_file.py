"""Tables: one SQLite file for each registry, which never changes after it is written.

Another file replaces it as a whole, by one rename: who reads keeps the old file open until the
next question. So a table needs no lock, no journal and no log, and is copied as any file.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Self
from urllib.parse import quote

from cv_engine.registry.errors import RegistryUnavailable, explain
from cv_engine.registry.tables.forms import Form

FORMAT = "cv-engine registry 1"

_CACHE_KIB = 131_072  # while writing: the sorting of an index stays in memory
_DEGREES_PER_M = 1 / 110_574  # of latitude at the equator, where a metre is most degrees
_NARROWEST = 0.01  # cosine of the latitude, so that a box at the poles stays finite

#: A record of a table: its line, the values of its columns, its encrypted contact data.
Record = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class About:
    """What a table says of itself.

    Attributes:
        kind: The registry.
        rows: Number of records.
        contacts: Number of records with contact data.
        key_id: Id of the key of the contact data; empty if there are none.
        imported_at: When the file was imported, ISO 8601 in UTC.
        source: Name of the file.
        format: Name of this format.
    """

    kind: str
    rows: int
    contacts: int
    key_id: str
    imported_at: str
    source: str
    format: str = FORMAT


class Duplicates(Exception):
    """Two records have one key.

    Attributes:
        found: Key, line of a record and first line of the key, for each that is too many.
    """

    def __init__(self, found: Iterator[tuple[str, int, int]]) -> None:
        super().__init__()
        self.found = found


class TableWriter:
    """Writes a new table.

    Args:
        path: The file; nothing is there yet.
        form: The registry's form.

    Raises:
        RegistryError: The file cannot be written.
    """

    def __init__(self, path: Path, form: Form) -> None:
        self._path, self._form = path, form
        columns = [column.name for column in form.columns]
        if form.contact:
            columns.append("contact")
        self._insert = (
            f"INSERT INTO records VALUES (?, {', '.join('?' * len(columns))})"  # ours, not a user's
        )
        with explain(path):
            self._connection = sqlite3.connect(path, isolation_level=None)
            # A table that was not completed is removed: nothing has to survive, or be undone.
            for pragma in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._connection.execute(
                f"CREATE TABLE records (line INTEGER PRIMARY KEY, {', '.join(columns)})"
            )
            self._connection.execute("CREATE TABLE about (name TEXT PRIMARY KEY, value)")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._connection.close()

    def add(self, records: Iterable[Record]) -> int:
        """Write records in the order of their lines.

        Returns:
            The number of records.
        """
        with explain(self._path):
            self._connection.execute("BEGIN")
            written = self._connection.executemany(self._insert, records).rowcount
            self._connection.execute("COMMIT")
        return written

    def index(self) -> None:
        """Make the records quick to find.

        Raises:
            Duplicates: Two records have one key.
        """
        form, run = self._form, self._connection.execute
        with explain(self._path):
            for name in form.looked_up_by:
                run(f"CREATE INDEX by_{name} ON records ({name}) WHERE {name} IS NOT NULL")
            if form.has_places:
                self._index_places()
            if form.key is None:
                return
            try:
                run(f"CREATE UNIQUE INDEX by_key ON records ({form.key})")
            except sqlite3.IntegrityError:
                raise Duplicates(self._duplicates(form.key)) from None

    def complete(self, about: About) -> None:
        """Write what the table says of itself."""
        with explain(self._path):
            self._connection.executemany("INSERT INTO about VALUES (?, ?)", asdict(about).items())

    def _index_places(self) -> None:
        run = self._connection.execute
        self._connection.create_function("degrees_east", 2, degrees_east, deterministic=True)
        self._connection.create_function("degrees_north", 1, degrees_north, deterministic=True)
        radius = "radius_m" if any(c.name == "radius_m" for c in self._form.columns) else "0.0"
        run("CREATE VIRTUAL TABLE places USING rtree(line, west, east, south, north)")
        run(
            "INSERT INTO places SELECT line, "
            f"longitude - degrees_east({radius}, latitude), "
            f"longitude + degrees_east({radius}, latitude), "
            f"latitude - degrees_north({radius}), latitude + degrees_north({radius}) "
            "FROM records WHERE longitude IS NOT NULL"
        )

    def _duplicates(self, key: str) -> Iterator[tuple[str, int, int]]:
        run = self._connection.execute
        run(f"CREATE INDEX by_key ON records ({key})")
        yield from run(
            f"SELECT r.{key}, r.line, d.first FROM records r JOIN (SELECT {key} AS key, "
            f"min(line) AS first FROM records GROUP BY {key} HAVING count(*) > 1) d "
            f"ON r.{key} = d.key WHERE r.line > d.first ORDER BY r.line"
        )


class TableFile:
    """An open table; used by one thread at a time.

    Args:
        path: The file.

    Raises:
        RegistryUnavailable: The file is no table, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.version = _version(path)
        with explain(path):
            # Immutable: no lock is taken, and no rights to write are needed.
            address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
            self._connection = sqlite3.connect(address, uri=True, check_same_thread=False)
        try:
            self.about = self._read_about()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def ask(self, query: str, values: Sequence[Any] = ()) -> list[Record]:
        """All records that a query finds.

        Args:
            query: SQL.
            values: Values of its parameters.
        """
        with explain(self._path):
            return self._connection.execute(query, values).fetchall()

    def records(self) -> Iterator[Record]:
        """All records in the order of their lines, read one at a time."""
        with explain(self._path):
            yield from self._connection.execute("SELECT * FROM records ORDER BY line")

    def _read_about(self) -> About:
        advice = f"{self._path}: is no table of this program: remove it, and import its file again"
        try:
            found: dict[str, Any] = dict(self.ask("SELECT name, value FROM about"))
            about = About(**{field.name: found[field.name] for field in fields(About)})
        except KeyError:
            raise RegistryUnavailable(advice) from None
        if about.format != FORMAT:
            raise RegistryUnavailable(
                f"{self._path}: was written by another version of cv-engine ({about.format}): "
                "import its file again"
            )
        return about


class Table:
    """The present table of a registry: the file that is there when a question is asked.

    Args:
        path: The file; it may be missing, and may be replaced at any moment.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._open: TableFile | None = None

    def about(self) -> About | None:
        """What the table says of itself; ``None`` where nothing was imported.

        Raises:
            RegistryUnavailable: The file is no table, or damaged.
        """
        with self._lock:
            current = self._current()
            return None if current is None else current.about

    def ask(self, query: str, values: Sequence[Any] = ()) -> list[Record]:
        """All records that a query finds; none where nothing was imported.

        Args:
            query: SQL.
            values: Values of its parameters.

        Raises:
            RegistryUnavailable: The file is no table, or damaged.
        """
        with self._lock:
            current = self._current()
            return [] if current is None else current.ask(query, values)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def _current(self) -> TableFile | None:
        try:
            version = _version(self._path)
        except FileNotFoundError:
            self._close()
            return None
        while self._open is None or self._open.version != version:
            old, self._open = self._open, TableFile(self._path)
            if old is not None:
                # Closing frees the old file's room, 0.2 s for 500 MB: no question waits for that.
                Thread(target=old.close).start()
            # Between its name and its content the file may have been replaced.
            version = _version(self._path)
        return self._open

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def _version(path: Path) -> tuple[int, int, int]:
    """What distinguishes a file from the one before at its path."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


def degrees_east(distance_m: float, latitude: float) -> float:
    """The most degrees of longitude that a distance in metres can be, at a latitude in degrees."""
    return distance_m * _DEGREES_PER_M / max(math.cos(math.radians(latitude)), _NARROWEST)


def degrees_north(distance_m: float) -> float:
    """The most degrees of latitude that a distance in metres can be."""
    return distance_m * _DEGREES_PER_M

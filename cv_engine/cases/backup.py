"""Backups: one file with all of a queue, made while others file, and verified by reading it back.

A backup is a SQLite queue, whatever database the queue is in, so that it can be looked into, and
restored to either. A manifest beside it has its digest. The evidence folders are not in it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cv_engine.cases.audit import audit
from cv_engine.cases.database.copying import Copied, copy_queue
from cv_engine.cases.database.store import SCHEMA, Store
from cv_engine.cases.database.tables import case_evidence, cases, findings, history
from cv_engine.cases.errors import QueueError
from cv_engine.cases.rows import time_text
from cv_engine.errors import Failure
from cv_engine.files import atomic_file, write_atomically

_FORMAT = "cv-engine queue, backup 1"
_PAGES_AT_ONCE = 10_000  # 40 MB between two reports of the progress
_BYTES_AT_ONCE = 1 << 20

#: Called with what is being done, and how much of how much of it is done.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds.

    Attributes:
        format: Name of this format.
        schema: Version of the queue's schema.
        made_at: When the backup was begun, ISO 8601 in UTC: its cases are those of that moment.
        cases: Number of cases.
        findings: Number of findings.
        entries: Number of entries of all histories.
        evidence_folders: Number of evidence folders that the cases name, and that are not in it.
        problems: Number of problems that an audit of the backup has found; the queue has them, too.
        bytes: Size of the file.
        sha256: Digest (hex) of the file.
    """

    format: str
    schema: str
    made_at: str
    cases: int
    findings: int
    entries: int
    evidence_folders: int
    problems: int
    bytes: int
    sha256: str


def manifest_path(file: Path) -> Path:
    """Where the manifest of a backup lies."""
    return file.with_name(f"{file.name}.json")


def back_up(store: Store, file: Path, at: datetime, progress: Progress) -> Manifest:
    """Write a backup of a queue while others file, and verify it.

    Args:
        store: The queue.
        file: The file to write; it appears whole or not at all, and its manifest beside it.
        at: Present time (timezone-aware).
        progress: Receives the progress.

    Returns:
        The backup's manifest.

    Raises:
        QueueError: The queue cannot be read, or the file cannot be written.
    """
    if not file.parent.is_dir():
        raise QueueError(f"{file.parent}: there is no such folder for the backup: create it")
    with atomic_file(file, sync=True) as partial:
        if store.dialect == "sqlite":
            _copy_file(store, partial, progress)
        else:
            with _opened(partial) as target:
                copy_queue(store, target, progress)
        _make_one_file(partial)
        manifest = _verified(partial, at, progress)
    text = json.dumps(asdict(manifest), indent=2) + "\n"
    write_atomically(manifest_path(file), text.encode(), sync=True)
    return manifest


def restore(file: Path, target: Store, progress: Progress) -> tuple[Manifest, Copied]:
    """Fill an empty store with a backup, and verify the store.

    Args:
        file: The backup, with its manifest beside it.
        target: An empty store, or one whose restoring from this backup was interrupted, opened
            with ``unfinished=True``.
        progress: Receives the progress.

    Raises:
        QueueError: The backup is damaged or without manifest, or the store is not empty.
    """
    manifest = read_manifest(file)
    if _digest(file, progress) != manifest.sha256:
        raise QueueError(
            f"{file}: the backup is damaged or was changed: its digest is not that of "
            f"{manifest_path(file).name}; use another backup"
        )
    with _readable(file, manifest) as source:
        copied = copy_queue(source, target, progress, name=f"backup {manifest.sha256}")
    return manifest, copied


def read_manifest(file: Path) -> Manifest:
    """Read the manifest of a backup.

    Raises:
        QueueError: The backup has none, or none of this format.
    """
    path = manifest_path(file)
    try:
        values = json.loads(path.read_text("utf-8"))
        manifest = Manifest(**values)
    except OSError as error:
        raise QueueError(
            f"{path}: a backup has its manifest beside it, and it cannot be read "
            f"({error.strerror}): name the file that `cv-engine cases backup` has written"
        ) from error
    except (ValueError, TypeError) as error:
        raise QueueError(f"{path}: not the manifest of a backup ({error})") from error
    if manifest.format != _FORMAT:
        raise QueueError(
            f"{path}: written by another version of cv-engine ({manifest.format}): use that version"
        )
    return manifest


def _copy_file(store: Store, partial: Path, progress: Progress) -> None:
    """Copy a SQLite file page by page, in one state of the database.

    The open transaction keeps the state: without it, SQLite would begin again at every commit.
    """
    with store.snapshot() as connection, closing(sqlite3.connect(partial)) as copy:
        connection.execute(sa.select(cases.c.id).limit(1))  # the state is that of the first read
        source = connection.connection.driver_connection
        assert isinstance(source, sqlite3.Connection)

        def report(status: int, remaining: int, total: int) -> None:
            progress("pages", total - remaining, total)

        try:
            source.backup(copy, pages=_PAGES_AT_ONCE, progress=report, sleep=0)
        except sqlite3.Error as error:
            raise QueueError(
                f"{partial.parent}: the backup cannot be written ({error}): make room",
                Failure.NO_SPACE,
            ) from error


def _make_one_file(partial: Path) -> None:
    """Leave the write-ahead log, which has a second file."""
    with closing(sqlite3.connect(partial)) as copy:
        copy.execute("PRAGMA journal_mode = DELETE")


def _verified(partial: Path, at: datetime, progress: Progress) -> Manifest:
    with closing(sqlite3.connect(partial)) as copy:
        said = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        if said != "ok":
            raise QueueError(f"the backup is damaged ({said}): check the disk", Failure.UNAVAILABLE)
    with _opened(partial) as store, store.snapshot() as connection:
        problems = sum(not each.remark for each in audit(connection, progress=progress))
        counts = _counts(connection)
    _make_one_file(partial)
    return Manifest(
        format=_FORMAT,
        schema=SCHEMA,
        made_at=time_text(at),
        **counts,
        problems=problems,
        bytes=partial.stat().st_size,
        sha256=_digest(partial, progress),
    )


def _counts(connection: Connection) -> dict[str, int]:
    def count(what: sa.Select[Any]) -> int:
        return int(connection.execute(what).scalar_one())

    all_rows = sa.select(sa.func.count())
    named = sa.select(findings.c.evidence).where(findings.c.evidence.is_not(None))
    folders = sa.select(sa.func.count()).select_from(
        named.union(sa.select(case_evidence.c.name)).subquery()
    )
    return {
        "cases": count(all_rows.select_from(cases)),
        "findings": count(all_rows.select_from(findings)),
        "entries": count(all_rows.select_from(history)),
        "evidence_folders": count(folders),
    }


@contextmanager
def _opened(path: Path) -> Iterator[Store]:
    store = Store(path)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _readable(file: Path, manifest: Manifest) -> Iterator[Store]:
    """The backup as a store.

    Opening a queue may write: a copy is opened, so that the backup stays as it is. The copy is in
    the folder for temporary files, which needs room for it.
    """
    with tempfile.TemporaryDirectory(prefix="cv-engine-restore-") as folder:
        copy = Path(folder) / "queue.sqlite"
        try:
            shutil.copyfile(file, copy)
        except OSError as error:
            raise QueueError(
                f"{folder}: no room for a copy of the backup ({manifest.bytes} bytes): set TMPDIR "
                f"to a folder with more ({error.strerror})",
                Failure.NO_SPACE,
            ) from error
        with _opened(copy) as store:
            yield store


def _digest(path: Path, progress: Progress) -> str:
    digest, done, total = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(_BYTES_AT_ONCE):
            digest.update(block)
            done += len(block)
            progress("bytes", done, total)
    return digest.hexdigest()

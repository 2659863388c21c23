"""The database behind the queue: opened, configured and brought to the current schema."""

from __future__ import annotations

import select
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Dialect, Engine, make_url

from cv_engine.cases.database import triggers, write_ahead_log
from cv_engine.cases.database.db_errors import explain
from cv_engine.cases.database.planner import set_statistics
from cv_engine.cases.database.turns import turn
from cv_engine.cases.errors import QueueError
from cv_engine.errors import failure_of_os_error

#: The newest version of the schema; equal to the head of the migrations, as a test checks.
SCHEMA = "0006"
#: The table with a database's schema version; not Alembic's default name, so that the queue can
#: share a PostgreSQL database with other programs.
VERSION_TABLE = "cv_engine_schema"

#: The table with the progress of a copy; gone when the copy is complete.
COPYING = "cv_engine_copying"

_BUSY_TIMEOUT_S = 30.0  # far longer than any transaction here, shorter than a person's patience
_BUSY_PAUSE_S = 0.02  # between retries of the one statement for which SQLite does not wait itself
_CACHE_KIB = 32_768  # of each connection
_CONNECT_TIMEOUT_S = 10
_SCHEMA_LOCK = 0x63765F73636865  # an arbitrary number: the PostgreSQL lock taken while opening
_migrating = threading.Lock()  # Alembic keeps its context in module globals


class Store:
    """A database with the queue's schema.

    Args:
        where: Path of a SQLite file, created with its folders if missing, or a ``postgresql://``
            or ``sqlite:///`` URL.
        unfinished: Whether the database may hold an unfinished copy, which is to be finished.

    Raises:
        QueueError: The database cannot be opened, is not a queue, belongs to a newer program, or
            holds an unfinished copy.
    """

    def __init__(self, where: str | Path, *, unfinished: bool = False) -> None:
        url = _url(where)
        # The query may hold a password, too.
        self.name = (
            url.database
            if url.drivername == "sqlite"
            else url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)
        )
        with explain(str(self.name)):
            self._engine = _engine(url)
            self._writing = self._engine.execution_options(cv_write=True)
        self._checkpoints = write_ahead_log.Checkpoints(Path(str(self.name)))
        try:
            self._bring_to_schema(unfinished)
        except BaseException:
            self.close()
            raise

    @property
    def dialect(self) -> str:
        """``"sqlite"`` or ``"postgresql"``."""
        return self._engine.dialect.name

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in a transaction that reads one state of the database."""
        with explain(str(self.name)), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection that reads one state of the database, however long and however often."""
        options: dict[str, Any] = {}
        if self.dialect == "postgresql":
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        engine = self._engine.execution_options(**options)
        with explain(str(self.name)), engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self, ahead: Callable[[Connection], object] | None = None) -> Iterator[Connection]:
        """A connection in a transaction that is committed, and durable, when the block ends.

        Args:
            ahead: Reads what the block will read. Who has to wait for others on SQLite does so
                meanwhile: what comes from the disk then, is not waited for by all.
        """
        with explain(str(self.name)):
            with self._turn(ahead), self._writing.begin() as connection:
                yield connection
            self.make_durable()
            self._checkpoint()

    def vacuum(self) -> None:
        """Let PostgreSQL note that no transaction needs older versions of many new rows.

        It does so by itself some time later; until then its indexes do not answer alone.
        """
        if self.dialect != "postgresql":
            return
        outside = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with explain(str(self.name)), outside.connect() as connection:
            connection.exec_driver_sql("VACUUM (ANALYZE)")

    def make_durable(self) -> None:
        """Wait until everything that this store has read or committed survives a power cut.

        PostgreSQL's commits do. On SQLite a commit appends to the write-ahead log, without waiting
        for the disk: the wait is here, after the writer's turn. So others write meanwhile, and one
        wait of the disk serves the commits of all who wait (group commit). The log is sequential:
        what a later commit builds on is never lost before it.

        Raises:
            QueueError: The disk fails.
        """
        if self.dialect != "sqlite":
            return
        try:
            write_ahead_log.sync(Path(str(self.name)))
        except OSError as error:
            raise QueueError(
                f"{self.name}: the disk does not say that it kept the last change "
                f"({error.strerror}): look after the disk, and try again",
                failure_of_os_error(error),
            ) from error

    def _turn(
        self, ahead: Callable[[Connection], object] | None = None
    ) -> AbstractContextManager[None]:
        """This writer's turn; PostgreSQL has many at a time."""
        if self.dialect != "sqlite":
            return nullcontext()

        def read_ahead() -> None:
            if ahead is not None:
                with self.reading() as connection:
                    ahead(connection)

        return turn(Path(f"{self.name}-lock"), _BUSY_TIMEOUT_S, read_ahead)

    def _checkpoint(self) -> None:
        """Copy SQLite's log back where it has become long."""
        if self.dialect != "sqlite" or not self._checkpoints.is_due():
            return
        self._checkpoints.tried()
        # Nearly all of it while others write, and what they have written meanwhile in a turn.
        if self._checkpoints.copy(self._engine):
            with self._turn():
                self._checkpoints.copy(self._engine)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _bring_to_schema(self, unfinished: bool) -> None:
        with self.reading() as connection:
            found = _schema(connection, str(self.name))
            if found is not None and not unfinished and sa.inspect(connection).has_table(COPYING):
                raise QueueError(
                    f"{self.name} holds an unfinished copy of another queue: run `cv-engine cases "
                    "move` or `restore` again to finish it, or delete it"
                )
        if self.dialect == "sqlite":  # only now is the file known to be a queue, or empty
            with explain(str(self.name)):
                _use_wal(self._engine)
        if found == SCHEMA:
            return
        with _migrating, self.writing() as connection:
            if self.dialect == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
            # Another process may have been faster: check again, now that no other can write.
            if _schema(connection, str(self.name)) != SCHEMA:
                _upgrade(connection)
        self._engine.dispose()  # new connections see the planner's new statistics


def _url(where: str | Path) -> URL:
    """The database's URL; a path becomes a SQLite URL, and its folder is created."""
    text = str(where)
    if isinstance(where, Path) or "://" not in text:
        return URL.create("sqlite", database=str(_file(Path(text))))
    try:
        url = make_url(text)
    except (sa.exc.ArgumentError, ValueError):  # not chained: both repeat parts of the address
        raise QueueError(
            "the queue's address is not a valid database URL; check its port, and write signs in "
            "the password as in %40 for @"
        ) from None
    if "@" in (url.host or ""):
        raise QueueError("the queue's password holds an @; write it as %40 in the address")
    backend = url.get_backend_name()
    if backend == "sqlite":
        if not url.database or url.database == ":memory:":
            raise QueueError("a queue in memory would be lost: name a file, sqlite:///queue.sqlite")
        return URL.create("sqlite", database=str(_file(Path(url.database))))
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    raise QueueError(f"{backend} is not supported: give a file, or a postgresql:// URL")


def _file(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = path.is_dir()
    except OSError as error:
        raise QueueError(
            f"{path.parent}: the folder for the queue cannot be created or entered "
            f"({error.strerror}): choose another with --data, or ask for the right to write there",
            failure_of_os_error(error),
        ) from error
    if folder:
        raise QueueError(f"{path} is a folder: name the queue's file in it, such as queue.sqlite")
    return path


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        try:
            engine = sa.create_engine(url, connect_args={"connect_timeout": _CONNECT_TIMEOUT_S})
        except ModuleNotFoundError as error:
            raise QueueError(
                "PostgreSQL needs the package psycopg: install cv-engine with its extra `postgres`"
            ) from error
        sa.event.listen(engine, "checkout", partial(_refuse_ended, engine.dialect))
        return engine
    # Every transaction here is committed or rolled back: the pool need not do it again.
    engine = sa.create_engine(
        url, connect_args={"timeout": _BUSY_TIMEOUT_S}, pool_reset_on_return=None
    )
    sa.event.listen(engine, "connect", _set_up_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _refuse_ended(dialect: Dialect, connection: Any, record: Any, proxy: Any) -> None:
    """Let the pool replace a connection that the server has ended.

    The server has said so on the connection, on which nothing else arrives as a rule while it is
    idle. Only if something has arrived is the server asked: asked before every transaction, as by
    SQLAlchemy's ``pool_pre_ping``, it would make a short one a third longer.
    """
    arrived = select.poll()
    arrived.register(connection.fileno(), select.POLLIN)
    if not arrived.poll(0):
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise sa.exc.DisconnectionError from error


def _set_up_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None  # transactions are started below, not by the driver
    connection.execute("PRAGMA foreign_keys = ON")
    # NORMAL: the log is synced before a checkpoint, and by the store after a commit.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {write_ahead_log.FULL_PAGES}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE takes the write lock at once, so that no transaction fails half-way without it.
    write = connection.get_execution_options().get("cv_write", False)
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.execute("BEGIN IMMEDIATE" if write else "BEGIN")


def _use_wal(engine: Engine) -> None:
    """Switch the file permanently to write-ahead logging.

    SQLite does not wait for its lock in this one statement, so two processes that open a new file
    at the same time would fail without the retries.
    """
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        while True:
            try:
                cursor.execute("PRAGMA journal_mode")
                if cursor.fetchone() != ("wal",):
                    cursor.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > deadline:
                    raise
                time.sleep(_BUSY_PAUSE_S)
    finally:
        raw.close()


def _schema(connection: Connection, name: str) -> str | None:
    """The database's schema version, ``None`` for a new database.

    Raises:
        QueueError: The SQLite file is another program's, or a newer version of this one wrote it.
    """
    tables = sa.inspect(connection)
    if not tables.has_table(VERSION_TABLE):
        if connection.dialect.name == "sqlite" and tables.get_table_names():
            raise QueueError(f"{name} is a database of another program: choose another file")
        return None
    version = sa.table(VERSION_TABLE, sa.column("version_num", sa.Text))
    found = connection.execute(sa.select(version.c.version_num)).scalar()
    if found is not None and str(found) > SCHEMA:  # versions have leading zeros
        raise QueueError(
            f"{name} was written by a newer version of cv-engine (schema {found}, this version "
            f"knows {SCHEMA}): update cv-engine; nothing was changed"
        )
    return None if found is None else str(found)


def _upgrade(connection: Connection) -> None:
    # Alembic is loaded only for a migration: opening a queue stays quick.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "cv_engine.cases.database:migrations")
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    # Triggers and statistics are no part of the versions: they are those of this program.
    triggers.drop(connection)
    command.upgrade(config, "head")
    triggers.create(connection)
    set_statistics(connection)

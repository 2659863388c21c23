"""The leader lock: only one program at a time assigns cameras, on however many machines."""

from __future__ import annotations

import threading

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from cv_engine.cluster.errors import ClusterError
from cv_engine.errors import Failure

_LOCK_ID = 0x63765F7761746368  # of a PostgreSQL advisory lock; any number of our own
# How often the lock is checked, seconds. A program that gets it in our place assigns nothing before
# the length of a lease has passed, so this has to be well below that.
_CHECK_S = 3.0
# The server drops a client whose machine has vanished, and this end notices a server that has, both
# after some ten seconds without an answer.
_CONNECT = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_SERVER_SIDE = (
    "SET tcp_keepalives_idle = 5",
    "SET tcp_keepalives_interval = 2",
    "SET tcp_keepalives_count = 3",
)


class LeaderLock:
    """Holds the lock until closed.

    Args:
        store: Address of the queue's PostgreSQL database.

    Raises:
        ClusterError: Another program holds the lock, or the database does not answer.
    """

    def __init__(self, store: str) -> None:
        url = sa.make_url(store).set(drivername="postgresql+psycopg")
        try:
            self._engine = sa.create_engine(
                url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=_CONNECT
            )
        except ModuleNotFoundError as error:
            raise ClusterError(
                "PostgreSQL needs the package psycopg: install cv-engine with its extra `postgres`"
            ) from error
        try:
            taken = self._take()
        except sa.exc.SQLAlchemyError as error:
            raise ClusterError(
                f"the queue's database does not answer ({str(error).splitlines()[0]}): check "
                "that it runs, and that `store` in the configuration is right",
                Failure.UNAVAILABLE,
            ) from error
        if taken is None:
            raise ClusterError(
                "another `cv-engine watch --cluster` with the same queue is running: stop it "
                "first; if its machine has just been lost, try again in half a minute"
            )
        self._connection: Connection | None = taken
        self._lost = threading.Event()
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="leader-lock", daemon=True)
        self._keeper.start()

    @property
    def lost(self) -> bool:
        """Whether another program has taken the lock; then no camera may be assigned any more."""
        return self._lost.is_set()

    def close(self) -> None:
        """Releases the lock."""
        self._stopping.set()
        self._keeper.join()
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()

    def _take(self) -> Connection | None:
        connection = self._engine.connect()
        try:
            for setting in _SERVER_SIDE:
                connection.execute(sa.text(setting))
            if connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_LOCK_ID))):
                return connection
        except BaseException:
            connection.close()
            raise
        connection.close()
        return None

    def _keep(self) -> None:
        """Takes the lock again when the connection is lost, as when the server is restarted."""
        while not self._stopping.wait(_CHECK_S):
            try:
                if self._connection is not None:
                    self._connection.execute(sa.text("SELECT 1"))
                    continue
                self._connection = self._take()
            except sa.exc.SQLAlchemyError:
                # No other program can get the lock while the server is away: watching continues.
                structlog.get_logger(__name__).warning("the queue's database does not answer")
                if self._connection is not None:
                    self._connection.close()
                self._connection = None
            else:
                if self._connection is None:
                    self._lost.set()
                    return

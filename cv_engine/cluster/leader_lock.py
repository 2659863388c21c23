"""Whose leader_lock it is: only one program at a time may give out cameras, however many machines."""

from __future__ import annotations

import threading
from types import TracebackType

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from cv_engine.cluster.errors import ClusterError
from cv_engine.errors import Failure

_TURN_LOCK = 0x63765F7761746368  # any number of our own: PostgreSQL's lock that is held all along
# How often it is made sure that the lock is still held, seconds. Whoever gets it in our place gives
# out nothing before the time of a lease, so this has to be well below that.
_CHECK_S = 3.0
# The server lets go of a program whose machine has vanished, and this end notices a server that
# has, after some ten seconds without an answer.
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
    """Holds the leader_lock until it is closed.

    Args:
        store: Address of the queue's PostgreSQL database.

    Raises:
        ClusterError: Another program has it, or the database does not answer.
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
                f"the queue's database does not answer ({str(error).splitlines()[0]}): see to it "
                "that it runs, and that `store` in the configuration is right",
                Failure.UNAVAILABLE,
            ) from error
        if taken is None:
            raise ClusterError(
                "another `cv-engine watch --cluster` with the same queue is running: stop that "
                "first; if its machine has just been lost, try again in half a minute"
            )
        self._connection: Connection | None = taken
        self._lost = threading.Event()
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="leader_lock", daemon=True)
        self._keeper.start()

    @property
    def lost(self) -> bool:
        """Whether another program has taken it; then nothing may be given out any more."""
        return self._lost.is_set()

    def close(self) -> None:
        """Gives it back."""
        self._closing.set()
        self._keeper.join()
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()

    def __enter__(self) -> LeaderLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _take(self) -> Connection | None:
        connection = self._engine.connect()
        try:
            for setting in _SERVER_SIDE:
                connection.execute(sa.text(setting))
            if connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_TURN_LOCK))):
                return connection
        except BaseException:
            connection.close()
            raise
        connection.close()
        return None

    def _keep(self) -> None:
        """Holds on to it: the server drops it with the connection, when it is restarted."""
        while not self._closing.wait(_CHECK_S):
            try:
                if self._connection is not None:
                    self._connection.execute(sa.text("SELECT 1"))
                    continue
                self._connection = self._take()
            except sa.exc.SQLAlchemyError:
                # Nobody else can get it from a server that does not answer: watching goes on.
                structlog.get_logger(__name__).warning("the queue's database does not answer")
                if self._connection is not None:
                    self._connection.close()
                self._connection = None
            else:
                if self._connection is None:
                    self._lost.set()
                    return

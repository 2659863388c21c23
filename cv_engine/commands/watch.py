"""Watching live streams at the terminal, or as a service, until stopped."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import InputError
from cv_engine.commands.status import summary, table

if TYPE_CHECKING:
    from cv_engine.commands.session import Session
    from cv_engine.config import Config
    from cv_engine.live.control.dispatcher import Dispatcher
    from cv_engine.live.control.host import Hosts
    from cv_engine.live.control.process_worker import Logs
    from cv_engine.live.control.status_snapshot import StatusSnapshot

# How often the dispatcher does its work, seconds: a camera changes hands within some of these.
_TICK_S = 0.5
# How long workers may take to keep where everything stands, seconds; they give themselves less.
_STOP_S = 15.0
# How often a line is logged that all is well, seconds, where there is no table.
_WORD_S = 60.0
_TABLE_MARGIN = 6  # lines of a terminal that the table's rows leave free
_LOCK = "watch.lock"
_LOG = "watch.log"


def watch(
    session: Session, cameras: Sequence[str], *, cluster: str | None = None, shared: bool = False
) -> ExitCode:
    """Watch live streams until SIGINT or SIGTERM; a second one does not wait for the workers.

    Args:
        session: Configuration and output.
        cameras: Names; all cameras that have a stream where empty.
        cluster: Address of a Ray cluster that watches, ``None`` for processes of this machine.
        shared: Whether all machines of the cluster see the same data folder.

    Returns:
        0 where it was stopped, 1 where no worker comes up, 130 where it was stopped at once.

    Raises:
        ConfigError, InputError: The cameras cannot be watched, or are watched already.
        MetricsError: The port for figures is taken.
        ClusterError: The cluster cannot be used.
    """
    from cv_engine.live.control.dispatcher import Dispatcher
    from cv_engine.live.control.metrics import MetricsServer
    from cv_engine.live.control.status_snapshot import write_snapshot

    config = session.config
    names = to_watch(config, cameras)
    latest: list[StatusSnapshot] = []
    with ExitStack() as stack:
        stack.enter_context(_alone(config.data))
        logs = _logs(session)
        problem, hosts = _hosts(stack, session, logs, len(names), cluster, shared)
        if config.live.metrics_port is not None:
            stack.enter_context(
                MetricsServer(
                    lambda: latest[-1] if latest else None,
                    config.live.metrics_host,
                    config.live.metrics_port,
                )
            )
        show = stack.enter_context(_screen(session, logs))

        def publish(board: StatusSnapshot) -> None:
            latest[:] = [board]
            show(board)
            _told_if_not(lambda: write_snapshot(config.data, board))

        return _run(session, Dispatcher(names, hosts, publish), problem)


def to_watch(config: Config, cameras: Sequence[str]) -> list[str]:
    """The names of the cameras to watch, each once.

    Args:
        config: Settings.
        cameras: Those asked for; all that have a stream where empty.

    Raises:
        ConfigError: One is not in the configuration.
        InputError: One has no stream, or there is none at all.
    """
    if not cameras:
        streams = [camera.name for camera in config.cameras if camera.url is not None]
        if not streams:
            raise InputError(
                "no camera of the configuration has a stream; add one under cameras: with a name "
                "and a url such as rtsp://10.0.0.5/stream1 (`cv-engine cameras discover` finds "
                "cameras on the network)"
            )
        return streams
    positions = {camera.name: number for number, camera in enumerate(config.cameras)}
    for name in cameras:
        if config.camera(name).url is None:
            raise InputError(
                f"cameras[{positions[name]}].url: camera {name!r} has no stream; "
                "add its address, such as url: rtsp://10.0.0.5/stream1"
            )
    return list(dict.fromkeys(cameras))


def _hosts(
    stack: ExitStack,
    session: Session,
    logs: Logs,
    cameras: int,
    cluster: str | None,
    shared: bool,
) -> tuple[Callable[[], str], Hosts]:
    """Where workers run, and what tells why they may not go on."""
    config = session.config
    if cluster is None:
        from cv_engine.live.control.process_worker import ProcessHosts

        count = min(cameras, config.live.workers or len(os.sched_getaffinity(0)))
        return lambda: "", ProcessHosts(config, count, logs)
    from cv_engine.cluster.connection import check, connected, with_passwords
    from cv_engine.cluster.leader_lock import LeaderLock

    check(config, config.evidence.store or config.evidence_root, shared=shared)
    stack.enter_context(connected(cluster, verbose=logs.file is None))
    leader_lock = stack.enter_context(LeaderLock(str(config.queue)))
    from cv_engine.cluster.ray_host import RayHosts
    from cv_engine.live.worker.worker import Worker

    lost = "another program has begun to watch with the same queue"
    return lambda: lost if leader_lock.lost else "", RayHosts(
        with_passwords(config), Worker, config.live.workers
    )


def _run(session: Session, dispatcher: Dispatcher, problem: Callable[[], str]) -> ExitCode:
    """Ticks until a signal comes, or nothing can be done any more."""
    code = ExitCode.DONE
    stop_by: float | None = None
    try:
        with _signals() as came:
            while stop_by is None or not dispatcher.ended:
                now = time.monotonic()
                dispatcher.tick(now)
                trouble = problem() or _not_up(dispatcher)
                if stop_by is None and (came or trouble):
                    stop_by = now + _STOP_S
                    dispatcher.stop()
                    if trouble:
                        code = ExitCode.FAILED
                        session.err.print(f"[bold red]Error:[/] {escaped(trouble)}")
                if stop_by is not None and (len(came) > 1 or now >= stop_by):
                    return ExitCode.INTERRUPTED if len(came) > 1 else code
                time.sleep(_TICK_S)
    finally:
        dispatcher.close()
    return code


def _not_up(dispatcher: Dispatcher) -> str:
    return f"no worker comes up: {dispatcher.failure}" if dispatcher.failure else ""


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collects the signals that ask to stop while the block runs."""
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Keeps others from watching with the same data folder.

    Raises:
        InputError: Another program does.
        OSError: The folder cannot be written.
    """
    from filelock import FileLock, Timeout

    from cv_engine.live.control.status_snapshot import read_snapshot, snapshot_path

    folder = snapshot_path(data).parent
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        board = read_snapshot(data)
        who = "" if board is None else f" by process {board.pid}"
        raise InputError(
            f"{data}: cameras are being watched with this data folder{who}; stop that first, or "
            "name another folder with --data"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _logs(session: Session) -> Logs:
    """Where log lines go: beside the board while a table is shown, else to stderr."""
    from cv_engine.live.control.process_worker import Logs
    from cv_engine.live.control.status_snapshot import snapshot_path

    if not session.err.is_terminal:
        logs = Logs(verbose=True)
        logs.configure()
        return logs
    file = snapshot_path(session.config.data).with_name(_LOG)
    file.write_bytes(b"")
    return Logs(verbose=True, file=file)


@contextmanager
def _screen(session: Session, logs: Logs) -> Iterator[Callable[[StatusSnapshot], None]]:
    """Shows boards while the block runs: as a table, or as a line now and then."""
    if logs.file is None:
        yield _Words()
        return
    from rich.console import Group
    from rich.live import Live

    path = escaped(str(logs.file))
    said = ""
    with Live(console=session.err, auto_refresh=False, transient=True) as live:

        def show(board: StatusSnapshot) -> None:
            nonlocal said
            said = escaped(summary(board))
            most = max(1, session.err.height - _TABLE_MARGIN)
            foot = f"{said}; log: {path}; Ctrl-C stops"
            live.update(Group(table(board, time.time(), most), foot), refresh=True)

        yield show
    session.err.print(said)


class _Words:
    """Logs how things stand: at first, when the number of live cameras changes, and now and then."""

    def __init__(self) -> None:
        self._live: int | None = None
        self._said_at = 0.0

    def __call__(self, board: StatusSnapshot) -> None:
        import structlog

        live = sum(line.status.state == "live" for line in board.cameras)
        soon = board.at - self._said_at < _WORD_S
        if live == self._live and soon and not board.stopped:
            return
        self._live, self._said_at = live, board.at
        structlog.get_logger(__name__).info(
            "stopped" if board.stopped else "watching",
            cameras=len(board.cameras),
            live=live,
            samples=sum(line.status.samples for line in board.cameras),
            cases=sum(line.status.cases for line in board.cameras),
            waiting=sum(line.status.waiting for line in board.cameras),
        )


def _told_if_not(write: Callable[[], None]) -> None:
    """Goes on where the board cannot be written: watching is worth more than telling of it."""
    try:
        write()
    except OSError as error:
        import structlog

        structlog.get_logger(__name__).warning("status not written", reason=str(error))

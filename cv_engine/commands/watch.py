"""The command ``cv-engine watch``: live streams to cases, until stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import ConfigOption, DataOption
from cv_engine.commands.session import Session
from cv_engine.commands.signals import stop_signals
from cv_engine.commands.status import summary, table

if TYPE_CHECKING:
    from cv_engine.config import Config
    from cv_engine.live.control.dispatcher import Dispatcher
    from cv_engine.live.control.host import Hosts
    from cv_engine.live.control.process_worker import Logs
    from cv_engine.live.control.status_snapshot import StatusSnapshot

# Seconds between two ticks of the dispatcher; it reassigns a camera within a few of them.
_TICK_S = 0.5
# Seconds in which workers must write their checkpoints; their own limit is shorter.
_STOP_S = 15.0
# Seconds between two log lines about unchanged cameras, where no table is shown.
_LOG_EVERY_S = 60.0
_TABLE_MARGIN = 6  # lines of the terminal that the table's rows leave free
_LOCK = "watch.lock"
_LOG = "watch.log"


def watch(
    cameras: Annotated[
        list[str] | None,
        typer.Argument(metavar="CAMERA...", help="Cameras; all that have a stream if left out."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster", metavar="ADDRESS", help="Watch with a Ray cluster; auto finds a local one."
        ),
    ] = None,
    shared: Annotated[
        bool,
        typer.Option("--shared", help="All machines of the cluster see the same data folder."),
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Watch live streams and file cases, until stopped."""
    session = Session(config, data)
    raise typer.Exit(watch_cameras(session, cameras or [], cluster=cluster, shared=shared))


def watch_cameras(
    session: Session, cameras: Sequence[str], *, cluster: str | None = None, shared: bool = False
) -> ExitCode:
    """Watch live streams until SIGINT or SIGTERM; a second signal does not wait for the workers.

    Meanwhile events are sent to the outlets, deadlines are attended to, and drivers are asked to
    leave.

    Args:
        session: Configuration and output.
        cameras: Names; where empty, all cameras that have a stream.
        cluster: Address of a Ray cluster; ``None`` for processes of this machine.
        shared: Whether all machines of the cluster see the same data folder.

    Returns:
        0 after one signal, 1 where no worker starts, 130 after a second signal.

    Raises:
        ConfigError, InputError: The cameras cannot be watched, or are watched already.
        MetricsError: The port of the metrics is taken.
        ClusterError: The cluster cannot be used.
        NoticeError, OutletError, QueueError: A gateway, an outlet or the queue cannot be used.
    """
    from cv_engine.cases.attendance import attending
    from cv_engine.live.control.dispatcher import Dispatcher
    from cv_engine.live.control.metrics import MetricsServer
    from cv_engine.live.control.status_snapshot import write_snapshot
    from cv_engine.services import Services

    config = session.config
    names = to_watch(config, cameras)
    latest: list[StatusSnapshot] = []
    with ExitStack() as stack:
        stack.enter_context(_exclusive(config.data))
        logs = _logs(session)
        problem, hosts = _hosts(stack, session, logs, len(names), cluster, shared)
        if config.live.metrics_port is not None:
            server = MetricsServer(
                lambda: latest[-1] if latest else None,
                config.live.metrics_host,
                config.live.metrics_port,
            )
            stack.enter_context(closing(server))
        services = stack.enter_context(Services(config))
        if config.outlets.names:
            stack.enter_context(services.relays)
        # The queue is opened in the thread: a database that is away must not keep cameras waiting.
        stack.enter_context(attending(lambda: services.queue.attend()))
        if config.notices.is_on:
            _ = services.gateway, services.registry  # what is wrong with them is reported now
            stack.enter_context(attending(lambda: services.notices.run_once(), "notices"))
        show = stack.enter_context(_screen(session, logs))

        def publish(snapshot: StatusSnapshot) -> None:
            latest[:] = [snapshot]
            show(snapshot)
            _log_failure(lambda: write_snapshot(config.data, snapshot))

        return _run(session, Dispatcher(names, hosts, publish), problem)


def to_watch(config: Config, cameras: Sequence[str]) -> list[str]:
    """The names of the cameras to watch, without repetition.

    Args:
        config: Settings.
        cameras: Names; where empty, all cameras that have a stream.

    Raises:
        ConfigError: A camera is not in the configuration.
        InputError: A camera has no stream, or no camera has one.
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
    """A function that returns why watching must stop or ``""``, and the hosts of the workers."""
    config = session.config
    if cluster is None:
        from cv_engine.live.control.process_worker import ProcessHosts

        count = min(cameras, config.live.workers or len(os.sched_getaffinity(0)))
        return lambda: "", ProcessHosts(config, count, logs)
    from cv_engine.cluster.connection import check, connected, with_passwords
    from cv_engine.cluster.leader_lock import LeaderLock

    check(config, config.evidence.store or config.evidence_root, shared=shared)
    stack.enter_context(connected(cluster, verbose=logs.file is None))
    leader_lock = stack.enter_context(closing(LeaderLock(str(config.queue))))
    from cv_engine.cluster.ray_host import RayHosts
    from cv_engine.live.worker.worker import Worker

    lost = "another program started to watch with the same queue"
    return lambda: lost if leader_lock.lost else "", RayHosts(
        with_passwords(config), Worker, config.live.workers
    )


def _run(session: Session, dispatcher: Dispatcher, problem: Callable[[], str]) -> ExitCode:
    """Tick until a signal arrives or watching must stop."""
    code = ExitCode.DONE
    stop_by: float | None = None
    try:
        with stop_signals() as received:
            while stop_by is None or not dispatcher.ended:
                now = time.monotonic()
                dispatcher.tick(now)
                trouble = problem() or _start_failure(dispatcher)
                if stop_by is None and (received or trouble):
                    stop_by = now + _STOP_S
                    dispatcher.stop()
                    if trouble:
                        code = ExitCode.FAILED
                        session.err.print(f"[bold red]Error:[/] {escaped(trouble)}")
                if stop_by is not None and (len(received) > 1 or now >= stop_by):
                    return ExitCode.INTERRUPTED if len(received) > 1 else code
                time.sleep(_TICK_S)
    finally:
        dispatcher.close()
    return code


def _start_failure(dispatcher: Dispatcher) -> str:
    return f"no worker starts: {dispatcher.failure}" if dispatcher.failure else ""


@contextmanager
def _exclusive(data: Path) -> Iterator[None]:
    """Hold the lock of a data folder: one program at a time watches with it.

    Raises:
        InputError: Another program holds the lock.
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
        snapshot = read_snapshot(data)
        who = "" if snapshot is None else f" by process {snapshot.pid}"
        raise InputError(
            f"{data}: cameras are being watched with this data folder{who}; stop that first, or "
            "name another folder with --data"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _logs(session: Session) -> Logs:
    """Log to a file beside the snapshot while a table is shown, else to stderr."""
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
    """Show snapshots while the block runs: as a table, or as occasional log lines."""
    if logs.file is None:
        yield _SnapshotLog()
        return
    from rich.console import Group
    from rich.live import Live

    path = escaped(str(logs.file))
    last_line = ""
    with Live(console=session.err, auto_refresh=False, transient=True) as live:

        def show(snapshot: StatusSnapshot) -> None:
            nonlocal last_line
            last_line = escaped(summary(snapshot))
            most = max(1, session.err.height - _TABLE_MARGIN)
            foot = f"{last_line}; log: {path}; Ctrl-C stops"
            live.update(Group(table(snapshot, time.time(), most), foot), refresh=True)

        yield show
    session.err.print(last_line)


class _SnapshotLog:
    """Log the first snapshot, each change of the number of live cameras, and one a minute."""

    def __init__(self) -> None:
        self._live: int | None = None
        self._logged_at = 0.0

    def __call__(self, snapshot: StatusSnapshot) -> None:
        import structlog

        live = sum(entry.status.state == "live" for entry in snapshot.cameras)
        soon = snapshot.at - self._logged_at < _LOG_EVERY_S
        if live == self._live and soon and not snapshot.stopped:
            return
        self._live, self._logged_at = live, snapshot.at
        structlog.get_logger(__name__).info(
            "stopped" if snapshot.stopped else "watching",
            cameras=len(snapshot.cameras),
            live=live,
            samples=sum(entry.status.samples for entry in snapshot.cameras),
            cases=sum(entry.status.cases for entry in snapshot.cameras),
            waiting=sum(entry.status.waiting for entry in snapshot.cameras),
        )


def _log_failure(write: Callable[[], None]) -> None:
    """Log a snapshot that cannot be written; watching continues."""
    try:
        write()
    except OSError as error:
        import structlog

        structlog.get_logger(__name__).warning("status not written", reason=str(error))

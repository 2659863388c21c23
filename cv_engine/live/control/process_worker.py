"""Workers as processes of this machine."""

from __future__ import annotations

import faulthandler
import logging
import multiprocessing
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import structlog

from cv_engine.live.control.errors import HostError
from cv_engine.live.control.host import AssignedCameras, Watching, WorkerClass
from cv_engine.live.status import WorkerStatus

# How often a worker tells how it stands, seconds.
TOLD_EVERY_S = 1.0
# How long a worker that is asked to stop may take to keep where everything stands, seconds.
STOP_S = 10.0
# After how long one that has not stopped by then ends itself, seconds: nobody may be left to do it.
_END_S = STOP_S + 5.0
_Message = tuple[int, Sequence[str]]  # the number of a message, and the cameras to watch
_JOIN_S = 5.0  # a killed process is gone at once, unless the disk hangs


@dataclass(frozen=True, slots=True)
class Logs:
    """Where a process writes its log lines, and which.

    Attributes:
        verbose: Whether what goes well is told, too.
        file: Where to, ``None`` for stderr.
    """

    verbose: bool
    file: Path | None = None

    def configure(self, **names: str) -> None:
        """Sets this process up: lines for people at a terminal, else one JSON object for each.

        Each is written at once, so that the lines of several processes do not run into another.

        Args:
            **names: Are in every line.
        """
        if self.file is not None:
            # The descriptor, not sys.stderr alone: what libraries print is not to hit the table.
            with self.file.open("ab") as file:
                os.dup2(file.fileno(), sys.stderr.fileno())
        people = self.file is None and sys.stderr.isatty()
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                _Named(names),
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(
                logging.INFO if self.verbose else logging.WARNING
            ),
            # Looked up for every logger: rich replaces sys.stderr while a table is shown.
            logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
            cache_logger_on_first_use=False,
        )


@dataclass(frozen=True, slots=True)
class _Named:
    """Puts names into every line; context variables would not reach other threads."""

    names: Mapping[str, str]

    def __call__(self, _: object, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        return {**self.names, **event}


class ProcessHosts:
    """Workers as processes of this machine, one in each slot.

    Args:
        config: Settings, given to each worker.
        count: How many.
        logs: What they write into the log.
        worker: What runs in each; taken from :mod:`cv_engine.live.worker.worker` where ``None``.
    """

    def __init__(
        self, config: Any, count: int, logs: Logs, *, worker: WorkerClass | None = None
    ) -> None:
        if worker is None:
            from cv_engine.live.worker.worker import Worker

            worker = Worker
        self._config = config
        self._slots = {f"worker-{number}": 1.0 for number in range(1, count + 1)}
        self._logs = logs
        self._worker = worker

    def slots(self) -> Mapping[str, float]:
        """One processor core for each worker."""
        return self._slots

    def start(self, slot: str) -> ProcessHost:
        """Starts a process.

        Raises:
            HostError: There are too many already, or there is no memory for it.
        """
        try:
            return ProcessHost(self._worker, self._config, slot, self._logs)
        except OSError as error:
            raise HostError(f"a process cannot be started: {error.strerror or error}") from error


class ProcessHost:
    """One worker process.

    It gets its settings, which hold the cameras' passwords, through a pipe: neither its arguments
    nor its environment show them. When this program is gone it notices by the pipe, and ends.

    Args:
        worker: What runs in it.
        config: Settings.
        name: The worker's name.
        logs: What it writes into the log.
    """

    def __init__(self, worker: WorkerClass, config: Any, name: str, logs: Logs) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would inherit locks of threads
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_run, args=(theirs, worker, config, name, logs), name=name, daemon=True
        )
        # Ctrl-C comes to all processes of a terminal: blocked here, it is blocked there from the
        # first moment, and comes to this one a little later. What multiprocessing starts with the
        # first process would take the block away again, so it is started before.
        resource_tracker.ensure_running()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        except BaseException:
            self._pipe.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            theirs.close()
        self._assigned = AssignedCameras()
        self._told: tuple[int, WorkerStatus] | None = None
        self._complaint = ""
        # Reads in a thread of its own: a process that hangs in the middle of a message must not
        # hang this one.
        self._reader = threading.Thread(target=self._listen, name=f"{name}-listener", daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.is_alive()

    @property
    def failure(self) -> str:
        """Why it ended: what it said itself, or its exit code or signal."""
        code = self._process.exitcode
        if code is not None:
            self._reader.join(_JOIN_S)  # what it said last is in the pipe
        if code is None or self._complaint:
            return self._complaint
        if code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process ended with exit code {code}"

    @property
    def pid(self) -> int | None:
        """The process number."""
        return self._process.pid

    @property
    def holds(self) -> frozenset[str]:
        """The cameras that it may be watching."""
        return self._assigned.cameras

    def assign(self, cameras: Sequence[str]) -> None:
        """Asks it to watch these cameras and no others."""
        self._send((self._assigned.request(cameras), tuple(cameras)))

    def status(self) -> WorkerStatus | None:
        """What it told last."""
        if self._told is None:
            return None
        self._assigned.acknowledge(*self._told)
        return self._told[1]

    def stop(self) -> None:
        """Asks it to keep where everything stands, and to end."""
        self._send(None)

    def kill(self) -> None:
        """Ends it at once where it runs, and frees the pipe."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join(_JOIN_S)
        self._reader.join(_JOIN_S)  # the pipe's other end is closed: it is through, or soon
        self._pipe.close()

    def _send(self, message: _Message | None) -> None:
        with suppress(OSError):  # gone, which the dispatcher sees by itself
            self._pipe.send(message)

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                message = self._pipe.recv()
                if isinstance(message, str):
                    self._complaint = message
                else:
                    self._told = message


def _run(pipe: Connection, worker: WorkerClass, config: Any, name: str, logs: Logs) -> None:
    """What runs in the process."""
    logs.configure(worker=name)
    faulthandler.enable()
    try:
        _WorkerServer(pipe, worker(config, name, node=platform.node())).serve()
    except BaseException as error:
        structlog.get_logger(__name__).error("worker failed", exc_info=True)
        with suppress(OSError):
            pipe.send(f"{type(error).__name__}: {error}")
        sys.stderr.flush()
        os._exit(1)  # not waiting for the worker's threads, which may go on watching


class _WorkerServer:
    """Serves a worker in its process: follows what the pipe asks, and tells how it stands."""

    def __init__(self, pipe: Connection, worker: Watching) -> None:
        self._pipe = pipe
        self._worker = worker
        self._asked: SimpleQueue[_Message | None] = SimpleQueue()
        self._followed = 0
        self._sending = threading.Lock()

    def serve(self) -> None:
        """Returns when asked to stop, or when the program that started this process is gone."""
        signal.signal(signal.SIGTERM, lambda *_: self._asked.put(None))
        threading.Thread(target=self._hear, daemon=True).start()
        self._worker.start()
        threading.Thread(target=self._tell_on, daemon=True).start()
        while (message := self._next()) is not None:
            number, cameras = message
            self._worker.watch(cameras)
            self._followed = number
            self._tell()
        threading.Thread(target=_end_in_time, daemon=True).start()
        self._worker.stop(STOP_S)

    def _next(self) -> _Message | None:
        """Waits for a message; of several only the last counts, and before all that to stop."""
        message = self._asked.get()
        while message is not None:
            try:
                message = self._asked.get_nowait()
            except Empty:
                break
        return message

    def _hear(self) -> None:
        """Takes messages off the pipe at once, whatever the worker is busy with."""
        message: _Message | None = (0, ())
        while message is not None:
            try:
                message = self._pipe.recv()
            except (EOFError, OSError):
                message = None
            self._asked.put(message)

    def _tell_on(self) -> None:
        while self._worker.alive:
            self._tell()
            time.sleep(TOLD_EVERY_S)
        self._asked.put(None)  # what ended it, stopping it tells

    def _tell(self) -> None:
        with self._sending, suppress(OSError):
            number = self._followed  # before the status, which may be newer than this, never older
            self._pipe.send((number, self._worker.status()))


def _end_in_time() -> None:
    """Ends a process whose worker hangs when it is to stop."""
    time.sleep(_END_S)
    os._exit(1)

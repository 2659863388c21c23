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

from cv_engine.credentials import hide_credentials
from cv_engine.live.control.errors import HostError
from cv_engine.live.control.host import AssignedCameras, Watching, WorkerClass
from cv_engine.live.status import WorkerStatus

# How often a worker reports its status, seconds.
REPORTED_EVERY_S = 1.0
# How long a worker that is asked to stop may take to write its checkpoints, seconds.
STOP_S = 10.0
# After how long a worker that has not stopped ends itself, seconds: the program may be gone.
_END_S = STOP_S + 5.0
_Message = tuple[int, Sequence[str]]  # the number of a message, and the cameras to watch
_JOIN_S = 5.0  # a killed process is gone at once, unless the disk hangs


@dataclass(frozen=True, slots=True)
class Logs:
    """Where a process writes its log lines, and which.

    Attributes:
        verbose: Whether lines of level info are written, too.
        file: File for the log lines, ``None`` for stderr.
    """

    verbose: bool
    file: Path | None = None

    def configure(self, **names: str) -> None:
        """Configures this process: lines for people at a terminal, else JSON objects, one a line.

        Each line is written at once, so that the lines of several processes do not mix.

        Args:
            **names: Added to every line.
        """
        if self.file is not None:
            # The descriptor, not sys.stderr alone: libraries must not print into the table.
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
                hide_credentials,
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
    """Adds names to every line; context variables would not reach other threads."""

    names: Mapping[str, str]

    def __call__(self, _: object, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        return {**self.names, **event}


class ProcessHosts:
    """Workers as processes of this machine, one in each slot.

    Args:
        config: Settings, given to each worker.
        count: Number of workers.
        logs: What the workers write into the log.
        worker: What runs in each process; :class:`cv_engine.live.worker.worker.Worker` where
            ``None``.
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
            HostError: There are too many processes, or there is not enough memory.
        """
        try:
            return ProcessHost(self._worker, self._config, slot, self._logs)
        except OSError as error:
            raise HostError(f"a process cannot be started: {error.strerror or error}") from error


class ProcessHost:
    """One worker process.

    The settings, which hold the cameras' passwords, go through a pipe: neither the process's
    arguments nor its environment show them. When this program is gone, the pipe closes and the
    process ends.

    Args:
        worker: What runs in the process.
        config: Settings.
        name: Name of the worker.
        logs: What the process writes into the log.
    """

    def __init__(self, worker: WorkerClass, config: Any, name: str, logs: Logs) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would inherit locks of threads
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_run, args=(theirs, worker, config, name, logs), name=name, daemon=True
        )
        # Ctrl-C reaches all processes of a terminal. Blocked here, the signal is blocked in the new
        # process from the start, and reaches this one a little later. The resource tracker, which
        # multiprocessing starts with the first process, would unblock it, so is started before.
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
        self._reported: tuple[int, WorkerStatus] | None = None
        self._error = ""
        # A thread of its own reads: a process that hangs in the middle of a message must not hang
        # this one.
        self._reader = threading.Thread(target=self._listen, name=f"{name}-listener", daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.is_alive()

    @property
    def failure(self) -> str:
        """Why the process ended: its own message, or its exit code or signal."""
        code = self._process.exitcode
        if code is not None:
            self._reader.join(_JOIN_S)  # its last message is in the pipe
        if code is None or self._error:
            return self._error
        if code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process ended with exit code {code}"

    @property
    def pid(self) -> int | None:
        """The process number."""
        return self._process.pid

    @property
    def holds(self) -> frozenset[str]:
        """The cameras that the worker may be watching."""
        return self._assigned.cameras

    def assign(self, cameras: Sequence[str]) -> None:
        """Asks the worker to watch these cameras and no others."""
        self._send((self._assigned.request(cameras), tuple(cameras)))

    def status(self) -> WorkerStatus | None:
        """What the worker reported last."""
        reported = self._reported  # read once: the reading thread replaces it
        if reported is None:
            return None
        self._assigned.acknowledge(*reported)
        return reported[1]

    def stop(self) -> None:
        """Asks the worker to write all checkpoints and to end."""
        self._send(None)

    def kill(self) -> None:
        """Ends the process at once where it runs, and frees the pipe."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join(_JOIN_S)
        self._reader.join(_JOIN_S)  # the pipe's other end is closed, so reading ends
        self._pipe.close()

    def _send(self, message: _Message | None) -> None:
        with suppress(OSError):  # the process is gone, which the dispatcher sees by itself
            self._pipe.send(message)

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                message = self._pipe.recv()
                if isinstance(message, str):
                    self._error = message
                else:
                    self._reported = message


def _run(pipe: Connection, worker: WorkerClass, config: Any, name: str, logs: Logs) -> None:
    """Runs in the new process."""
    logs.configure(worker=name)
    faulthandler.enable()
    try:
        _WorkerServer(pipe, worker(config, name, node=platform.node())).serve()
    except BaseException as error:
        structlog.get_logger(__name__).error("worker failed", exc_info=True)
        with suppress(OSError):
            pipe.send(f"{type(error).__name__}: {error}")
        sys.stderr.flush()
        os._exit(1)  # without waiting for the worker's threads, which may still be watching


class _WorkerServer:
    """Serves a worker in its process: follows the requests of the pipe, and reports the status."""

    def __init__(self, pipe: Connection, worker: Watching) -> None:
        self._pipe = pipe
        self._worker = worker
        self._requests: SimpleQueue[_Message | None] = SimpleQueue()
        self._followed = 0
        self._send_lock = threading.Lock()

    def serve(self) -> None:
        """Returns when asked to stop, or when the program that started this process is gone."""
        signal.signal(signal.SIGTERM, lambda *_: self._requests.put(None))
        threading.Thread(target=self._receive, daemon=True).start()
        self._worker.start()
        threading.Thread(target=self._report_periodically, daemon=True).start()
        while (message := self._next_request()) is not None:
            number, cameras = message
            self._worker.watch(cameras)
            self._followed = number
            self._report()
        threading.Thread(target=_end_in_time, daemon=True).start()
        self._worker.stop(STOP_S)

    def _next_request(self) -> _Message | None:
        """Waits for a request; of several only the latest counts, and any request to stop."""
        message = self._requests.get()
        while message is not None:
            try:
                message = self._requests.get_nowait()
            except Empty:
                break
        return message

    def _receive(self) -> None:
        """Takes requests off the pipe at once, whatever the worker is busy with."""
        message: _Message | None = (0, ())
        while message is not None:
            try:
                message = self._pipe.recv()
            except (EOFError, OSError):
                message = None
            self._requests.put(message)

    def _report_periodically(self) -> None:
        while self._worker.alive:
            self._report()
            time.sleep(REPORTED_EVERY_S)
        self._requests.put(None)  # stopping it raises what ended it

    def _report(self) -> None:
        with self._send_lock, suppress(OSError):
            # Read before the status: the status may be newer than this request, but never older.
            number = self._followed
            self._pipe.send((number, self._worker.status()))


def _end_in_time() -> None:
    """Ends the process where its worker hangs while stopping."""
    time.sleep(_END_S)
    os._exit(1)

"""A process that takes one job after another and is replaced where it crashes or hangs."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

# The child process has opened what it needs within this time.
_START_S = 300.0


class Child:
    """A child process for jobs that may kill it; started with the first job.

    Args:
        run: What the process runs: given its end of a pipe and ``folder``, sends ``"ready"`` and
            then answers what it receives, until the pipe closes.
        folder: Folder for its files.
    """

    def __init__(self, run: Callable[[Connection, str], None], folder: Path) -> None:
        self._arguments = (run, folder)
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def pipe(self) -> Connection:
        """The program's end of the pipe to a process that is ready for a job.

        Raises:
            RuntimeError: The process does not start.
        """
        if self._pipe is None:
            run, folder = self._arguments
            context = multiprocessing.get_context("spawn")
            here, there = context.Pipe()
            process = context.Process(target=run, args=(there, str(folder)), daemon=True)
            process.start()
            there.close()
            self._process, self._pipe = process, here
            if not here.poll(_START_S) or here.recv() != "ready":
                raise RuntimeError("the process that takes the jobs does not start")
        return self._pipe

    def processor_s(self) -> float:
        """Processor time that the process has had; 0 once it is gone (Linux)."""
        try:
            text = Path(f"/proc/{self._process.pid if self._process else 0}/stat").read_text()
        except OSError:
            return 0.0
        ticks = sum(map(int, text.rpartition(")")[2].split()[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Ends the process; the next job starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None


def forget_peak() -> None:
    """Starts the measurement of the most memory held once more, in the child (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """The most memory that this process has held since `forget_peak`, bytes (Linux)."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10

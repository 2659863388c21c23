"""The program `watch` as a process that can be stopped or killed, and the status it reports."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from cv_engine.live.control.status_snapshot import StatusSnapshot, read_snapshot
from cv_engine.pipeline.checkpoint import checkpoint_path, ended

Cut = Literal["program", "worker", "stop"]

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 240.0
_POLL_S = 0.2


class Program:
    """Watches the cameras of its settings, in a process group of its own.

    Args:
        config: The settings file.
        data: The data folder.
    """

    def __init__(self, config: Path, data: Path) -> None:
        command = [sys.executable, "-m", "cli", "watch"]
        self._command = [*command, "--config", str(config), "--data", str(data)]
        self.data = data
        data.mkdir()
        self._log = (data / "log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            if kind is None:
                self._stop()
            else:
                self._kill()
        self._log.close()

    def start(self) -> None:
        """Starts the program."""
        self._process = subprocess.Popen(
            self._command, cwd=_ROOT, stderr=self._log, stdout=self._log, start_new_session=True
        )

    def start_again(self) -> None:
        """Starts the program unless it runs."""
        if self._running().poll() is not None:
            self.start()

    def cut(self, how: Cut, chance: random.Random) -> None:
        """Stops the program, kills it, or kills one of its workers."""
        if how == "stop":
            self._stop()
        elif how == "program":
            self._kill()
        elif (snapshot := self._snapshot()) is not None:
            pids = [line.pid for line in snapshot.workers if line.pid is not None]
            os.kill(chance.choice(pids), signal.SIGKILL)

    def kept(self, names: Sequence[str]) -> dict[str, float]:
        """The time of each camera's last checkpoint, epoch seconds; 0 where there is none."""
        folder = self.data / "live" / "checkpoints"
        return {name: _ended(checkpoint_path(folder, name)) for name in names}

    def until(self, met: Callable[[], object], meanwhile: Callable[[], None]) -> None:
        """Waits until a condition is met.

        Raises:
            RuntimeError: The condition is not met in time.
        """
        if not self.wait_for(met, meanwhile):
            log = (self.data / "log").read_text(errors="replace")[-4000:]
            raise RuntimeError(f"the condition is not met in {_PATIENCE_S:.0f} s: {log}")

    def wait_for(self, met: Callable[[], object], meanwhile: Callable[[], None]) -> bool:
        """Waits for a condition, up to a limit; returns whether it was met.

        Raises:
            RuntimeError: The program has ended.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while not met():
            if self._running().poll() is not None:
                log = (self.data / "log").read_text(errors="replace")[-4000:]
                raise RuntimeError(f"the program has ended: {log}")
            if time.monotonic() > deadline:
                return False
            meanwhile()
            time.sleep(_POLL_S)
        return True

    def wait(self, seconds: float, meanwhile: Callable[[], None]) -> None:
        """Lets the program run for some time."""
        end = time.time() + seconds
        self.until(lambda: time.time() >= end, meanwhile)

    def until_sampled_at(
        self, names: Sequence[str], since: float, meanwhile: Callable[[], None]
    ) -> dict[str, float]:
        """Waits until each camera was sampled after a moment; returns the known sampling times."""
        sampled: dict[str, float] = {}

        def all_are() -> bool:
            snapshot = self._snapshot()
            for line in snapshot.cameras if snapshot is not None else ():
                at = line.status.sampled_at
                if at is not None and at > since:
                    sampled.setdefault(line.status.camera, at)
            return not set(names) - sampled.keys()

        self.until(all_are, meanwhile)
        return sampled

    def _snapshot(self) -> StatusSnapshot | None:
        """The status snapshot of the present process."""
        snapshot = read_snapshot(self.data)
        return snapshot if snapshot is not None and snapshot.pid == self._running().pid else None

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def _stop(self) -> None:
        self._running().send_signal(signal.SIGTERM)
        self._running().wait(_PATIENCE_S)

    def _kill(self) -> None:
        os.killpg(self._running().pid, signal.SIGKILL)
        self._running().wait()


def _ended(path: Path) -> float:
    """The time of a checkpoint, epoch seconds; 0 where there is none."""
    at = ended(path.read_bytes()) if path.exists() else None
    return 0.0 if at is None else at.timestamp()

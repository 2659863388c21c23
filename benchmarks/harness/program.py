"""The program that watches, as a process that can be ended in whatever way, and what it tells."""

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
from cv_engine.pipeline.checkpoint import Checkpoints, ended

Cut = Literal["program", "worker", "stop"]

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 240.0
_POLL_S = 0.2


class Program:
    """Watches the cameras of its settings, in a process group of its own.

    Args:
        config: Its settings.
        data: Its data folder.
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
        """Starts it."""
        self._process = subprocess.Popen(
            self._command, cwd=_ROOT, stderr=self._log, stdout=self._log, start_new_session=True
        )

    def start_again(self) -> None:
        """Starts it where it does not run."""
        if self._running().poll() is not None:
            self.start()

    def cut(self, how: Cut, chance: random.Random) -> None:
        """Ends it, or one of its workers."""
        if how == "stop":
            self._stop()
        elif how == "program":
            self._kill()
        elif (board := self._board()) is not None:
            pids = [line.pid for line in board.workers if line.pid is not None]
            os.kill(chance.choice(pids), signal.SIGKILL)

    def kept(self, names: Sequence[str]) -> dict[str, float]:
        """When it last was kept where each camera stands, epoch seconds; 0 where it never was."""
        checkpoints = Checkpoints(self.data / "live" / "checkpoints")
        return {name: _ended(checkpoints.path(name)) for name in names}

    def until(self, met: Callable[[], object], meanwhile: Callable[[], None]) -> None:
        """Waits for something.

        Raises:
            RuntimeError: It does not come about.
        """
        if not self.comes_about(met, meanwhile):
            log = (self.data / "log").read_text(errors="replace")[-4000:]
            raise RuntimeError(f"it takes too long: {log}")

    def comes_about(self, met: Callable[[], object], meanwhile: Callable[[], None]) -> bool:
        """Waits for something, not for ever; tells whether it came about.

        Raises:
            RuntimeError: The program has ended.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while not met():
            if self._running().poll() is not None:
                log = (self.data / "log").read_text(errors="replace")[-4000:]
                raise RuntimeError(f"it has ended: {log}")
            if time.monotonic() > deadline:
                return False
            meanwhile()
            time.sleep(_POLL_S)
        return True

    def wait(self, seconds: float, meanwhile: Callable[[], None]) -> None:
        """Lets it run for some time."""
        end = time.time() + seconds
        self.until(lambda: time.time() >= end, meanwhile)

    def until_sampled_at(
        self, names: Sequence[str], since: float, meanwhile: Callable[[], None]
    ) -> dict[str, float]:
        """Waits until each camera was looked at after a moment; tells when, as far as it knows."""
        looked: dict[str, float] = {}

        def all_are() -> bool:
            board = self._board()
            for line in board.cameras if board is not None else ():
                at = line.status.sampled_at
                if at is not None and at > since:
                    looked.setdefault(line.status.camera, at)
            return not set(names) - looked.keys()

        self.until(all_are, meanwhile)
        return looked

    def _board(self) -> StatusSnapshot | None:
        """What the present process has told."""
        board = read_snapshot(self.data)
        return board if board is not None and board.pid == self._running().pid else None

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
    """When a checkpoint was made, epoch seconds; 0 where there is none."""
    at = ended(path.read_bytes()) if path.exists() else None
    return 0.0 if at is None else at.timestamp()

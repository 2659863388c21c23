"""Live streams that fail on command, and the worker that watches them, for the tests of faults."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from filelock import FileLock

from benchmarks.cameras.fleet import Fleet, available
from benchmarks.cameras.footage import Footage, encoded
from benchmarks.harness.planted import HEIGHT, RATE, WIDTH, film
from cv_engine.cases import Case, open_queue
from cv_engine.config import Config
from cv_engine.live.status import CameraStatus
from cv_engine.live.worker.worker import Worker

# When the crate is put down in the footage, and after how long it is a case.
PUT_S, DWELL_S = 4.0, 6.0
SAMPLE_S = 1.0
STALL_S = 3.0
# A case begins with the first sample of the crate, and is reported with the first one after its
# dwell; the server, the network and a busy machine take part of a second.
_TOLERANCE_S = 2.5
# How often a check is repeated that fails where other programs keep the machine busy for a while.
TRIES = 4
# Nothing takes so long, on however busy a machine.
PATIENCE_S = 60.0
_POLL_S = 0.1
_STREET_S = 16.0
_EMPTY_S = 12.0


def folder_of_films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all processes of a test run keep their footage."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "films"
    folder.mkdir(exist_ok=True)
    return folder


def street(folder: Path, *, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Footage:
    """A street on which a crate is put down after `PUT_S` and stays."""
    return _filmed(folder, "street", _STREET_S, PUT_S, size, RATE, SAMPLE_S)


def empty_street(
    folder: Path,
    *,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    rate: int = RATE,
    key_interval_s: float = SAMPLE_S,
) -> Footage:
    """A street on which nothing is put down."""
    return _filmed(folder, "empty", _EMPTY_S, _EMPTY_S, size, rate, key_interval_s)


def _filmed(
    folder: Path,
    name: str,
    length_s: float,
    put_s: float,
    size: tuple[int, int],
    rate: int,
    key_interval_s: float,
) -> Footage:
    path = folder / f"{name}.mp4"
    with FileLock(folder / "films.lock"):
        if not path.exists():
            part = path.with_suffix(".part.mp4")
            film(part, seed=1, length_s=length_s, put_s=put_s, taken_s=length_s)
            part.replace(path)
        return encoded(path, folder, size=size, rate=rate, key_interval_s=key_interval_s)


@contextmanager
def cameras(folder: Path) -> Iterator[Fleet]:
    """A server of cameras; waits until all threads that receive them have ended."""
    missing = available()
    if missing is not None:
        pytest.skip(missing)
    with Fleet(folder) as fleet:
        yield fleet
    deadline = time.monotonic() + PATIENCE_S
    while left := [thread for thread in threading.enumerate() if thread.name.startswith("feed ")]:
        assert time.monotonic() < deadline, f"these threads do not end: {left}"
        time.sleep(_POLL_S)


def configured(
    data: Path,
    entries: Sequence[dict[str, Any]],
    *,
    sample_s: float = SAMPLE_S,
    retry_s: float = 1.0,
    input_size: int | None = None,
    blind_s: float = 600.0,
) -> Config:
    """Settings that detect the crate, and faults of a stream, within seconds."""
    detector = {"backend": "onnxruntime", "precision": "fp32", "input_size": input_size}
    return Config.model_validate(
        {
            "data": data,
            "cameras": list(entries),
            "detector": detector,
            "video": {"sample_s": sample_s},
            "rules": {"clutter": {"dwell_s": DWELL_S}, "parking": {"enabled": False}},
            "live": {
                "calm_sample_s": sample_s,
                "stall_s": STALL_S,
                "retry_s": retry_s,
                "blind_s": blind_s,
                "metrics_port": None,
            },
        }
    )


@dataclass(frozen=True, slots=True)
class Use:
    """Resources that this process uses.

    Attributes:
        memory_mb: Resident memory, MiB.
        threads: Threads, including those of libraries.
        descriptors: Open files and connections.
    """

    memory_mb: float
    threads: int
    descriptors: int


class Watching:
    """A worker that watches all cameras of its settings until the block ends."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.worker = Worker(config, "tested")

    def __enter__(self) -> Self:
        self.worker.watch([camera.name for camera in self._config.cameras])
        self.worker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.worker.stop(PATIENCE_S)

    @property
    def cameras(self) -> dict[str, CameraStatus]:
        """Status of the cameras by name; a new status where the worker has not started with one."""
        known = {status.camera: status for status in self.worker.status().cameras}
        return {
            camera.name: known.get(camera.name, CameraStatus(camera.name))
            for camera in self._config.cameras
        }

    def until(self, met: Callable[[], object], why: str) -> None:
        """Waits for a condition."""
        deadline = time.monotonic() + PATIENCE_S
        while not met():
            assert self.worker.alive, "the worker has ended"
            assert time.monotonic() < deadline, f"not met: {why}; {list(self.cameras.values())}"
            time.sleep(_POLL_S)

    def until_state(self, state: str, *names: str) -> None:
        """Waits until these cameras are in a state, or all."""

        def are_there() -> bool:
            cameras = self.cameras
            return all(cameras[name].state == state for name in names or cameras)

        self.until(are_there, f"{names or 'all'} {state}")

    def until_sampled(self, name: str, times: int = 1) -> None:
        """Waits until a camera has been sampled this many times more."""
        enough = self.cameras[name].samples + times
        self.until(lambda: self.cameras[name].samples >= enough, f"{times} samples of {name}")

    def until_filed(self, *names: str) -> None:
        """Waits until each of these cameras has a case."""
        self.until(lambda: all(self.cases(name) for name in names), f"cases of {names}")

    def tolerance_s(self, name: str) -> float:
        """How far the times of a camera's case may be off: each dropped sample delays them."""
        return _TOLERANCE_S + SAMPLE_S * self.cameras[name].dropped

    def cases(self, name: str) -> list[Case]:
        """The cases of a camera so far."""
        with open_queue(self._config.queue) as queue:
            return [case for case in queue.cases() if case.source == name]

    def use(self) -> Use:
        """Resources that this process uses at the moment."""
        threads, descriptors = Path("/proc/self/task"), Path("/proc/self/fd")
        return Use(
            self.worker.status().memory_mb,
            len(list(threads.iterdir())),
            len(list(descriptors.iterdir())),
        )


def entries_of(fleet: Fleet, names: Sequence[str], **others: Any) -> list[dict[str, Any]]:
    """The entries of cameras in the settings."""
    return [{"name": name, "url": fleet.url(name), **others} for name in names]

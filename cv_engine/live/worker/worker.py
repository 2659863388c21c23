"""A worker: many cameras in one process, one thread for each stream and one that looks at them all."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import socket
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Lock, Thread

import cv2
import structlog

from cv_engine.cases import Queue, open_queue
from cv_engine.config import CameraConfig, Config
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.storage.opening import open_store
from cv_engine.evidence.storage.outbox import Outbox
from cv_engine.evidence.storage.uploader import Uploader
from cv_engine.live.buffer.capture_clock import CaptureClock
from cv_engine.live.buffer.latest_frame_queue import LatestFrameQueue
from cv_engine.live.buffer.ring_buffer import RingBuffer
from cv_engine.live.buffer.sampler import DueSample, LiveSampler
from cv_engine.live.status import CameraStatus, WorkerStatus
from cv_engine.live.stream.address import Address
from cv_engine.live.stream.feed import Feed
from cv_engine.live.worker.batch import Batch
from cv_engine.live.worker.checkpoint_replica import Mirror
from cv_engine.live.worker.checkpoint_writer import Saver
from cv_engine.live.worker.decoding import Pictures
from cv_engine.live.worker.view import LiveView, Means, Settle
from cv_engine.pipeline.camera_setup import CameraSetup, detect, detector_of
from cv_engine.video.frame import Sample, Scaler
from zones.errors import ZoneError

# How often streams are asked how they are, and views what else is to be done.
_TICK_S = 1.0
# How much further back than the looks' thread stands the one that files cases, Linux's steps.
_NICE = 15
# Longest wait for a camera's last errand to be done, and for its last checkpoint to be on disk, seconds.
_SAVED_S = 5.0
# Part of the time that the detector gets while looks wait: what it is asked can mostly wait, too.
_DETECTOR_SHARE = 0.25
_MEBIBYTE = 1 << 20
# glibc's name of the number of heaps, in mallopt: one per thread would hold memory that others need.
_M_ARENA_MAX = -8
_ARENAS = 2


@dataclass(slots=True)
class _Watched:
    """A camera and what watches it."""

    status: CameraStatus
    feed: Feed
    pictures: Pictures
    view: LiveView
    sampler: LiveSampler
    clock: CaptureClock


class Worker:
    """Watches cameras until stopped.

    Args:
        config: Settings.
        name: What to call it.
        node: The machine's name; its own where empty.
    """

    def __init__(self, config: Config, name: str, *, node: str = "") -> None:
        self._config = config
        self._name = name
        self._node = node or socket.gethostname()
        self._wanted: tuple[str, ...] = ()
        self._watched: OrderedDict[str, _Watched] = OrderedDict()
        self._idle: dict[str, CameraStatus] = {}
        self._latest_frames: LatestFrameQueue[str] = LatestFrameQueue()
        self._batch: Batch[str]
        self._stopping = Event()
        self._lock = Lock()
        self._means: Means
        self._saver: Saver
        self._mirror: Mirror
        self._uploader: Uploader
        self._queue: Queue
        self._scaler = Scaler()
        # Evidence takes seconds, and a database may take minutes: no look waits for them.
        self._clerk = ThreadPoolExecutor(1, "clerk", _step_back)
        self._errand: tuple[str, Future[Settle]] | None = None
        self._rested_at = 0.0
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._run, name="samples")

    def watch(self, cameras: Sequence[str]) -> None:
        """Names the cameras to watch from now on; others are let go, where they stand kept."""
        with self._lock:
            self._wanted = tuple(cameras)

    def start(self) -> None:
        """Opens what is needed and begins.

        Raises:
            ConfigError, ModelError, QueueError, EvidenceError: Settings are wrong, or the data
                folder cannot be written.
        """
        _bound_heaps()
        cv2.setNumThreads(1)
        config = self._config
        folder = config.data / "live"
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        key = SigningKey.load_or_create(config.data / "signing-key.pem")
        detector = detector_of(config)
        # As many as run best at once: more would only keep all other cameras waiting.
        self._batch = Batch[str](detector.runtime.batches[0], config.live.batch_wait_s)
        self._queue = open_queue(config.queue)
        checkpoints = self._saver = Saver(folder / "checkpoints")
        self._mirror = Mirror(checkpoints, config.evidence.store, config.live.checkpoint_s)
        store = open_store(config.evidence.store or config.evidence_root)
        self._uploader = Uploader(Outbox(config.evidence_root, store, self._queue))
        self._means = Means(config, detector, self._queue, checkpoints, key, folder)
        self._saver.start()
        self._mirror.start()
        self._uploader.start()
        # Libraries stay: the garbage collector need not go through them again and again.
        gc.freeze()
        self._thread.start()

    def status(self) -> WorkerStatus:
        """How it and its cameras are."""
        with self._lock:
            cameras = [deepcopy(watched.status) for watched in self._watched.values()]
            cameras += [deepcopy(status) for status in self._idle.values()]
        return WorkerStatus(
            worker=self._name,
            node=self._node,
            pid=os.getpid(),
            at=time.time(),
            cpu_s=time.process_time(),
            memory_mb=_resident_mb(),
            threads=threading.active_count(),
            cameras=cameras,
        )

    def stop(self, timeout_s: float = 10.0) -> None:
        """Lets every camera go, where it stands kept, and closes everything.

        Raises:
            BaseException: What ended the work early.
        """
        self._stopping.set()
        until = time.monotonic() + timeout_s
        self._thread.join(timeout_s)
        self._clerk.shutdown(wait=False, cancel_futures=True)
        for sender in (self._saver, self._mirror, self._uploader):
            sender.stop(max(0.0, until - time.monotonic()))
        self._queue.close()
        if self._failure is not None:
            raise self._failure

    @property
    def alive(self) -> bool:
        """Whether it still watches."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            ticked = 0.0
            while not self._stopping.is_set():
                self._turn()
                if time.monotonic() - ticked >= _TICK_S:
                    ticked = time.monotonic()
                    self._tick()
            while self._batch:
                self._ask_detector()
            for name in list(self._watched):
                self._let_go(name)
        except BaseException as error:
            self._failure = error
            structlog.get_logger(__name__).exception("worker failed", worker=self._name)

    def _turn(self) -> None:
        """One look, and the detector's turn where it has come."""
        now = time.monotonic()
        taken = self._latest_frames.take(self._batch.patience_s(now, _TICK_S / 4), but=self._batch)
        if taken is not None:
            name, due = taken
            watched = self._watched.get(name)
            if watched is not None:
                self._sample(name, watched, due)
        # While looks wait, it gets a part of the time: one that everybody asks must not hold up all looks,
        # or there are gaps between them, after which everybody asks it again.
        now = time.monotonic()
        if self._batch.is_due(now) and (taken is None or now >= self._rested_at):
            self._ask_detector()
            asked_s = time.monotonic() - now
            self._rested_at = now + asked_s / _DETECTOR_SHARE
        self._see_to_errands()

    def _sample(self, name: str, watched: _Watched, due: DueSample) -> None:
        began = time.thread_time()
        sample = watched.pictures.decode(due)
        if sample is None:
            watched.status.damaged += 1
            watched.feed.lost()
        elif not watched.view.sample(sample):
            self._sampled(watched, sample)
        elif watched.status.asked and self._batch.is_full:
            # Cameras that were begun with together ask together. They can wait for their next look, but
            # for the first word: that tells who was there to begin with.
            watched.view.conclude(None)
            self._sampled(watched, sample)
        else:
            self._batch.add(name, sample, time.monotonic())
        watched.status.work_s += time.thread_time() - began

    def _ask_detector(self) -> None:
        """The detector's word on the looks that have waited longest for it."""
        waiting = self._batch.take()
        began = time.thread_time()
        found = detect(self._means.detector, [sample for _, sample in waiting])
        share_s = (time.thread_time() - began) / len(waiting)
        for (name, sample), detections in zip(waiting, found, strict=True):
            watched = self._watched.get(name)
            if watched is not None:
                watched.view.conclude(detections)
                watched.status.work_s += share_s
                self._sampled(watched, sample)

    def _sampled(self, watched: _Watched, sample: Sample) -> None:
        """After a whole look: how late it was, and when the next one is wanted."""
        status, clock, video = watched.status, watched.clock, self._config.video
        status.latency.add(clock.now() - sample.media_s + clock.delay_s)
        status.clock = clock.basis
        calm_s = max(video.sample_s, self._config.live.calm_sample_s)
        status.interval_s = video.sample_s if watched.view.busy else calm_s
        watched.sampler.interval_s = status.interval_s

    def _see_to_errands(self) -> None:
        """Has the next thing that can wait done beside the looks, where nothing else is under way."""
        self._settle()
        if self._errand is not None:
            return
        for name, watched in self._watched.items():
            task = watched.view.next_task(watched.clock.now())
            if task is not None:
                self._errand = name, self._clerk.submit(task)
                with self._lock:
                    self._watched.move_to_end(name)  # the next one is another camera's
                return

    def _settle(self) -> None:
        """Takes in what was done beside the looks, if it is done."""
        if self._errand is not None and self._errand[1].done():
            done, self._errand = self._errand[1], None
            done.result()()
            self._uploader.soon()

    def _tick(self) -> None:
        with self._lock:
            wanted = self._wanted
        for name in [name for name in self._watched if name not in wanted]:
            self._let_go(name)
        for name in [name for name in self._idle if name not in wanted]:
            self._mirror.release(name)
            with self._lock:
                del self._idle[name]
        for name in wanted:
            known = name in self._watched or name in self._idle
            if not known and self._mirror.fetch(name):
                self._take_over(name)
        for name, watched in self._watched.items():
            watched.feed.check()
            if name not in self._batch:
                watched.view.tick(watched.clock.now())

    def _take_over(self, name: str) -> None:
        """Begins with a camera; it is told of from now on, so that nobody else begins with it too."""
        settings = self._config.camera(name)
        status = CameraStatus(name, since=time.time(), interval_s=self._config.video.sample_s)
        with self._lock:
            self._idle[name] = status
        try:
            watched = self._opened(CameraSetup.of(settings), status)
        except ZoneError as error:
            status.state, status.message = "stopped", str(error)
            structlog.get_logger(__name__).error("not watched", camera=name, reason=str(error))
            return
        with self._lock:
            del self._idle[name]
            self._watched[name] = watched
        watched.feed.start()

    def _opened(self, setup: CameraSetup, status: CameraStatus) -> _Watched:
        live = self._config.live
        clock = CaptureClock()
        ring = RingBuffer(
            self._means.folder / "kept" / setup.folder, live.ring_s, round(live.ring_mb * _MEBIBYTE)
        )
        view = LiveView(self._means, setup, clock, ring, status)
        sampler = LiveSampler(self._config.video.sample_s)
        feed = Feed(
            setup.name,
            partial(_address, setup.settings),
            live.stall_s,
            live.retry_s,
            clock=clock,
            ring=ring,
            sampler=sampler,
            offer=partial(self._offer, setup.name),
            status=status,
        )
        return _Watched(status, feed, Pictures(self._scaler), view, sampler, clock)

    def _offer(self, name: str, due: DueSample) -> None:
        """Called by the streams' threads."""
        void, broken = self._latest_frames.offer(name, due)
        watched = self._watched.get(name)
        if watched is not None:
            watched.status.dropped += void
            if broken:
                watched.feed.lost()

    def _let_go(self, name: str) -> None:
        """Ends with a camera; it is told of until where it stands is kept, for whoever goes on."""
        watched = self._watched[name]
        watched.feed.stop()
        self._latest_frames.clear(name)
        if name in self._batch:
            self._batch.remove(name)
            watched.view.conclude(None)
        if self._errand is not None and self._errand[0] == name:
            wait([self._errand[1]], _SAVED_S)
            self._settle()
        watched.view.keep(watched.clock.now())
        self._saver.flush(name, _SAVED_S)
        self._mirror.release(name)
        with self._lock:
            del self._watched[name]


def _address(settings: CameraConfig) -> Address:
    assert settings.url is not None
    password = settings.password
    return Address.of(
        settings.url.get_secret_value(),
        settings.user,
        None if password is None else password.get_secret_value(),
        settings.password_env,
        settings.transport,
    )


def _step_back() -> None:
    """Lets all other threads go first; elsewhere than on Linux they have one priority."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _bound_heaps() -> None:
    """Keeps glibc from giving each stream's thread a heap of its own."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, _ARENAS)


def _resident_mb() -> float:
    """Memory in use, MiB; the most there was, where the system does not tell."""
    try:
        with Path("/proc/self/statm").open(encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / _MEBIBYTE
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

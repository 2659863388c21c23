"""The thread that samples all cameras of a worker, one sample after the other."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from threading import Event, Thread

import structlog
from msgspec.structs import replace

from cv_engine.live.buffer.latest_frame_queue import LatestFrameQueue
from cv_engine.live.status import CameraStatus
from cv_engine.live.worker.batch import Batch
from cv_engine.live.worker.camera import LiveCamera
from cv_engine.live.worker.services import LiveServices
from cv_engine.live.worker.view import Completion
from cv_engine.pipeline.camera_setup import CameraSetup, detect
from cv_engine.video.frame import Scaler
from zones.errors import ZoneError

# How often streams and views are checked, seconds.
_TICK_S = 1.0
# How much lower the priority of the thread that files cases is, in Linux's steps.
_NICE = 15
# Longest wait for a camera's last work, and for its last checkpoint to be on disk, seconds.
_SAVED_S = 5.0
# Part of the time that the detector gets while samples wait: most of what it is asked can wait.
_DETECTOR_SHARE = 0.25


class SamplingLoop:
    """Samples cameras in one thread, and files cases in another.

    Args:
        services: What all cameras share; started and closed with the loop.
        assigned: The names of the cameras to watch; called every second.
    """

    def __init__(self, services: LiveServices, assigned: Callable[[], Sequence[str]]) -> None:
        self._services = services
        self._config = config = services.shared.config
        self._detector = services.shared.detector
        self._assigned = assigned
        self._cameras: OrderedDict[str, LiveCamera] = OrderedDict()
        self._idle: dict[str, CameraStatus] = {}
        self._fetching: set[str] = set()  # cameras whose checkpoints are on their way
        # Both of them, for other threads to read: replaced as a whole.
        self._listed: tuple[tuple[LiveCamera, ...], tuple[CameraStatus, ...]] = (), ()
        self._latest_frames: LatestFrameQueue[str] = LatestFrameQueue()
        # As many as run best at once: more would only keep all other cameras waiting.
        self._batch = Batch[str](self._detector.runtime.batches[0], config.live.batch_wait_s)
        self._scaler = Scaler()
        # Evidence takes seconds, and a database may take minutes: no sample waits for them.
        self._background = ThreadPoolExecutor(1, "filing", _lower_priority)
        self._work: tuple[str, Future[Completion]] | None = None
        self._detector_free_at = 0.0
        self._stopping = Event()
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._run, name="samples")

    def start(self) -> None:
        """Starts the threads."""
        self._services.start()
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Releases every camera with its state saved, and closes everything.

        Args:
            timeout_s: Longest wait for all of it, seconds.

        Raises:
            BaseException: What ended the thread early.
        """
        self._stopping.set()
        until = time.monotonic() + timeout_s
        self._thread.join(timeout_s)
        self._background.shutdown(wait=False, cancel_futures=True)
        self._services.close(max(0.0, until - time.monotonic()))
        if self._failure is not None:
            raise self._failure

    @property
    def alive(self) -> bool:
        """Whether cameras are sampled."""
        return self._thread.is_alive()

    def statuses(self) -> tuple[CameraStatus, ...]:
        """The status of every camera until it is released."""
        cameras, idle = self._listed
        return *(camera.status for camera in cameras), *idle

    def _run(self) -> None:
        try:
            ticked = 0.0
            while not self._stopping.is_set():
                has_sampled = self._process_next()
                self._ask_detector_if_due(has_sampled)
                self._run_background()
                if time.monotonic() - ticked >= _TICK_S:
                    ticked = time.monotonic()
                    self._follow_assignment()
                    self._tick_cameras()
            while self._batch:
                self._ask_detector()
            for name in list(self._cameras):
                self._release(name)
        except BaseException as error:
            self._failure = error
            structlog.get_logger(__name__).exception("worker failed")

    def _process_next(self) -> bool:
        """Processes the sample that has waited longest; returns whether there was one."""
        patience_s = self._batch.patience_s(time.monotonic(), _TICK_S / 4)
        taken = self._latest_frames.take(patience_s, but=self._batch)
        if taken is None:
            return False
        name, due = taken
        camera = self._cameras.get(name)
        if camera is None:
            return True
        started = time.thread_time()
        sample = camera.decoder.decode(due)
        if sample is None:
            camera.not_sampled()
        elif not camera.view.begin(sample):
            camera.sampled(sample)
        elif camera.counts.asked and self._batch.is_full:
            # Cameras that were started together ask together. All but their first question, about
            # what stood there before, can wait for the next sample.
            camera.view.conclude(None)
            camera.sampled(sample)
        else:
            self._batch.add(name, sample, time.monotonic())
        if sample is not None:
            camera.feed.decoded()
        camera.counts.work_s += time.thread_time() - started
        camera.counts.publish()
        return True

    def _ask_detector_if_due(self, has_sampled: bool) -> None:
        # While samples wait, the detector gets a part of the time: a detector that all cameras ask
        # must not delay all samples, or there are gaps, after which all cameras ask again.
        now = time.monotonic()
        if self._batch.is_due(now) and (not has_sampled or now >= self._detector_free_at):
            self._ask_detector()
            asked_s = time.monotonic() - now
            self._detector_free_at = now + asked_s / _DETECTOR_SHARE

    def _ask_detector(self) -> None:
        """Completes the samples that have waited longest for the detector."""
        waiting = self._batch.take()
        started = time.thread_time()
        found = detect(self._detector, [sample for _, sample in waiting])
        share_s = (time.thread_time() - started) / len(waiting)
        for (name, sample), detections in zip(waiting, found, strict=True):
            camera = self._cameras.get(name)
            if camera is not None:
                camera.view.conclude(detections)
                camera.counts.work_s += share_s
                camera.sampled(sample)
                camera.counts.publish()

    def _run_background(self) -> None:
        """Starts the next work of any camera in the other thread, once the last is complete."""
        self._complete_work()
        if self._work is not None:
            return
        for name, camera in self._cameras.items():
            work = camera.view.next_work()
            if work is not None:
                self._work = name, self._background.submit(work)
                self._cameras.move_to_end(name)  # the next work is another camera's
                return

    def _complete_work(self) -> None:
        """Takes in the result of the other thread, where that is done."""
        if self._work is not None and self._work[1].done():
            done, self._work = self._work[1], None
            done.result()()
            self._services.shared.uploader.soon()
            self._services.shared.stamper.soon()

    def _follow_assignment(self) -> None:
        """Releases cameras that are assigned no more, and takes over new ones."""
        assigned = self._assigned()
        for name in [name for name in self._cameras if name not in assigned]:
            self._release(name)
        for name in [name for name in self._idle if name not in assigned]:
            self._services.replica.release(name)
            del self._idle[name]
            self._list()
        for name in self._fetching.difference(assigned):
            self._services.replica.release(name)
            self._fetching.remove(name)
        for name in assigned:
            # Releasing and taking over take seconds, in which the assignment may have changed: this
            # camera may be another worker's by now.
            if name in self._cameras or name in self._idle or name not in self._assigned():
                continue
            self._fetching.add(name)
            if self._services.replica.fetch(name):
                self._fetching.remove(name)
                self._take_over(name)

    def _tick_cameras(self) -> None:
        for name, camera in self._cameras.items():
            camera.feed.check()
            if name not in self._batch:
                camera.view.tick(camera.clock.now(), camera.trouble)
            camera.counts.publish()

    def _take_over(self, name: str) -> None:
        """Starts with a camera, which is listed from now on: no other worker may start with it."""
        status = CameraStatus(name, since=time.time(), interval_s=self._config.video.sample_s)
        self._idle[name] = status
        self._list()
        try:
            setup = CameraSetup.of(self._config.camera(name))
            offer = partial(self._latest_frames.offer, name)
            camera = LiveCamera.open(self._services, setup, offer, self._scaler)
        except ZoneError as error:
            self._idle[name] = replace(status, state="stopped", message=str(error))
            self._list()
            structlog.get_logger(__name__).error("not watched", camera=name, reason=str(error))
            return
        del self._idle[name]
        self._cameras[name] = camera
        self._list()
        camera.feed.start()

    def _release(self, name: str) -> None:
        """Stops a camera, which is listed until its state is saved, for the worker that resumes."""
        camera = self._cameras[name]
        camera.feed.stop()
        self._latest_frames.clear(name)
        if name in self._batch:
            self._batch.remove(name)
            camera.view.conclude(None)
        if self._work is not None and self._work[0] == name:
            wait([self._work[1]], _SAVED_S)
            self._complete_work()
        camera.view.save(camera.clock.now())
        self._services.checkpoints.flush(name, _SAVED_S)
        self._services.replica.release(name)
        del self._cameras[name]
        self._list()

    def _list(self) -> None:
        """Publishes which cameras there are."""
        self._listed = tuple(self._cameras.values()), tuple(self._idle.values())


def _lower_priority() -> None:
    """Lets all other threads go first; elsewhere than on Linux they have one priority."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)

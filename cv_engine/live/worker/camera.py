"""One watched camera: its stream, its decoder, and its view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cv_engine.config import CameraConfig
from cv_engine.live.buffer.capture_clock import CaptureClock
from cv_engine.live.buffer.ring_buffer import RingBuffer
from cv_engine.live.buffer.sampler import DueSample, LiveSampler
from cv_engine.live.status import CameraStatus, SamplingCounts
from cv_engine.live.stream.address import Address
from cv_engine.live.stream.feed import Feed
from cv_engine.live.stream.stream_state import StreamState
from cv_engine.live.stream.tls import Trust
from cv_engine.live.worker.decoding import SampleDecoder
from cv_engine.live.worker.services import LiveServices
from cv_engine.live.worker.view import LiveView
from cv_engine.pipeline.camera_setup import CameraSetup
from cv_engine.video.frame import Sample, Scaler

_MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class LiveCamera:
    """A camera and what watches it.

    Attributes:
        counts: What came of the samples so far.
        feed: Reads the stream in a thread of its own.
        decoder: Decodes the samples that are due.
        view: Observes the samples, and files what they show.
        sampler: Picks the samples.
        clock: The camera's clock.
        sample_s: Shortest interval between samples, seconds.
        calm_s: Interval while nothing is about to become a case, seconds.
    """

    counts: SamplingCounts
    feed: Feed
    decoder: SampleDecoder
    view: LiveView
    sampler: LiveSampler
    clock: CaptureClock
    sample_s: float
    calm_s: float

    @classmethod
    def open(
        cls,
        services: LiveServices,
        setup: CameraSetup,
        offer: Callable[[DueSample], tuple[int, bool]],
        scaler: Scaler,
    ) -> LiveCamera:
        """A camera whose stream is not started yet, in the state of its checkpoint.

        Args:
            services: What all cameras of the worker share.
            setup: The camera.
            offer: See :class:`Feed`; called by the stream's thread.
            scaler: Scaling contexts, shared by the cameras of one thread.

        Raises:
            ZoneError: No zone lies in the picture of the checkpoint.
        """
        config = services.shared.config
        live, sample_s = config.live, config.video.sample_s
        clock, sampler = CaptureClock(), LiveSampler(sample_s)
        counts = SamplingCounts(setup.name, sample_s)
        folder = config.data / "live" / "kept" / setup.folder
        ring = RingBuffer(folder, live.ring_s, round(live.ring_mb * _MEBIBYTE))
        view = LiveView(services, setup, clock, ring, counts)
        feed = Feed(
            setup.name,
            partial(address_of, setup.settings),
            live.stall_s,
            live.retry_s,
            clock=clock,
            ring=ring,
            sampler=sampler,
            offer=offer,
        )
        calm_s = max(sample_s, live.calm_sample_s)
        return cls(counts, feed, SampleDecoder(scaler), view, sampler, clock, sample_s, calm_s)

    @property
    def status(self) -> CameraStatus:
        """The latest published status; may be read from any thread."""
        return self.counts.published.with_stream(self.feed.status, self.feed.received)

    @property
    def trouble(self) -> str:
        """Why there are no samples; empty while the stream is live."""
        stream = self.feed.status
        return "" if stream.state == StreamState.LIVE else stream.message or "not to be reached"

    def not_sampled(self) -> None:
        """After a sample that gave no picture."""
        if self.decoder.lost:
            self.counts.damaged += 1
            self.feed.decoding_failed()
        else:
            self.feed.not_decoded()

    def sampled(self, sample: Sample) -> None:
        """After a whole sample: notes its latency, and sets when the next one is due."""
        counts, clock = self.counts, self.clock
        counts.latency = counts.latency.plus(clock.now() - sample.media_s + clock.delay_s)
        counts.clock = clock.basis
        counts.interval_s = self.sample_s if self.view.busy else self.calm_s
        self.sampler.interval_s = counts.interval_s


def address_of(settings: CameraConfig) -> Address:
    """Where a camera's stream is, and how it is reached.

    Raises:
        AddressError: The address cannot be used, or the password is not in the environment.
    """
    assert settings.url is not None
    password = settings.password
    return Address.of(
        settings.url.get_secret_value(),
        settings.user,
        None if password is None else password.get_secret_value(),
        settings.password_env,
        settings.transport,
        trust=Trust(
            settings.tls_verify,
            (settings.tls_fingerprint or "").removeprefix("sha256:"),
            settings.tls_ca,
        ),
        allow_hosts=settings.allow_hosts,
    )

"""Media time from timestamps that may be missing, reset or wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from cv_engine.video.errors import Repair
from cv_engine.video.rate import USUAL_RATE as USUAL_RATE
from cv_engine.video.rate import Rate, has_clock, rate_of

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

# A clock that falls back by more than this was reset (camera restart, joined files); a smaller step
# is jitter, as in network cameras whose clock is adjusted.
RESET_S = 1.0
# A longer pause between two pictures is a wrong timestamp: recorders start a new file after minutes
# without motion, and a false pause would make a passing car a parked one.
LONGEST_PAUSE_S = 3600.0
# Presentation and decoding time differ by the reordered pictures: at most 16 in H.264 and H.265, so
# less than 4 s even at 5 pictures per second. A larger difference is a wrong presentation time.
_LONGEST_REORDER_S = 10.0


def is_untimed(stream: VideoStream) -> bool:
    """Whether the container stores no presentation times and FFmpeg guesses them wrongly.

    AVI stores none. For MPEG-4 Part 2, FFmpeg derives them from the pictures' types; for H.264 and
    H.265 they are wrong by some pictures if there are B-frames.
    """
    return stream.container.format.name == "avi" and stream.codec_context.name in ("h264", "hevc")


@dataclass(slots=True)
class _Count:
    at_s: float
    what: str
    count: int = 0


@dataclass(slots=True)
class Timeline:
    """Gives every packet a media time that never runs backwards in decoding order.

    The decoding timestamp is the clock, since it must rise from packet to packet; the presentation
    timestamp is kept relative to the clock. A missing decoding time is taken from the presentation
    time, a missing pair from the picture rate. After a reset or a jump of more than an hour, the
    clock continues one picture after the last one, and keeps this shift.

    Attributes:
        time_base: Seconds per tick.
        step: Ticks between two pictures if a packet states no duration.
        zero: The tick of media time 0; ``None``: that of the first packet.
        ignores_pts: Whether presentation times are guesses to be ignored.
        counts: Whether all times are guesses to be ignored: pictures are timed by counting them.
    """

    time_base: Fraction
    step: int
    zero: int | None = None
    ignores_pts: bool = False
    counts: bool = False
    _shift: int = 0
    _last: int | None = None
    _last_step: int = 0
    _counts: dict[str, _Count] = field(default_factory=dict)
    _numerator: int = field(init=False)
    _denominator: int = field(init=False)
    _reset: int = field(init=False)
    _pause: int = field(init=False)
    _reorder: int = field(init=False)

    def __post_init__(self) -> None:
        self._numerator = self.time_base.numerator
        self._denominator = self.time_base.denominator
        self._reset = self._ticks_in(RESET_S)
        self._pause = self._ticks_in(LONGEST_PAUSE_S)
        self._reorder = self._ticks_in(_LONGEST_REORDER_S)

    @classmethod
    def of(cls, stream: VideoStream, stated_rate: Rate | None = None) -> Timeline:
        """A new time line for reading ``stream`` from the start.

        Args:
            stream: The recording's video stream.
            stated_rate: See :func:`cv_engine.video.rate.rate_of`.
        """
        time_base = stream.time_base or Fraction(1, 90_000)
        step = max(1, round(1 / (rate_of(stream, stated_rate).per_second * time_base)))
        zero, untimed = stream.start_time, is_untimed(stream)
        return cls(time_base, step, zero, ignores_pts=untimed, counts=not has_clock(stream))

    @property
    def repairs(self) -> list[Repair]:
        """The repairs so far, in order of first occurrence."""
        return [Repair(each.at_s, each.what, each.count) for each in self._counts.values()]

    @property
    def last_s(self) -> float:
        """Media time up to which packets have been seen, seconds."""
        return 0.0 if self._last is None else self.seconds(self._last)

    @property
    def is_shifted(self) -> bool:
        """Whether the clock has fallen back or jumped, so that the stated length is meaningless."""
        return self._shift != 0

    def seconds(self, ticks: int) -> float:
        """Media time of a repaired timestamp."""
        # Integers up to the last division: exact, and ten times as fast as fractions, which matters
        # for every packet of a day's footage.
        return (ticks - (self.zero or 0)) * self._numerator / self._denominator

    def ticks(self, media_s: float) -> int:
        """The timestamp at a media time."""
        return round(Fraction(media_s) / self.time_base) + (self.zero or 0)

    def place(self, packet: Packet[VideoStream]) -> float:
        """Repairs a packet's timestamps in place, so that the decoder passes them to its pictures.

        Args:
            packet: The next packet in decoding order.

        Returns:
            Media time in seconds at which the packet's picture is shown.
        """
        if self.counts:
            packet.dts, packet.duration = self._counted(), self.step
        if self.counts or self.ignores_pts:
            packet.pts = None
        pts, dts = self.repair(packet.pts, packet.dts, packet.duration or 0)
        packet.dts = dts
        if packet.pts is not None:
            packet.pts = pts
        return self.seconds(pts)

    def repair(self, pts: int | None, dts: int | None, duration: int) -> tuple[int, int]:
        """Repairs one pair of timestamps; see :meth:`place`.

        Args:
            pts: Presentation timestamp in ticks, ``None`` if missing.
            dts: Decoding timestamp in ticks, ``None`` if missing.
            duration: Ticks for which the picture is shown, 0 if unknown.

        Returns:
            Presentation and decoding timestamp in ticks. Decoding timestamps rise strictly if the
            recording has any.
        """
        clock = dts if dts is not None else pts
        if self.zero is None:
            self.zero = (pts if pts is not None else clock) or 0
        clock_dts = self._decoding_time(clock, has_dts=dts is not None, has_pts=pts is not None)
        shown_pts = clock_dts if pts is None else pts + self._shift
        if pts is not None and abs(shown_pts - clock_dts) > self._reorder:
            self._note("presentation time far from the decoding time, which was used instead")
            shown_pts = clock_dts
        self._last = clock_dts if self._last is None else max(self._last, clock_dts)
        self._last_step = duration if 0 < duration < self._reset else self.step
        return shown_pts, clock_dts

    def _decoding_time(self, clock: int | None, *, has_dts: bool, has_pts: bool) -> int:
        if self._last is None:
            return clock if clock is not None else (self.zero or 0)
        expected = self._last + self._last_step
        if clock is None:
            self._note("no timestamp; the picture rate was used instead")
            return expected
        now = clock + self._shift
        ahead = now - self._last
        if ahead < -self._reset:
            self._note("timestamps fall back; time continues from the last picture")
        elif ahead > self._pause:
            self._note(
                "timestamps jump ahead by over an hour; time continues from the last picture"
            )
        elif has_dts and ahead <= 0:
            if (
                not has_pts
            ):  # with one, the time shown is right: Matroska's decoding times are guesses
                self._note("timestamps repeat or jitter backwards; moved ahead by one tick")
            return self._last + 1
        else:
            return now
        self._shift += expected - now
        return expected

    def _counted(self) -> int:
        """The time of the next picture where every picture lasts one step."""
        return (self.zero or 0) if self._last is None else self._last + self.step

    def _ticks_in(self, seconds: float) -> int:
        return round(Fraction(seconds) / self.time_base)

    def _note(self, what: str) -> None:
        self._counts.setdefault(what, _Count(self.last_s, what)).count += 1

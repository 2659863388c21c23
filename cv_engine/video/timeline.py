"""Media time from timestamps that may be missing, reset or wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from cv_engine.video.errors import Repair

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

# A clock that falls back by more than this was reset (camera restart, joined files); by less, it
# jitters, as network cameras' clocks do when they are set.
RESET_S = 1.0
# A pause longer than this between two pictures is no pause but a wrong timestamp: recorders start
# a new file after minutes without motion, and a false pause would make a passing car a parked one.
LONGEST_PAUSE_S = 3600.0
# Presentation and decoding time differ by the pictures that are reordered: 16 at most in H.264
# and H.265, so under 4 s even at 5 pictures per second. More is a wrong presentation time.
_LONGEST_REORDER_S = 10.0
# Where the file tells no rate: the PAL rate.
USUAL_RATE = Fraction(25)


def is_untimed(stream: VideoStream) -> bool:
    """Tells whether the container stores no presentation times, which FFmpeg then guesses.

    AVI has none; for MPEG-4 Part 2 they are found from the pictures' types, for H.264 and H.265
    they are wrong by some pictures wherever there are B-frames.
    """
    return stream.container.format.name == "avi" and stream.codec_context.name in ("h264", "hevc")


@dataclass(slots=True)
class _Mend:
    at_s: float
    what: str
    count: int = 0


@dataclass(slots=True)
class Timeline:
    """Gives every packet a media time that never runs backwards in decoding order.

    The decoding timestamp is the clock, since it must rise from packet to packet; the presentation
    timestamp is kept relative to it. A missing decoding time is taken from the presentation time,
    a missing pair from the picture rate. After a reset or a jump of more than an hour the clock
    goes on one picture after the last one, and keeps that shift.

    Attributes:
        time_base: Seconds per tick.
        step: Ticks between two pictures where a packet does not say.
        zero: The tick that is media time 0; ``None`` takes the first packet's.
        ignores_pts: Whether presentation times are guesses that had better be forgotten.
    """

    time_base: Fraction
    step: int
    zero: int | None = None
    ignores_pts: bool = False
    _shift: int = 0
    _last: int | None = None
    _last_step: int = 0
    _mends: dict[str, _Mend] = field(default_factory=dict)
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
    def of(cls, stream: VideoStream) -> Timeline:
        """A fresh time line for reading ``stream`` from its start."""
        time_base = stream.time_base or Fraction(1, 90_000)
        rate = stream.guessed_rate or stream.average_rate or USUAL_RATE
        step = max(1, round(1 / (rate * time_base)))
        return cls(time_base, step, zero=stream.start_time, ignores_pts=is_untimed(stream))

    @property
    def repairs(self) -> list[Repair]:
        """What has been put right so far, in order of first appearance."""
        return [Repair(mend.at_s, mend.what, mend.count) for mend in self._mends.values()]

    @property
    def last_s(self) -> float:
        """Media time up to which packets have been seen, seconds."""
        return 0.0 if self._last is None else self.seconds(self._last)

    @property
    def is_shifted(self) -> bool:
        """Whether the clock has fallen back or jumped: a length taken from it means nothing."""
        return self._shift != 0

    def seconds(self, ticks: int) -> float:
        """Media time of a mended timestamp."""
        # Whole numbers up to the last division: exact, and ten times as fast as fractions, which
        # counts for every packet of a day's footage.
        return (ticks - (self.zero or 0)) * self._numerator / self._denominator

    def ticks(self, media_s: float) -> int:
        """The timestamp at a media time."""
        return round(Fraction(media_s) / self.time_base) + (self.zero or 0)

    def place(self, packet: Packet[VideoStream]) -> float:
        """Mends a packet's timestamps in place, so that the decoder hands them on.

        Args:
            packet: The next packet in decoding order.

        Returns:
            Media time in seconds at which its picture is shown.
        """
        if self.ignores_pts:
            packet.pts = None
        pts, dts = self.mend(packet.pts, packet.dts, packet.duration or 0)
        packet.dts = dts
        if packet.pts is not None:
            packet.pts = pts
        return self.seconds(pts)

    def mend(self, pts: int | None, dts: int | None, duration: int) -> tuple[int, int]:
        """Mends one pair of timestamps; see :meth:`place`.

        Args:
            pts: Presentation timestamp in ticks, ``None`` if missing.
            dts: Decoding timestamp likewise.
            duration: Ticks that the picture is shown, 0 if unknown.

        Returns:
            Presentation and decoding timestamp in ticks. Decoding timestamps rise strictly where
            the recording has any.
        """
        clock = dts if dts is not None else pts
        if self.zero is None:
            self.zero = (pts if pts is not None else clock) or 0
        mended_dts = self._decoding_time(clock, has_dts=dts is not None, has_pts=pts is not None)
        mended_pts = mended_dts if pts is None else pts + self._shift
        if pts is not None and abs(mended_pts - mended_dts) > self._reorder:
            self._note("presentation time far from the decoding time, which was taken instead")
            mended_pts = mended_dts
        self._last = mended_dts if self._last is None else max(self._last, mended_dts)
        self._last_step = duration if 0 < duration < self._reset else self.step
        return mended_pts, mended_dts

    def _decoding_time(self, clock: int | None, *, has_dts: bool, has_pts: bool) -> int:
        if self._last is None:
            return clock if clock is not None else (self.zero or 0)
        expected = self._last + self._last_step
        if clock is None:
            self._note("no timestamp; the picture rate was taken instead")
            return expected
        now = clock + self._shift
        ahead = now - self._last
        if ahead < -self._reset:
            self._note("timestamps fall back; time goes on from the last picture")
        elif ahead > self._pause:
            self._note("timestamps jump ahead by over an hour; time goes on from the last picture")
        elif has_dts and ahead <= 0:
            if not has_pts:  # else the time shown is sound: Matroska's decoding times are guessed
                self._note("timestamps repeat or jitter backwards; moved one tick on")
            return self._last + 1
        else:
            return now
        self._shift += expected - now
        return expected

    def _ticks_in(self, seconds: float) -> int:
        return round(Fraction(seconds) / self.time_base)

    def _note(self, what: str) -> None:
        mend = self._mends.setdefault(what, _Mend(self.last_s, what))
        mend.count += 1

"""How many pictures a recording has per second, and what that is based on."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from av.video.stream import VideoStream

# Rate of streams that state none and for which none is stated: the PAL rate.
USUAL_RATE = Fraction(25)
# Rates outside this range are fields that the encoder filled with something else, such as the ticks
# of its clock.
_LEAST, _MOST = Fraction(1, 60), Fraction(480)
_NO_TIMESTAMPS = 0x80  # FFmpeg's AVFMT_NOTIMESTAMPS
# Rates are stated as decimal numbers: 29.97 is 30000/1001.
_LARGEST_DENOMINATOR = 1001


@dataclass(frozen=True, slots=True)
class Rate:
    """Pictures per second of a recording.

    Attributes:
        per_second: Pictures per second.
        basis: What the rate is based on, in words.
        guessed: Whether the recording states neither rate nor times, so that all times are a guess.
    """

    per_second: Fraction
    basis: str
    guessed: bool = False

    @classmethod
    def stated(cls, per_second: float) -> Rate:
        """A rate that the user states."""
        rate = Fraction(per_second).limit_denominator(_LARGEST_DENOMINATOR)
        return cls(rate, "stated by the user")

    def __str__(self) -> str:
        """One line for people."""
        return f"{float(self.per_second):.6g} pictures per second ({self.basis})"

    @property
    def doubt(self) -> str | None:
        """A warning for people where the times are a guess, else ``None``."""
        if not self.guessed:
            return None
        return (
            "times are a guess: the recording states neither times nor a rate, and "
            f"{float(self.per_second):g} pictures per second were assumed; state the rate with "
            "--fps, or with fps in the camera's settings"
        )


def has_clock(stream: VideoStream) -> bool:
    """Whether the format of the file stores times: a raw stream of pictures stores none."""
    return not stream.container.format.flags & _NO_TIMESTAMPS


def rate_of(stream: VideoStream, stated: Rate | None = None) -> Rate:
    """Finds the picture rate of a stream.

    Args:
        stream: The recording's video stream.
        stated: The rate of recordings without times of their own, as stated by the user; takes
            precedence over the rate in the encoder's parameter sets, which many encoders fill in
            wrongly.
    """
    if has_clock(stream):
        rate = stream.guessed_rate or stream.average_rate
        if rate:
            return Rate(rate, "the file's own times")
        return Rate(USUAL_RATE, "assumed where a picture has no time of its own")
    if stated is not None:
        return stated
    encoded = stream.codec_context.framerate
    if encoded and _LEAST <= encoded <= _MOST:
        return Rate(encoded, "the encoder's parameter sets")
    return Rate(USUAL_RATE, "assumed", guessed=True)

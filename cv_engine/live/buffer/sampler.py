"""Which frames of a live stream are decoded: as few as suffice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.video.sampler import KEY_SPACING_TOLERANCE

# Part of the interval after which a key frame may be sampled where other frames have to be decoded,
# too: a key frame costs less, and may come as much too early as others too late.
_EARLY = 2.0 - KEY_SPACING_TOLERANCE
# Two times closer than this are the same moment: timestamps are rounded.
_SAME_S = 0.05
# How long a key frame or recovery point is waited for, seconds. Then decoding begins without: some
# encoders mark neither, and the decoder knows by itself when pictures are whole.
_UNMARKED_S = 5.0
# The codecs whose decoders withhold pictures that are not whole.
_SELF_RECOVERING = frozenset(("h264", "hevc"))
# Encoded frames held for decoding together, bytes; a larger group is discarded.
_MOST_BYTES = 16 << 20


class DueSample(NamedTuple):
    """A sample that is due.

    Attributes:
        steady_s: When the sampled frame was taken, steady seconds of the camera's clock.
        encoded: The frames to be decoded, in order; the last one is the sampled frame.
        begins: Whether decoding starts with the first frame, whatever was decoded before.
    """

    steady_s: float
    encoded: tuple[EncodedFrame, ...]
    begins: bool

    @property
    def bytes(self) -> int:
        """Size of the frames to be decoded."""
        return sum(frame.packet.size for frame in self.encoded)


@dataclass(slots=True)
class LiveSampler:
    """Picks the samples of one stream as its frames arrive.

    Where key frames come often enough, they alone are sampled: the latest one that is in time.
    Elsewhere the frames between are decoded too, from one sample to the next, and a key frame is
    sampled only where a sample is about to be due: in two samples close to each other, slow traffic
    seems to stand.

    A recovery point begins a group as a key frame does, but pictures are whole only some frames
    later. Where decoding continues, a recovery point is a frame like others.

    Attributes:
        interval_s: Longest time from one sample to the next, seconds; may be changed at any time.
    """

    interval_s: float
    _last_s: float | None = None
    _key_s: float | None = None
    _spacing_s: float | None = None
    _group: list[EncodedFrame] = field(default_factory=list)
    _group_bytes: int = 0
    _begins: bool = True
    _broken: bool = True
    _broken_since_s: float | None = None
    _missing: int = 0  # frames still to come until pictures are whole

    def connected(self) -> None:
        """A new connection begins: its frames do not refer to those of the old one."""
        self.discard_group()
        self._key_s = self._spacing_s = None

    def discard_group(self) -> None:
        """Discards the group: no frame can be decoded before the next key frame."""
        self._group, self._group_bytes, self._broken = [], 0, True
        self._broken_since_s = None

    def take(self, steady_s: float, encoded: EncodedFrame) -> DueSample | None:
        """Takes in the next frame; returns what to decode where a sample is due."""
        is_alone = encoded.key and not encoded.recovery
        if is_alone:
            self._begin(steady_s)
        elif self._broken and not self._begin_between(steady_s, encoded):
            return None
        self._add(encoded)
        if is_alone and self._by_key(steady_s):
            # The key frame stays in the group: later frames are decoded from it.
            self._last_s = steady_s
            return DueSample(steady_s, (encoded,), True)
        if not is_alone and self._group and self._between(steady_s):
            due = DueSample(steady_s, tuple(self._group), self._begins)
            self._last_s, self._begins = steady_s, False
            self._group, self._group_bytes = [], 0
            return due
        return None

    def _begin(self, steady_s: float) -> None:
        if self._key_s is not None:
            self._spacing_s = steady_s - self._key_s
        self._key_s = steady_s
        self._group, self._group_bytes, self._missing = [], 0, 0
        self._begins, self._broken = True, False

    def _begin_between(self, steady_s: float, encoded: EncodedFrame) -> bool:
        """Begins a group without a key frame, where that can be done; returns whether it was."""
        if self._broken_since_s is None:
            self._broken_since_s = steady_s
        waited_s = steady_s - self._broken_since_s
        unmarked = waited_s >= _UNMARKED_S and encoded.format.codec in _SELF_RECOVERING
        if not (encoded.key or unmarked):
            return False
        self._begin(steady_s)
        self._spacing_s = None
        self._missing = encoded.recovery + 1
        return True

    def _add(self, encoded: EncodedFrame) -> None:
        self._group.append(encoded)
        self._group_bytes += encoded.packet.size
        self._missing -= 1
        if self._group_bytes > _MOST_BYTES:
            self.discard_group()

    def _by_key(self, steady_s: float) -> bool:
        """Whether a key frame is sampled: the next one would come too late."""
        if self._last_s is None:
            return True
        if self._are_keys_rare(steady_s):
            return steady_s >= self._last_s + self.interval_s * _EARLY - _SAME_S
        due_s = self._last_s + self.interval_s
        spacing_s = self._spacing_s or 0.0
        return steady_s >= due_s - _SAME_S or steady_s + spacing_s > due_s + _SAME_S

    def _between(self, steady_s: float) -> bool:
        """Whether a sample is due for which no key frame has come."""
        if self._missing > 0:
            return False
        if self._last_s is None:
            return True
        if steady_s < self._last_s + self.interval_s - _SAME_S:
            return False  # nearly always
        if self._are_keys_rare(steady_s):
            return True
        # The next key frame should come at any moment.
        return steady_s > self._last_s + self.interval_s * KEY_SPACING_TOLERANCE + _SAME_S

    def _are_keys_rare(self, steady_s: float) -> bool:
        """Whether key frames lie too far apart for a sample every interval."""
        since_s = 0.0 if self._key_s is None else steady_s - self._key_s
        longest_s = max(self._spacing_s or 0.0, since_s)
        return longest_s > self.interval_s * KEY_SPACING_TOLERANCE + _SAME_S

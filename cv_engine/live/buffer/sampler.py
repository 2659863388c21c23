"""Which of a live stream's pictures are decoded: as few as will do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.video.sampler import KEY_SPACING_TOLERANCE

# Part of the interval after which a key frame may be looked at where others have to be decoded, too:
# it costs less than they do, and may come as much too early as others too late.
_EARLY = 2.0 - KEY_SPACING_TOLERANCE
# Two times closer than this are the same moment: timestamps are rounded.
_SAME_S = 0.05
# Compressed pictures held for decoding in one go, bytes; a group beyond that is given up.
_MOST_BYTES = 16 << 20


class DueSample(NamedTuple):
    """A look that is due.

    Attributes:
        steady_s: When its picture was taken.
        arrivals: What has to be decoded for it, in order; the last one is the picture.
        begins: Whether that begins with a key frame, and needs nothing decoded before.
    """

    steady_s: float
    encoded: tuple[EncodedFrame, ...]
    begins: bool

    @property
    def bytes(self) -> int:
        """Size of what has to be decoded."""
        return sum(frame.packet.size for frame in self.encoded)


@dataclass(slots=True)
class LiveSampler:
    """Picks the looks of one stream as its pictures come in.

    Where key frames come often enough, they alone are looked at: the latest one that is in time.
    Elsewhere what lies between is decoded too, from one look to the next, and a key frame is looked
    at only where a look is about to be due: what passes slowly seems to stand in two looks that
    follow close on each other.

    Attributes:
        interval_s: Seconds of which each is looked at; may be changed at any time.
    """

    interval_s: float
    _last_s: float | None = None
    _key_s: float | None = None
    _spacing_s: float | None = None
    _group: list[EncodedFrame] = field(default_factory=list)
    _group_bytes: int = 0
    _begins: bool = True
    _broken: bool = True

    def connected(self) -> None:
        """A new connection begins: nothing of the old one can be decoded on from."""
        self.lost()
        self._key_s = self._spacing_s = None

    def lost(self) -> None:
        """What was due was not decoded: nothing can be, before the next key frame."""
        self._group, self._group_bytes, self._broken = [], 0, True

    def take(self, steady_s: float, encoded: EncodedFrame) -> DueSample | None:
        """Takes in the next picture; tells what to decode where a look is due."""
        if encoded.key:
            self._begin(steady_s)
        elif self._broken:
            return None
        self._add(encoded)
        if encoded.key and self._by_key(steady_s):
            # It stays in the group: where pictures after it are wanted, they are decoded from it.
            self._last_s = steady_s
            return DueSample(steady_s, (encoded,), True)
        if not encoded.key and self._group and self._between(steady_s):
            due = DueSample(steady_s, tuple(self._group), self._begins)
            self._last_s, self._begins = steady_s, False
            self._group, self._group_bytes = [], 0
            return due
        return None

    def _begin(self, steady_s: float) -> None:
        if self._key_s is not None:
            self._spacing_s = steady_s - self._key_s
        self._key_s = steady_s
        self._group, self._group_bytes = [], 0
        self._begins, self._broken = True, False

    def _add(self, encoded: EncodedFrame) -> None:
        self._group.append(encoded)
        self._group_bytes += encoded.packet.size
        if self._group_bytes > _MOST_BYTES:
            self.lost()

    def _by_key(self, steady_s: float) -> bool:
        """Whether a key frame is looked at: the next one would come too late."""
        if self._last_s is None:
            return True
        if self._are_keys_rare(steady_s):
            return steady_s >= self._last_s + self.interval_s * _EARLY - _SAME_S
        due_s = self._last_s + self.interval_s
        spacing_s = self._spacing_s or 0.0
        return steady_s >= due_s - _SAME_S or steady_s + spacing_s > due_s + _SAME_S

    def _between(self, steady_s: float) -> bool:
        """Whether a look is due that no key frame has come for."""
        if self._last_s is None:
            return False
        if self._are_keys_rare(steady_s):
            return steady_s >= self._last_s + self.interval_s - _SAME_S
        # A key frame should come any moment.
        return steady_s > self._last_s + self.interval_s * KEY_SPACING_TOLERANCE + _SAME_S

    def _are_keys_rare(self, steady_s: float) -> bool:
        """Whether key frames lie too far apart for a look every interval."""
        since_s = 0.0 if self._key_s is None else steady_s - self._key_s
        longest_s = max(self._spacing_s or 0.0, since_s)
        return longest_s > self.interval_s * KEY_SPACING_TOLERANCE + _SAME_S

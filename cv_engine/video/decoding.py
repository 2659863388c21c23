"""Decodes a recording's packets into the pictures that a plan selects."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import av
from av.video.frame import VideoFrame

from cv_engine.video.decoder import Decoder
from cv_engine.video.demux import Coded
from cv_engine.video.errors import Skip
from cv_engine.video.sampler import Due, Plan
from cv_engine.video.timeline import Timeline

# Number of damaged groups of pictures, without a sound one, that points to the encoder rather than
# to the recording: some encoders break the standard in ways that every player tolerates.
_STRICT_ATTEMPTS = 3


class Decoded(NamedTuple):
    """A decoded picture: media time in seconds, whether it is a key frame, and the frame."""

    media_s: float
    key: bool
    frame: VideoFrame


class TooStrictError(Exception):
    """Nothing decodes in strict mode; the pass must start again with errors concealed."""


@dataclass(slots=True)
class Log:
    """Damage found in one pass, and whether the recording is the cause.

    Attributes:
        strict: Whether the decoder raises errors for damaged pictures.
        skipped: Stretches without a picture, seconds.
    """

    strict: bool
    skipped: list[Skip] = field(default_factory=list)
    _since: tuple[float, str] | None = None
    _damaged: int = 0
    _sound: int = 0

    def damaged(self, media_s: float, error: av.FFmpegError) -> None:
        """Records that nothing can be decoded from ``media_s``.

        Raises:
            TooStrictError: Nothing could be decoded from the start.
        """
        if self._since is None:
            self._since = (media_s, f"damaged picture data ({error.strerror})")
        self._damaged += 1
        if self.strict and not self._sound and self._damaged >= _STRICT_ATTEMPTS:
            raise TooStrictError

    def sound(self) -> None:
        """Records that a whole group of pictures was decoded."""
        self._sound += 1

    def seen(self, media_s: float) -> None:
        """Records that there is a picture at ``media_s``."""
        if self._since is not None:
            since_s, reason = self._since
            self.skipped.append(Skip(since_s, max(since_s, media_s), reason))
            self._since = None

    def end(self, media_s: float) -> None:
        """Ends the pass.

        Raises:
            TooStrictError: No group of pictures was sound.
        """
        if self.strict and self._damaged and not self._sound:
            raise TooStrictError
        if self._since is not None and media_s > self._since[0]:
            self.seen(media_s)


@dataclass(slots=True)
class Group:
    """Decodes consecutive packets, starting at a key frame or a recovery point.

    Attributes:
        decoder: The decoder.
        timeline: Gives the media time of a decoded picture.
        log: Records damage.
        keyless: Whether the stream has no key frames, so that none can be waited for.
    """

    decoder: Decoder
    timeline: Timeline
    log: Log
    keyless: bool = False
    _key_s: float | None = None
    _waiting: bool = True
    _last_s: float = -1.0
    _unstamped: deque[int] = field(default_factory=deque)

    def feed(self, coded: Coded) -> Iterator[Decoded]:
        """Decodes a packet; yields the pictures that it completes, in display order."""
        # Recovery points are searched for where one is needed: that takes longer than all else.
        may_begin = coded.key or self._waiting
        recovery = self.decoder.recovery(coded.packet) if may_begin else None
        if recovery == 0:
            yield from self._at_key(coded)
        elif recovery is not None:
            yield from self._at_recovery_point(coded)
        elif self._waiting and not self.keyless:
            return
        elif self._key_s is not None and coded.media_s < self._key_s:
            return  # a picture that refers to others before the key frame, which were not decoded
        elif self._key_s is not None and self._unstamped and self.decoder.is_skipped(coded.packet):
            self._unstamped.popleft()  # shown before the key frame, had it been decoded
            self._unstamped.append(coded.packet.dts or 0)
        else:
            yield from self._decode(coded)

    def finish(self) -> Iterator[Decoded]:
        """Yields the pictures delayed for reordering, and resets the group."""
        try:
            frames = self.decoder.decode(None) if not self._waiting or self.keyless else []
        except av.FFmpegError:
            frames = []  # the packet's damage is recorded already
        yield from self._timed(frames)
        self._restart()
        if not self._waiting:
            self.log.sound()
        self._waiting = True

    def _restart(self) -> None:
        self.decoder.restart()
        self._unstamped.clear()

    def _at_key(self, coded: Coded) -> Iterator[Decoded]:
        if self.decoder.is_lenient:
            yield from self.finish()
        if self._waiting:
            self._key_s = coded.media_s
        else:
            self._key_s = None  # all pictures that the leading pictures refer to were decoded
            self.log.sound()
        self._waiting = False
        yield from self._decode(coded)

    def _at_recovery_point(self, coded: Coded) -> Iterator[Decoded]:
        """The decoder returns pictures once they are whole, at once where it has decoded before."""
        if self._waiting:
            self.decoder.restart(lenient=True)
        else:
            self.log.sound()
        self._waiting = self.keyless = False  # there is something to wait for
        yield from self._decode(coded)

    def _decode(self, coded: Coded) -> Iterator[Decoded]:
        if coded.packet.pts is None and coded.packet.dts is not None:
            self._unstamped.append(coded.packet.dts)
        try:
            frames = self.decoder.decode(coded.packet)
        except av.FFmpegError as error:
            if not self.keyless:
                self._restart()
                self._waiting = True
            self.log.damaged(coded.media_s, error)
            return
        yield from self._timed(frames)

    def _timed(self, frames: list[VideoFrame]) -> Iterator[Decoded]:
        for frame in frames:
            media_s = self._media_s(frame)
            if media_s <= self._last_s:
                media_s = self._last_s + float(self.timeline.time_base)
            self._last_s = media_s
            self.log.seen(media_s)
            yield Decoded(max(0.0, media_s), bool(frame.key_frame), frame)

    def _media_s(self, frame: VideoFrame) -> float:
        if frame.pts is not None:
            return self.timeline.seconds(frame.pts)
        if self._unstamped:
            # AVI stores no presentation times. Decoding and presentation times both rise, so the
            # n-th decoded picture has the time of the n-th packet.
            return self.timeline.seconds(self._unstamped.popleft())
        return self._last_s + float(self.timeline.step * self.timeline.time_base)


@dataclass(slots=True)
class Picker:
    """Picks the picture shown at the end of each ``sample_s`` from all pictures in display order.

    Attributes:
        due: Time of the last sample, and when the next one is due.
    """

    due: Due
    _held: Decoded | None = None

    def offer(self, decoded: Decoded) -> Iterator[Decoded]:
        """Receives the next picture; yields the pictures that are due now."""
        if self._held is not None and self.due.is_late(decoded.media_s):
            yield from self._pick(self._held)
        if self.due.is_late(decoded.media_s):
            yield from self._pick(decoded)
        self._held = decoded

    def end(self) -> Iterator[Decoded]:
        """Yields the last picture, so that a recording is sampled up to its end."""
        if self._held is not None:
            yield from self._pick(self._held)

    def _pick(self, decoded: Decoded) -> Iterator[Decoded]:
        if self.due.is_new(decoded.media_s):
            self.due.last_s = decoded.media_s
            yield decoded


@dataclass(slots=True)
class Pass:
    """One pass over a recording, which yields the pictures that a plan selects.

    Attributes:
        packets: The recording's packets.
        timeline: The packets' time line.
        plan: Which pictures to select.
        decoder: Decodes key frames alone (plan ``"key"``) or all pictures.
        whole: Returns a decoder for the groups that the plan ``"key"`` must decode completely.
        log: Records damage.
        keyless: Whether the stream has no key frames.
    """

    packets: Iterable[Coded]
    timeline: Timeline
    plan: Plan
    decoder: Decoder
    whole: Callable[[], Decoder]
    log: Log
    keyless: bool = False

    def __iter__(self) -> Iterator[Decoded]:
        step_s = float(self.timeline.step * self.timeline.time_base)
        due = Due(self.plan.sample_s, step_s)
        yield from self._key_frames(due) if self.plan.decode == "key" else self._all_frames(due)
        self.log.end(self.timeline.last_s)

    def _all_frames(self, due: Due) -> Iterator[Decoded]:
        group = Group(self.decoder, self.timeline, self.log, self.keyless)
        picker = Picker(due)
        for coded in self.packets:
            yield from _picked(picker, group.feed(coded))
        yield from _picked(picker, group.finish())
        yield from picker.end()

    def _key_frames(self, due: Due) -> Iterator[Decoded]:
        """The latest key frame in time for each sample, or else pictures of the group."""
        waiting: list[Coded] = []  # packets since the last key frame, while they may be needed
        undecided: Coded | None = None  # a key frame that a later one may replace
        group: Group | None = None  # the group that is being decoded completely
        picker = Picker(due)
        for coded in self.packets:
            if waiting and due.is_overdue(coded.media_s):
                if undecided is not None:
                    yield from self._alone(undecided, due)
                    undecided = None
                if len(waiting) > 1 and due.is_overdue(coded.media_s):
                    group, picker = Group(self.whole(), self.timeline, self.log), Picker(due)
                    for earlier in waiting:
                        yield from _picked(picker, group.feed(earlier))
                    waiting = []
            recovery = self.decoder.recovery(coded.packet) if coded.key else None
            if recovery == 0:
                if group is not None:
                    yield from _picked(picker, group.finish())
                    if due.is_late(coded.media_s):
                        yield from picker.end()
                elif undecided is not None and due.is_late(coded.media_s):
                    yield from self._alone(undecided, due)
                group, waiting = None, [coded]
                undecided = coded if due.is_new(coded.media_s) else None
                if undecided is not None and due.is_last_chance(coded.media_s):
                    yield from self._alone(undecided, due)
                    undecided = None
            elif group is not None:
                yield from _picked(picker, group.feed(coded))
            elif waiting:
                waiting.append(coded)
            elif self.decoder.recovery(coded.packet) is not None:
                group = Group(self.whole(), self.timeline, self.log)
                yield from _picked(picker, group.feed(coded))
        if group is not None:
            yield from _picked(picker, group.finish())
            yield from picker.end()
        elif undecided is not None:
            yield from self._alone(undecided, due)

    def _alone(self, coded: Coded, due: Due) -> Iterator[Decoded]:
        """Decodes a key frame by itself; if it is damaged, the sample stays due."""
        try:
            frame = self.decoder.decode_alone(coded.packet)
        except av.FFmpegError as error:
            self.log.damaged(coded.media_s, error)
            return
        if frame is not None:
            due.last_s = coded.media_s
            self.log.sound()
            self.log.seen(coded.media_s)
            yield Decoded(coded.media_s, True, frame)


def _picked(picker: Picker, pictures: Iterable[Decoded]) -> Iterator[Decoded]:
    for decoded in pictures:
        yield from picker.offer(decoded)

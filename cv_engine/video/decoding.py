"""Turns a recording's packets into the pictures that a plan asks for."""

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

# Damaged groups of pictures, with no sound one, after which the encoder and not the recording is
# at fault: some break the standard in ways that every player forgives.
_STRICT_ATTEMPTS = 3


class Decoded(NamedTuple):
    """A decoded picture: media time in seconds, whether it is a key frame, and the frame."""

    media_s: float
    key: bool
    frame: VideoFrame


class TooStrictError(Exception):
    """Nothing decodes without concealing errors; the pass must start again, forgiving them."""


@dataclass(slots=True)
class Log:
    """What went wrong in one pass, and whether it is the recording's fault.

    Attributes:
        strict: Whether damaged pictures are errors to the decoder.
        skipped: Stretches without a picture, seconds.
    """

    strict: bool
    skipped: list[Skip] = field(default_factory=list)
    _since: tuple[float, str] | None = None
    _damaged: int = 0
    _sound: int = 0

    def damaged(self, media_s: float, error: av.FFmpegError) -> None:
        """Notes that nothing can be decoded from ``media_s`` on.

        Raises:
            TooStrictError: It has been so from the start.
        """
        if self._since is None:
            self._since = (media_s, f"damaged picture data ({error.strerror})")
        self._damaged += 1
        if self.strict and not self._sound and self._damaged >= _STRICT_ATTEMPTS:
            raise TooStrictError

    def sound(self) -> None:
        """Notes that a whole group of pictures was decoded."""
        self._sound += 1

    def seen(self, media_s: float) -> None:
        """Notes that there is a picture at ``media_s``."""
        if self._since is not None:
            self.skipped.append(Skip(self._since[0], media_s, self._since[1]))
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
    """Decodes packets one after another, from a key frame on.

    Attributes:
        decoder: The decoder.
        timeline: Tells the media time of a decoded picture.
        log: Where damage is noted.
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
        if coded.key:
            yield from self._at_key(coded)
        elif self._waiting and not self.keyless:
            return
        elif self._key_s is not None and coded.media_s < self._key_s:
            return  # refers to pictures before the key frame, which were not decoded
        else:
            yield from self._decode(coded)

    def finish(self) -> Iterator[Decoded]:
        """Yields the pictures held back for reordering and starts afresh."""
        try:
            frames = self.decoder.decode(None) if not self._waiting or self.keyless else []
        except av.FFmpegError:
            frames = []  # the damage was told with the packet
        yield from self._timed(frames)
        self._restart()
        if not self._waiting:
            self.log.sound()
        self._waiting = True

    def _restart(self) -> None:
        self.decoder.restart()
        self._unstamped.clear()

    def _at_key(self, coded: Coded) -> Iterator[Decoded]:
        if self._waiting:
            self._key_s = coded.media_s
        else:
            self._key_s = None  # what it and its leading pictures refer to has been decoded
            self.log.sound()
        self._waiting = False
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
            # AVI stores no presentation times. Decoding times rise, and so do the times shown:
            # the n-th picture out was due when the n-th packet went in.
            return self.timeline.seconds(self._unstamped.popleft())
        return self._last_s + float(self.timeline.step * self.timeline.time_base)


@dataclass(slots=True)
class Picker:
    """Picks, of all pictures in display order, the one shown at the end of each ``sample_s``.

    Attributes:
        due: What has been looked at and when the next look is due.
    """

    due: Due
    _held: Decoded | None = None

    def offer(self, decoded: Decoded) -> Iterator[Decoded]:
        """Takes the next picture; yields those that are now due."""
        if self._held is not None and self.due.is_late(decoded.media_s):
            yield from self._pick(self._held)
        if self.due.is_late(decoded.media_s):
            yield from self._pick(decoded)
        self._held = decoded

    def end(self) -> Iterator[Decoded]:
        """Yields the last picture, so that a recording is looked at up to its end."""
        if self._held is not None:
            yield from self._pick(self._held)

    def _pick(self, decoded: Decoded) -> Iterator[Decoded]:
        if self.due.is_new(decoded.media_s):
            self.due.last_s = decoded.media_s
            yield decoded


@dataclass(slots=True)
class Pass:
    """One pass over a recording, picking the pictures that a plan asks for.

    Attributes:
        packets: The recording's packets.
        timeline: Their time line.
        plan: What to pick.
        decoder: Decodes key frames alone (plan ``"key"``) or everything.
        whole: Makes a decoder for the groups that the plan ``"key"`` must decode whole.
        log: Where damage is noted.
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
        """The latest key frame in time for each look; where there is none, its group's pictures."""
        waiting: list[Coded] = []  # from the last key frame on, as long as they may be needed
        undecided: Coded | None = None  # a key frame that a later one may stand in for
        group: Group | None = None  # what is being decoded whole
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
            if coded.key:
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
        if group is not None:
            yield from _picked(picker, group.finish())
            yield from picker.end()
        elif undecided is not None:
            yield from self._alone(undecided, due)

    def _alone(self, coded: Coded, due: Due) -> Iterator[Decoded]:
        """Decodes a key frame by itself; if it is damaged, the look stays due."""
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

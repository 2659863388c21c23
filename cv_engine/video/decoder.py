"""A video decoder that reports damage and returns pictures without delay."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.codec.context import ThreadType
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cv_engine.video.random_access import RandomAccess

if TYPE_CHECKING:
    from av.packet import Packet


# Packets without a picture, after whole ones, that mean that the decoder withholds all that follow.
# H.264 and H.265 delay pictures by at most 16.
_MOST_WITHHELD = 32


class Decoder:
    """A video decoder that raises an error for a damaged picture instead of guessing.

    Args:
        context: A codec context that is not open yet.
        threads: Slice threads; pictures are never decoded in parallel, which would delay them.
        strict: Whether a damaged picture is an error; otherwise FFmpeg conceals the damage.
        deblock: Whether H.264 and H.265 pictures are smoothed at their block edges. Without
            smoothing, a picture costs about a tenth less and is slightly blocky; allowed only for
            pictures that no other refers to.
        skip_unreferenced: Whether to skip pictures that no other refers to.
    """

    def __init__(
        self,
        context: VideoCodecContext,
        *,
        threads: int = 1,
        strict: bool = True,
        deblock: bool = True,
        skip_unreferenced: bool = False,
    ) -> None:
        options = dict(context.options)
        if strict:
            options["err_detect"] = "explode"
        if not deblock:
            options["skip_loop_filter"] = "all"
        context.options = options
        context.thread_count = threads
        context.thread_type = ThreadType.SLICE
        if skip_unreferenced:
            context.skip_frame = "NONREF"
        self._context = self._strict = context
        self._lenient: VideoCodecContext | None = None  # made where it is needed
        self._withheld: int | None = None  # packets since the last whole picture
        self._access = RandomAccess.of(context.codec.canonical_name, context.extradata)

    @property
    def pixel_shape(self) -> Fraction | None:
        """Width of a pixel by its height, as the last picture stated it; ``None``: not stated."""
        return self._context.sample_aspect_ratio

    def recovery(self, packet: Packet[VideoStream]) -> int | None:
        """After how many pictures whole ones come where decoding begins with this packet.

        Until then :meth:`decode` returns none. See :meth:`RandomAccess.recovery`.
        """
        return self._access.recovery(packet)

    def is_skipped(self, packet: Packet[VideoStream]) -> bool:
        """Whether FFmpeg returns no picture; see :meth:`RandomAccess.is_skipped`."""
        return self._access.is_skipped(packet)

    def decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        """Decodes one packet; ``None`` returns the pictures delayed for reordering.

        Raises:
            av.FFmpegError: The packet is damaged.
        """
        if packet is not None and packet.is_corrupt:
            raise av.InvalidDataError(0, "part of the picture is missing in the file")
        frames = self._context.decode(packet)
        whole = [frame for frame in frames if not frame.is_corrupt]
        if self.is_lenient and packet is not None:
            self._check(is_corrupt=len(whole) < len(frames), has_come=bool(whole))
        return whole

    def _check(self, *, is_corrupt: bool, has_come: bool) -> None:
        """Finds damage by its result, where errors are not reported."""
        if has_come:
            self._withheld = 0
        elif self._withheld is not None:
            self._withheld += 1
        if is_corrupt or (self._withheld or 0) > _MOST_WITHHELD:
            raise av.InvalidDataError(0, "the picture is damaged, or one that it refers to")

    def decode_alone(self, packet: Packet[VideoStream]) -> VideoFrame | None:
        """Decodes a key frame without waiting for later packets."""
        try:
            frames = self.decode(packet) or self.decode(None)
        finally:
            self._context.flush_buffers()
        return frames[0] if frames else None

    @property
    def is_lenient(self) -> bool:
        """Whether decoding has begun without a key frame."""
        return self._context is self._lenient

    def restart(self, *, lenient: bool = False) -> None:
        """Discards all decoding state.

        Args:
            lenient: Whether decoding begins without a key frame. The first pictures may refer to
                others that were not decoded: no error, and they are not returned.
        """
        if lenient and self._lenient is None:
            self._lenient = self._copy()
        self._context = self._lenient if lenient and self._lenient else self._strict
        self._context.flush_buffers()
        self._withheld = None

    def _copy(self) -> VideoCodecContext:
        """A context of the same stream in which FFmpeg goes over errors."""
        given = self._strict
        context = av.CodecContext.create(given.codec, "r")
        assert isinstance(context, VideoCodecContext)
        context.extradata = given.extradata
        context.options = {k: v for k, v in given.options.items() if k != "err_detect"}
        context.thread_count, context.thread_type = given.thread_count, given.thread_type
        context.skip_frame = given.skip_frame
        return context

"""A video decoder that reports damage and returns pictures without delay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
from av.codec.context import ThreadType
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cv_engine.video.random_access import RandomAccess

if TYPE_CHECKING:
    from av.packet import Packet


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
        self._context = context
        self._access = RandomAccess.of(context.codec.canonical_name, context.extradata)

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
        return [frame for frame in self._context.decode(packet) if not frame.is_corrupt]

    def decode_alone(self, packet: Packet[VideoStream]) -> VideoFrame | None:
        """Decodes a key frame without waiting for later packets."""
        try:
            frames = self.decode(packet) or self.decode(None)
        finally:
            self._context.flush_buffers()
        return frames[0] if frames else None

    def restart(self) -> None:
        """Discards all decoding state."""
        self._context.flush_buffers()

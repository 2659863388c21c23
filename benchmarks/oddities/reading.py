"""Pictures of a stream or a recording: by our readers, and by FFmpeg alone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import av

from cv_engine.live.encoded_frame import EncodedFrame
from cv_engine.live.stream.address import Address
from cv_engine.live.stream.connection import Connection
from cv_engine.live.stream.errors import StreamError
from cv_engine.video.errors import VideoError
from cv_engine.video.sampler import Plan
from cv_engine.video.source import open_video

STALL_S = 10.0
_EVERY_PICTURE = Plan("all", 1e-6, "every picture is counted")


class Received(NamedTuple):
    """What came of a stream.

    Attributes:
        frames: Compressed frames.
        why: Why there are no more.
    """

    frames: list[EncodedFrame]
    why: str


def received(address: Address) -> Received:
    """All frames of a stream until the camera closes the connection."""
    frames: list[EncodedFrame] = []
    try:
        connection = Connection(address, STALL_S)
        try:
            frames.extend(connection)
        finally:
            connection.close()
    except StreamError as error:
        return Received(frames, str(error))
    raise AssertionError("the stream has no end")


def streamed_by_ffmpeg(address: Address) -> int:
    """Number of sound pictures that FFmpeg makes of a stream."""
    options = {"rtsp_transport": address.transport, "analyzeduration": "100000"}
    return _by_ffmpeg(address.with_credentials, options)


def recorded_by_ffmpeg(path: Path) -> int:
    """Number of sound pictures that FFmpeg makes of a recording."""
    return _by_ffmpeg(str(path), {})


def recorded(path: Path) -> int:
    """Number of pictures that our reader makes of a recording."""
    with suppress(VideoError):
        return sum(1 for _ in open_video(path).samples(_EVERY_PICTURE))
    return 0


def _by_ffmpeg(source: str, options: dict[str, str]) -> int:
    count = 0
    with suppress(av.FFmpegError), av.open(source, options=options, timeout=STALL_S) as container:
        if not container.streams.video or container.streams.video[0].codec_context is None:
            return 0
        for packet in container.demux(video=0):
            with suppress(av.FFmpegError):
                count += sum(not picture.is_corrupt for picture in packet.decode())
    return count

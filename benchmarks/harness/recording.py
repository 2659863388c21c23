"""Makes a long recording, in the form of a street camera's, from short clips."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

WIDTH, HEIGHT = 1920, 1080
RATE = 25
KEY_INTERVAL_S = 2
_EXTENSIONS = (".avi", ".mkv", ".mov", ".mp4")
# These decide the result besides the clips; a new number replaces cached recordings.
_ENCODING = {"preset": "veryfast", "crf": "23", "sc_threshold": "0"}
_VERSION = 2


def clips_in(data: Path) -> list[Path]:
    """The clips of a folder in order of name."""
    return sorted(path for path in data.iterdir() if path.suffix.lower() in _EXTENSIONS)


def make(clips: Sequence[Path], cache: Path) -> Path:
    """One recording of all clips, one after the other: 1080p, 25 Hz, H.264, key frame every 2 s.

    Clips are scaled to the full width and height and keep their own speed: pictures are repeated
    or left out to get 25 a second.

    Args:
        clips: The clips.
        cache: Folder in which the recording is cached.

    Returns:
        The path of the recording.
    """
    names = [f"{clip.name} {clip.stat().st_size}" for clip in clips]
    digest = hashlib.sha256(f"{names} {_ENCODING} {_VERSION}".encode()).hexdigest()[:16]
    path = cache / f"street-{digest}.mp4"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.mp4")
        _encode(_resampled(clips), part)
        part.replace(path)
    return path


def repeat(recording: Path, seconds: float, path: Path) -> Path:
    """Repeats a recording until it lasts ``seconds``, by copying packets: nothing is encoded."""
    with av.open(str(path), "w") as out:
        copy: VideoStream | None = None
        offset = 0
        while True:
            with av.open(str(recording)) as given:
                stream = given.streams.video[0]
                assert stream.time_base is not None
                copy = copy or out.add_stream_from_template(stream)
                for packet in given.demux(stream):
                    if packet.size == 0 or packet.pts is None or packet.dts is None:
                        continue
                    if packet.is_keyframe and (packet.pts + offset) * stream.time_base >= seconds:
                        return path
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = copy
                    out.mux(packet)
                offset += stream.duration or 0


def _resampled(clips: Sequence[Path]) -> Iterator[VideoFrame]:
    for clip in clips:
        with av.open(str(clip)) as container:
            shown = 0
            start: float | None = None
            for frame in container.decode(video=0):
                start = frame.time if start is None else start
                due = round((frame.time - start) * RATE) + 1
                if due > shown:
                    scaled = frame.reformat(WIDTH, HEIGHT, "yuv420p", interpolation="BICUBIC")
                for _ in range(shown, due):
                    yield scaled
                shown = max(shown, due)


def _encode(frames: Iterator[VideoFrame], path: Path) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        interval = RATE * KEY_INTERVAL_S
        stream.codec_context.options = _ENCODING | {"g": str(interval)}
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            frame.pict_type = av.video.frame.PictureType.NONE
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))

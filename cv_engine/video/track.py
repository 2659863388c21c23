"""Chooses the video track of a recording that has several."""

from __future__ import annotations

from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from cv_engine.video.errors import VideoError

# Pictures that are not part of the recording, such as a music file's cover.
_BESIDE = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails


def choose_track(path: Path, container: InputContainer, wanted: int | None = None) -> VideoStream:
    """Chooses the track that FFmpeg's players show.

    This is the track that the file marks as default, among several the one that FFmpeg ranks first
    by what it received at opening (``av_find_best_stream``). Covers, thumbnails and tracks of an
    unknown codec are left out.

    Args:
        path: The file, for messages.
        container: The open recording.
        wanted: Number of the track to take instead, as FFmpeg counts the tracks of a file: from 0,
            sound included.

    Raises:
        VideoError: There is no such track, or no picture that FFmpeg can decode.
    """
    tracks = [track for track in container.streams.video if not track.disposition & _BESIDE]
    if wanted is not None:
        for track in container.streams.video:
            if track.index == wanted:
                return _decodable(path, track)
        raise VideoError(
            f"{path}: has no video track {wanted}; there are: {_listed(container)}; "
            "correct --track, or leave it out"
        )
    if not tracks:
        what = "only sound" if container.streams.audio else "no pictures"
        raise VideoError(f"{path}: has {what}")
    usable = [track for track in tracks if _is_known(track)] or tracks
    best = container.streams.best("video")
    for track in usable:
        if best is not None and track.index == best.index:
            return _decodable(path, track)
    marked = [t for t in usable if t.disposition & av.stream.Disposition.default] or usable
    return _decodable(path, marked[0])


def _decodable(path: Path, track: VideoStream) -> VideoStream:
    if not _is_known(track):
        raise VideoError(
            f"{path}: FFmpeg knows no decoder for the pictures of track {track.index}; convert "
            "the file with the recorder's own software, to H.264 for instance"
        )
    return track


def _is_known(track: VideoStream) -> bool:
    # PyAV has no codec context where FFmpeg does not know the codec, whatever its types say.
    context: object = track.codec_context
    return context is not None


def _listed(container: InputContainer) -> str:
    return ", ".join(_described(track) for track in container.streams.video) or "none"


def _described(track: VideoStream) -> str:
    if not _is_known(track):
        return f"{track.index} (unknown codec)"
    context = track.codec_context
    size = f"{context.width} x {context.height}"
    default = ", default" if track.disposition & av.stream.Disposition.default else ""
    return f"{track.index} ({context.name}, {size}{default})"

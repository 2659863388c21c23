"""Recordings with periodic intra refresh: one key frame, then only recovery points."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.packet import Packet
from av.video.stream import VideoStream

from tests.video.recordings import record, times

#: Pictures from one recovery point to the next.
EVERY = 20
_START = b"\0\0\1"
_PARAMETERS = f"keyint={EVERY}:min-keyint={EVERY}:intra-refresh=1:bframes=0:scenecut=0"
# Supplemental information of H.265: recovery_poc_cnt 19, exact_match_flag, alignment, trailing bit.
_RECOVERY_POINT = b"\x4e\x01\x06\x02\x04\xd4\x80"
_VIDEO_TYPES_BELOW = 32


def refreshed(
    path: Path,
    count: int,
    *,
    codec: str = "libx264",
    marked: bool = True,
    drop: Iterable[int] = (),
    spoilt: Iterable[int] = (),
) -> Path:
    """Writes a recording whose ``n``-th picture shows the number ``n``, ten in a second.

    Args:
        path: The file; its suffix names the container.
        count: Number of pictures.
        codec: ``libx264`` or ``libx265``.
        marked: Whether recovery points are marked. x265 marks none, so they are added.
        drop: Pictures that are left out, such as the only key frame.
        spoilt: Pictures whose data are damaged.
    """
    raw = path.with_suffix(".first.h264" if codec == "libx264" else ".first.hevc")
    parameters = _PARAMETERS if codec == "libx264" else f"{_PARAMETERS}:log-level=error"
    record(raw, times(count), codec=codec, encoding={f"{codec[3:]}-params": parameters})
    data = raw.read_bytes()
    if codec == "libx265" and marked:
        raw.write_bytes(_with_recovery_points(data))
    elif codec == "libx264" and not marked:
        raw.write_bytes(b"".join(_START + unit for unit in units_of(data) if unit[0] & 31 != 6))
    left = [(number, data) for number, data in enumerate(_pictures(raw)) if number not in set(drop)]
    bad = set(spoilt)
    with av.open(str(raw)) as given, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(given.streams.video[0])
        for number, data in left:
            half = len(data) // 2 if number in bad else len(data)
            data = data[:half] + b"\xa5" * (len(data) - half)
            packet = cast("Packet[VideoStream]", Packet(data))
            packet.pts = packet.dts = number
            packet.duration, packet.time_base, packet.stream = 1, Fraction(1, 10), stream
            packet.is_keyframe = number == 0 or (codec == "libx264" and number % EVERY == 0)
            out.mux(packet)
    return path


def _pictures(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def units_of(data: bytes) -> list[bytes]:
    """The NAL units between start codes."""
    return [unit.rstrip(b"\0") for unit in data.split(_START)[1:]]


def _with_recovery_points(data: bytes) -> bytes:
    found, pictures = [], 0
    for unit in units_of(data):
        if unit[0] >> 1 & 63 < _VIDEO_TYPES_BELOW:
            if pictures and pictures % EVERY == 0:
                found.append(_RECOVERY_POINT)
            pictures += 1
        found.append(unit)
    return b"".join(_START + unit for unit in found)

"""How the pictures of a recorder's MP4 files are laid out: from a sound file, or from the stream.

Without its index, an MP4 file is a run of NAL units of the camera, each behind its length, between
pieces of sound. The index also holds what the decoder needs: the parameter sets. Another file of
the same camera has the same.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from av.container import InputContainer
from av.video.stream import VideoStream

from cv_engine.video.recovery.syntax import Codec, Head, Syntax

START_CODE = b"\0\0\0\1"
# Where in-band parameter sets are looked for: encoders repeat them with every key frame.
_SEARCHED_BYTES = 64 << 20
_LONGEST_SET = 4096
# A picture may be larger than any of the sound file's, but not by far.
_LARGER = 8
_LARGEST_UNIT = 16 << 20
_LENGTH_BYTES = 4
_HEAD_BYTES = 64
# Pictures of the sound file that show how NAL units begin: over a minute, with many key frames.
_SEEN_PICTURES = 2000
# Behind a length of four bytes, or a start code: the first parameter set of a key frame.
_FIRST_SETS: dict[Codec, re.Pattern[bytes]] = {
    "h264": re.compile(rb"(\0\0[\0-\x0f][\s\S])[\x27\x47\x67]", re.DOTALL),
    "hevc": re.compile(rb"(\0\0[\0-\x0f][\s\S])\x40\x01", re.DOTALL),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a stream in a file.

    Attributes:
        syntax: What the NAL units look like.
        header: Parameter sets with start codes, to be read first; empty where the stream has them.
        length_bytes: Size of the length before each NAL unit; 0: start codes.
        largest: Most bytes of a NAL unit.
    """

    syntax: Syntax
    header: bytes
    length_bytes: int
    largest: int


def layout_of(container: InputContainer, stream: VideoStream) -> Layout | None:
    """The layout of a sound file's stream, ``None`` where it is not H.264 or H.265 in MP4."""
    name = stream.codec_context.codec.canonical_name
    record = bytes(stream.codec_context.extradata or b"")
    if name not in ("h264", "hevc") or not record.startswith(b"\1"):
        return None
    codec: Codec = "h264" if name == "h264" else "hevc"
    try:
        length_bytes, units = _avcc(record) if codec == "h264" else _hvcc(record)
    except (struct.error, IndexError):
        return None
    sizes = [entry.size for entry in stream.index_entries]
    largest = min(_LARGEST_UNIT, _LARGER * max(sizes, default=_LARGEST_UNIT))
    header = b"".join(START_CODE + unit for unit in units)
    packets = islice(container.demux(stream), _SEEN_PICTURES)
    heads = frozenset(
        head for packet in packets for head in _heads(bytes(packet), length_bytes, Syntax(codec))
    )
    return Layout(Syntax(codec, heads), header, length_bytes, largest)


def _heads(data: bytes, length_bytes: int, syntax: Syntax) -> Iterator[Head]:
    """How the NAL units of one picture begin."""
    at = 0
    while at + length_bytes < len(data):
        begin = at + length_bytes
        head = syntax.head_of(data[begin : begin + _HEAD_BYTES])
        if head is not None:
            yield head
        at = begin + int.from_bytes(data[at:begin], "big")


def _avcc(record: bytes) -> tuple[int, list[bytes]]:
    """Length size and parameter sets of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15)."""
    units: list[bytes] = []
    at = 5
    for mask in (31, 255):
        count, at = record[at] & mask, at + 1
        for _ in range(count):
            at = _append(units, record, at)
    return (record[4] & 3) + 1, units


def _hvcc(record: bytes) -> tuple[int, list[bytes]]:
    """Length size and parameter sets of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15)."""
    units: list[bytes] = []
    at = 23
    for _ in range(record[22]):
        (count,) = struct.unpack_from(">H", record, at + 1)
        at += 3
        for _ in range(count):
            at = _append(units, record, at)
    return (record[21] & 3) + 1, units


def _append(units: list[bytes], record: bytes, at: int) -> int:
    size = int.from_bytes(record[at : at + 2], "big")
    units.append(record[at + 2 : at + 2 + size])
    return at + 2 + size


def layout_in_band(data: mmap.mmap) -> Layout | None:
    """The layout of a stream that carries its parameter sets, ``None`` where there are none."""
    for codec, pattern in _FIRST_SETS.items():
        for match in pattern.finditer(data, 0, min(len(data), _SEARCHED_BYTES)):
            length_bytes = 0 if match[1] == START_CODE else _LENGTH_BYTES
            syntax = Syntax(codec)
            units = _sets_from(data, match.start(), length_bytes, syntax)
            if {syntax.type_of(unit) for unit in units} >= syntax.parameter_sets:
                return Layout(syntax, b"", length_bytes, _LARGEST_UNIT)
    return None


def _sets_from(data: mmap.mmap, at: int, length_bytes: int, syntax: Syntax) -> Sequence[bytes]:
    """The parameter sets that follow each other from a position."""
    if not length_bytes:
        parts = re.split(rb"\x00\x00\x00?\x01", data[at : at + _LONGEST_SET])
        return [part for part in parts if part and syntax.is_parameter_set(part)]
    units: list[bytes] = []
    while True:
        unit = data[at + length_bytes : at + length_bytes + _LONGEST_SET]
        size = int.from_bytes(data[at : at + length_bytes], "big")
        if not 0 < size <= len(unit) or not syntax.is_parameter_set(unit):
            return units
        units.append(unit[:size])
        at += length_bytes + size

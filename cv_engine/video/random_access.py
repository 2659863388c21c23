"""Where decoding may begin: key frames, and recovery points of periodic intra refresh.

An encoder with periodic intra refresh sends no key frame after the first one. It renews every
picture part by part, and marks where a renewal begins by a recovery point: a decoder that begins
there shows whole pictures some pictures later (H.264, D.2.8; H.265, D.3.8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

_START = b"\0\0\1"
_CODE = b"\0\0\0\1"  # the form of start codes that readers of streams write
_MP4_HEADER = 1  # first byte of a codec header in MP4's form, not Annex B's
_RECOVERY_POINT = 6  # payload type of supplemental information
_SKIPPED_LEADING = (8, 9)  # types of H.265's NAL units, table 7-1
# Supplemental information and parameter sets before a picture are no longer than this, bytes.
_MOST_BYTES = 1 << 16
# recovery_frame_cnt is below MaxFrameNum, and recovery_poc_cnt below half of the largest POC.
_MOST_PICTURES = 1 << 16


class _Form(NamedTuple):
    """The NAL units of a codec, by the first byte of each.

    Attributes:
        pictures: First bytes of units with part of a picture.
        keys: Those of key frames.
        information: Those of supplemental information.
        head_bytes: Size of a unit's head.
        length_at: Where MP4's codec header has the size of the units' lengths.
    """

    pictures: frozenset[int]
    keys: frozenset[int]
    information: frozenset[int]
    head_bytes: int
    length_at: int


def _first_bytes(type_of: Callable[[int], int], types: range) -> frozenset[int]:
    return frozenset(byte for byte in range(256) if type_of(byte) in types)


def _form(type_of: Callable[[int], int], *types: range, head_bytes: int, length_at: int) -> _Form:
    pictures, keys, information = (_first_bytes(type_of, each) for each in types)
    return _Form(pictures, keys, information, head_bytes, length_at)


_FORMS = {
    "h264": _form(
        *(lambda byte: byte & 31, range(1, 6), range(5, 6), range(6, 7)), head_bytes=1, length_at=4
    ),
    "hevc": _form(
        *(lambda byte: byte >> 1 & 63, range(32), range(16, 24), range(39, 40)),
        head_bytes=2,
        length_at=21,
    ),
}


@dataclass(frozen=True, slots=True)
class RandomAccess:
    """Tells at which compressed pictures of one stream decoding may begin.

    Attributes:
        codec: FFmpeg's name of the codec.
        length_bytes: Size of the length before each NAL unit; 0 where start codes separate them.
    """

    codec: str
    length_bytes: int = 0

    @classmethod
    def of(cls, codec: str, header: bytes | None) -> RandomAccess:
        """That of a stream with this codec header (FFmpeg's extradata)."""
        form = _FORMS.get(codec)
        if form is None or not header or header[0] != _MP4_HEADER or len(header) <= form.length_at:
            return cls(codec)
        return cls(codec, (header[form.length_at] & 3) + 1)

    def recovery(self, packet: Packet[VideoStream]) -> int | None:
        """After how many pictures a decoder that begins here shows whole ones.

        Returns:
            0 for a key frame, which can be decoded alone; ``None`` where decoding cannot begin. A
            packet that its container or FFmpeg calls a key frame is one, unless the packet says
            that the picture is renewed part by part.
        """
        if self.codec not in _FORMS:
            return 0 if packet.is_keyframe else None
        head = bytes(memoryview(packet)[:_MOST_BYTES])
        found = recovery_of(self.codec, head, self.length_bytes)
        return 0 if found is None and packet.is_keyframe else found

    def is_skipped(self, packet: Packet[VideoStream]) -> bool:
        """Whether a decoder that began with the key frame before passes over this picture.

        Such pictures of H.265 (RASL, 3.116) are shown before that key frame and refer to pictures
        before it.
        """
        if self.codec != "hevc":
            return False
        data = bytes(memoryview(packet)[:_MOST_BYTES])
        pictures = _FORMS["hevc"].pictures
        first = next(
            (data[at] for at in _starts(data, self.length_bytes) if data[at] in pictures), 0
        )
        return first >> 1 & 63 in _SKIPPED_LEADING


def recovery_of(codec: str, data: bytes, length_bytes: int = 0) -> int | None:
    """After how many pictures a decoder that begins with this access unit shows whole ones.

    Args:
        codec: FFmpeg's name of the codec.
        data: NAL units of one picture.
        length_bytes: See :class:`RandomAccess`.

    Returns:
        0 for a key frame, ``None`` where decoding cannot begin, and for other codecs.
    """
    form = _FORMS.get(codec)
    if form is None:
        return None
    if data[:4] == _CODE and data[4:5] and data[4] in form.pictures:
        return 0 if data[4] in form.keys else None  # so begin most, and this is quick
    recovery = None
    for at in _starts(data, length_bytes):
        first = data[at]
        if first in form.pictures:
            return 0 if first in form.keys else recovery
        if first in form.information:
            unit = data[at + form.head_bytes : _end(data, at, length_bytes)]
            found = _recovery_point(unit, is_signed=codec == "hevc")
            recovery = recovery if found is None else found
    return None


def _starts(data: bytes, length_bytes: int) -> Iterator[int]:
    """Where each NAL unit begins."""
    if length_bytes:
        at = length_bytes
        while at < len(data):
            yield at
            at = _end(data, at, length_bytes) + length_bytes
        return
    at = data.find(_START)
    while 0 <= at < len(data) - len(_START):
        yield at + len(_START)
        at = data.find(_START, at + len(_START))


def _end(data: bytes, at: int, length_bytes: int) -> int:
    """Where the NAL unit ends that begins at a position."""
    if length_bytes:
        return at + int.from_bytes(data[at - length_bytes : at], "big")
    following = data.find(_START, at)
    return len(data) if following < 0 else following


def _recovery_point(information: bytes, *, is_signed: bool) -> int | None:
    """The number of pictures that a recovery point states; ``None`` where there is none."""
    body = information.replace(b"\0\0\3", b"\0\0")  # emulation prevention
    at = 0
    while at + 2 < len(body):
        kind, at = _sum_of_bytes(body, at)
        size, at = _sum_of_bytes(body, at)
        if kind == _RECOVERY_POINT:
            count = _exp_golomb(body[at : at + size])
            if count is None or not is_signed:
                return count
            # H.265 counts in the order of display: odd codes are above 0, even ones below. Its
            # recovery points are no key frames, which have a type of their own.
            return (count + 1) // 2 if count % 2 else 1
        at += size
    return None


def _sum_of_bytes(body: bytes, at: int) -> tuple[int, int]:
    """A number coded as bytes of 255 and one smaller byte, and the position after it."""
    total = 0
    while at < len(body):
        total += body[at]
        at += 1
        if body[at - 1] != 0xFF:
            break
    return total, at


def _exp_golomb(data: bytes) -> int | None:
    """The number at the start of ``data`` in the code ue(v); ``None`` where there is none."""
    size = 8 * len(data)
    bits = int.from_bytes(data, "big")
    zeros = size - bits.bit_length()
    if not bits or 2 * zeros + 1 > size:
        return None
    return min(_MOST_PICTURES, (bits >> size - 2 * zeros - 1) - 1)

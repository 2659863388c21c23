"""Recognises NAL units of H.264 and H.265 among other bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Codec: TypeAlias = Literal["h264", "hevc"]

# What may follow two zero bytes within a NAL unit is 3 or more (H.264 7.4.1, H.265 7.4.2).
_FORBIDDEN = re.compile(rb"\0\0[\0-\2]")
_END_OF_STREAM = re.compile(rb"\x00\x00\x00?\x01[\x0a\x0b]\Z")  # H.264, table 7-1
# Bytes of a slice that hold the fields read here, emulation prevention included.
_SLICE_HEAD = 24
_MOST_SLICE_TYPE, _ALL_SLICES_ALIKE = 9, 5  # H.264, table 7-6
_MOST_PICTURE_SET, _MOST_HEVC_PICTURE_SET = 255, 63  # H.264, 7.4.2.2; H.265, 7.4.3.3.1
# Types of NAL units that recorders write (H.264, table 7-1; H.265, table 7-1).
_H264_SLICES = (1, 5)
_H264_TYPES = {1, 5, 6, 7, 8, 9, 10, 11, 12}
_HEVC_SLICES = frozenset((*range(10), *range(16, 22)))
_HEVC_TYPES = _HEVC_SLICES | {32, 33, 34, 35, 36, 37, 38, 39, 40}
_HEVC_RANDOM_ACCESS = range(16, 24)
_SETS = {"h264": frozenset((7, 8)), "hevc": frozenset((32, 33, 34))}
_HEADER_BYTES = {"h264": 1, "hevc": 2}


class _Bits:
    """Reads bits and Exp-Golomb numbers of a payload (H.264 and H.265, 9.1)."""

    def __init__(self, payload: bytes) -> None:
        plain = payload.replace(b"\0\0\3", b"\0\0")
        self._bits = "".join(f"{byte:08b}" for byte in plain)
        self._at = 0

    def flag(self) -> bool:
        self._at += 1
        return self._bits[self._at - 1] == "1"

    def number(self) -> int:
        zeros = self._bits.index("1", self._at) - self._at
        first, self._at = self._at + zeros, self._at + 2 * zeros + 1
        return int(self._bits[first : self._at], 2) - 1


Head: TypeAlias = tuple[int | bool | bytes, ...]
"""What the NAL units of one encoder have in common: the first byte, and the first fields."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """What NAL units of one stream look like.

    Attributes:
        codec: FFmpeg's name of the codec.
        heads: How the units of this stream begin; empty where that is not known yet.
    """

    codec: Codec
    heads: frozenset[Head] = frozenset()

    @property
    def header_bytes(self) -> int:
        """Length of a NAL unit's header."""
        return _HEADER_BYTES[self.codec]

    def type_of(self, head: bytes) -> int:
        """The type of the NAL unit that begins with ``head``."""
        return head[0] & 31 if self.codec == "h264" else head[0] >> 1 & 63

    @property
    def parameter_sets(self) -> frozenset[int]:
        """The types of parameter sets."""
        return _SETS[self.codec]

    def is_parameter_set(self, head: bytes) -> bool:
        """Whether a NAL unit is a parameter set."""
        return self.type_of(head) in _SETS[self.codec]

    def first_bytes(self) -> bytes:
        """The values that the first byte of a NAL unit may have."""
        return bytes(value for value in range(128) if self._is_header(bytes((value, 1))))

    def begins_unit(self, data: bytes) -> bool:
        """Whether bytes may be the beginning of a NAL unit."""
        head = self.head_of(data)
        return head is not None and (not self.heads or head in self.heads)

    def head_of(self, data: bytes) -> Head | None:
        """How the NAL unit begins that ``data`` may be the beginning of; ``None`` if it cannot."""
        if len(data) <= self.header_bytes or not self._is_header(data):
            return None
        slices = _H264_SLICES if self.codec == "h264" else _HEVC_SLICES
        if self.type_of(data) not in slices:
            return (data[: self.header_bytes + 1],)
        try:
            return self._head_of_slice(data[:_SLICE_HEAD])
        except (ValueError, IndexError):
            return None

    def _is_header(self, head: bytes) -> bool:
        kind = self.type_of(head)
        if head[0] & 0x80:
            return False
        if self.codec == "hevc":
            has_layer = head[0] & 1 or head[1] >> 3
            return kind in _HEVC_TYPES and not has_layer and head[1] & 7 != 0
        is_referred_to = bool(head[0] & 0x60)
        if kind in (5, 7, 8):
            return is_referred_to
        return kind in _H264_TYPES and (kind == 1 or not is_referred_to)

    def _head_of_slice(self, data: bytes) -> Head | None:
        header, bits = data[: self.header_bytes], _Bits(data[self.header_bytes :])
        if self.codec == "h264":
            is_first, kind, number = bits.number() == 0, bits.number(), bits.number()
            is_plausible = kind <= _MOST_SLICE_TYPE and number <= _MOST_PICTURE_SET
            return (header, is_first, kind < _ALL_SLICES_ALIKE, number) if is_plausible else None
        is_first = bits.flag()
        if self.type_of(data) in _HEVC_RANDOM_ACCESS:
            bits.flag()  # whether earlier pictures are shown
        number = bits.number()
        # Without the type: key frames after the first one have another.
        return (header[1:], is_first, number) if number <= _MOST_HEVC_PICTURE_SET else None


def is_unit_whole(unit: bytes) -> bool:
    """Whether bytes hold no sequence that is forbidden within a NAL unit, and end as one does.

    Some encoders append the mark of the stream's end, with its start code.
    """
    unit = _END_OF_STREAM.sub(b"", unit)
    return unit[-1:] > b"\0" and _FORBIDDEN.search(unit) is None

"""Recognises NAL units of H.264 and H.265 among other bytes."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

Codec: TypeAlias = Literal["h264", "hevc"]

# What may follow two zero bytes within a NAL unit is 3 or more (H.264 7.4.1, H.265 7.4.2).
_FORBIDDEN = re.compile(rb"\0\0[\0-\2]")
# Bytes of a slice that hold the fields read here, emulation prevention included.
_SLICE_HEAD = 24
_MOST_SLICE_TYPE = 9  # H.264, table 7-6
# Types of NAL units that recorders write (H.264, table 7-1; H.265, table 7-1).
_H264_SLICES = (1, 5)
_H264_TYPES = {1, 5, 6, 7, 8, 9, 10, 11, 12}
_HEVC_SLICES = frozenset((*range(10), *range(16, 22)))
_HEVC_TYPES = _HEVC_SLICES | {32, 33, 34, 35, 36, 37, 38, 39, 40}
_HEVC_RANDOM_ACCESS = range(16, 24)
_SETS = {"h264": (7, 8), "hevc": (32, 33, 34)}
_PICTURE_SET = {"h264": 8, "hevc": 34}
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


@dataclass(frozen=True, slots=True)
class Syntax:
    """What NAL units of one stream look like.

    Attributes:
        codec: FFmpeg's name of the codec.
        picture_sets: Numbers of the picture parameter sets that slices may refer to; empty: any.
    """

    codec: Codec
    picture_sets: frozenset[int] = frozenset()

    @property
    def header_bytes(self) -> int:
        """Length of a NAL unit's header."""
        return _HEADER_BYTES[self.codec]

    def type_of(self, head: bytes) -> int:
        """The type of the NAL unit that begins with ``head``."""
        return head[0] & 31 if self.codec == "h264" else head[0] >> 1 & 63

    def is_parameter_set(self, head: bytes) -> bool:
        """Whether a NAL unit is a parameter set."""
        return self.type_of(head) in _SETS[self.codec]

    def first_bytes(self) -> bytes:
        """The values that the first byte of a NAL unit may have."""
        return bytes(value for value in range(128) if self._is_header(bytes((value, 1))))

    def begins_unit(self, head: bytes) -> bool:
        """Whether bytes may be the beginning of a NAL unit."""
        if len(head) <= self.header_bytes or not self._is_header(head):
            return False
        try:
            return self._is_slice_plausible(head[:_SLICE_HEAD])
        except (ValueError, IndexError):
            return False

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

    def _is_slice_plausible(self, head: bytes) -> bool:
        kind, bits = self.type_of(head), _Bits(head[self.header_bytes :])
        if self.codec == "h264":
            if kind not in _H264_SLICES:
                return True
            bits.number()  # first macroblock
            return bits.number() <= _MOST_SLICE_TYPE and self._is_known_set(bits.number())
        if kind not in _HEVC_SLICES:
            return True
        bits.flag()  # first slice segment
        if kind in _HEVC_RANDOM_ACCESS:
            bits.flag()  # whether earlier pictures are shown
        return self._is_known_set(bits.number())

    def _is_known_set(self, number: int) -> bool:
        return number in self.picture_sets if self.picture_sets else number < 64


def is_unit_whole(unit: bytes) -> bool:
    """Whether bytes hold no sequence that is forbidden within a NAL unit, and end as one does."""
    return unit[-1] != 0 and _FORBIDDEN.search(unit) is None


def picture_sets(codec: Codec, units: Collection[bytes]) -> frozenset[int]:
    """The numbers of the picture parameter sets among NAL units."""
    syntax = Syntax(codec)
    found = set()
    for unit in units:
        if syntax.type_of(unit) == _PICTURE_SET[codec]:
            try:
                found.add(_Bits(unit[syntax.header_bytes :][:_SLICE_HEAD]).number())
            except (ValueError, IndexError):
                continue
    return frozenset(found)

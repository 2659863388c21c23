"""NAL units of H.264 and H.265: what they are, and which of them belong to one picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from cv_engine.live.stream.bitstream.bits import Bits

#: Start code: precedes each NAL unit in a byte stream of H.264 or H.265 (Annex B).
START_CODE = b"\0\0\0\1"
#: The bytes that each start code ends with, and that occur nowhere within a NAL unit.
START_CODE_TAIL = b"\0\0\1"
# The least number of three bytes whose Exp-Golomb code ends in them: there are many slices, and
# `Bits` costs more than all else that is done with one.
_SHORT = 1 << 12
_PARTITIONS = (3, 4)  # of a slice of H.264, which has begun with a partition of type 2


class NalUnit(NamedTuple):
    """A NAL unit that has arrived.

    Attributes:
        data: The NAL unit without start code; never empty.
        ticks: Timestamp, which continues where RTP's 32 bits wrap around.
        whole: Whether no part of it is missing.
        follows: Whether nothing is missing between the NAL unit before and this one.
        marked: Whether its last packet is marked as the last one of an access unit.
        arrived_s: When its last packet arrived, seconds on a clock that never jumps.
    """

    data: bytes
    ticks: int
    whole: bool = True
    follows: bool = True
    marked: bool = False
    arrived_s: float = 0.0


class Syntax(NamedTuple):
    """Types of a codec's NAL units (H.264, table 7-1; H.265, table 7-1).

    Attributes:
        shift: Position of the type in the first byte, bits from the right.
        mask: Mask of the type in the first byte, once shifted.
        types: The type by each first byte: to look it up is quicker, and every slice needs it.
        header_bytes: Length of a NAL unit's header.
        slices: Types that contain a part of a picture.
        keys: Types of slices that do not refer to other pictures.
        parameter_sets: Types of parameter sets, in decoding order.
        delimiter: Type of the access unit delimiter.
        information: Type of the supplemental information that precedes a picture.
        trailing: Types that belong to the picture before; all others belong to the one after.
        first_block: Position of a slice's first block in its picture, where known; ``None``
            where the slice continues the one before.
    """

    shift: int
    mask: int
    types: bytes
    header_bytes: int
    slices: range
    keys: range
    parameter_sets: tuple[int, ...]
    delimiter: int
    information: int
    trailing: frozenset[int]
    first_block: Callable[[bytes], int | None]

    def type_of(self, unit: bytes) -> int:
        """The type of a NAL unit."""
        return self.types[unit[0]]


def _first_macroblock(unit: bytes) -> int | None:
    """The number of a slice's first macroblock (H.264, 7.3.3)."""
    if len(unit) < 2 or unit[0] & 31 in _PARTITIONS:
        return None
    if unit[1] & 0x80:
        return 0  # nearly always: a picture is one slice
    head = int.from_bytes(unit[1:4], "big")
    if head >= _SHORT and len(unit) > 3:
        return (head >> 2 * head.bit_length() - 25) - 1  # an Exp-Golomb code of 23 bits at most
    try:
        return Bits(unit[1:9]).unsigned()
    except ValueError:
        return None


def _first_segment(unit: bytes) -> int | None:
    """0 for the first slice segment of a picture (H.265, 7.3.6.1)."""
    is_of_base_layer = len(unit) > 2 and not unit[0] & 1 and not unit[1] >> 3
    return 0 if is_of_base_layer and unit[2] & 0x80 else None


#: The syntax of each codec, by FFmpeg's name of it.
SYNTAXES = {
    "h264": Syntax(
        shift=0,
        mask=31,
        types=bytes(first & 31 for first in range(256)),
        header_bytes=1,
        slices=range(1, 6),
        keys=range(5, 6),
        parameter_sets=(7, 8),
        delimiter=9,
        information=6,
        trailing=frozenset((10, 11, 12, 19, 20, 21)),
        first_block=_first_macroblock,
    ),
    "hevc": Syntax(
        shift=1,
        mask=63,
        types=bytes(first >> 1 & 63 for first in range(256)),
        header_bytes=2,
        slices=range(32),
        keys=range(16, 24),
        parameter_sets=(32, 33, 34),
        delimiter=35,
        information=39,
        trailing=frozenset((36, 37, 38, 40, 45, 46, 47, *range(56, 64))),
        first_block=_first_segment,
    ),
}


def split(data: bytes) -> Iterator[bytes]:
    """The NAL units of a byte stream with start codes, or of a NAL unit that contains some."""
    for part in data.split(START_CODE_TAIL):
        unit = part.rstrip(b"\0")  # zeros may surround start codes; no NAL unit ends with one
        if unit:
            yield unit

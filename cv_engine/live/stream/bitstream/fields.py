"""Fields of interlaced pictures in H.264: two that make a frame are decoded together."""

from __future__ import annotations

from typing import NamedTuple

from cv_engine.live.stream.bitstream.bits import Bits
from cv_engine.live.stream.bitstream.parameter_sets import ParameterSets

# Profiles whose sequence parameter set states the chroma format (H.264, 7.3.2.1.1).
_CHROMA_PROFILES = frozenset((44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244))
_CHROMA_444 = 3
_MOST_REFERENCES = 255


class Field(NamedTuple):
    """A field of an interlaced picture.

    Attributes:
        frame_number: Number of the frame, which both of its fields share.
        is_bottom: Whether it has the even lines.
    """

    frame_number: int
    is_bottom: bool

    def completes(self, other: Field) -> bool:
        """Whether both fields make a frame."""
        return self.frame_number == other.frame_number and self.is_bottom is not other.is_bottom


class FieldSyntax(NamedTuple):
    """What a sequence parameter set says of the slice headers of interlaced pictures.

    Attributes:
        has_planes: Whether slice headers name a colour plane.
        number_bits: Length of the frame number.
    """

    has_planes: bool
    number_bits: int

    @classmethod
    def of(cls, parameter_sets: ParameterSets) -> FieldSyntax | None:
        """The syntax by a stream's parameter sets; ``None`` where no picture has fields."""
        sequence_set = parameter_sets.h264_sequence
        if sequence_set is None:
            return None
        bits = Bits(sequence_set[1:])
        try:
            profile = bits.read(8)
            bits.read(16)
            bits.unsigned()
            has_planes = profile in _CHROMA_PROFILES and _skip_chroma(bits)
            number_bits = bits.unsigned() + 4
            _skip_order(bits)
            for skip in (bits.unsigned, lambda: bits.read(1), bits.unsigned, bits.unsigned):
                skip()  # references, gaps, width and height
            only_frames = bool(bits.read(1))
        except ValueError:
            return None
        return None if only_frames else cls(has_planes, number_bits)

    def field_of(self, slice_unit: bytes) -> Field | None:
        """The field that a slice belongs to; ``None`` for a slice of a frame."""
        bits = Bits(slice_unit[1:32])
        try:
            for _ in ("first macroblock", "type", "picture parameter set"):
                bits.unsigned()
            if self.has_planes:
                bits.read(2)
            number = bits.read(self.number_bits)
            return Field(number, bool(bits.read(1))) if bits.read(1) else None
        except ValueError:
            return None


def _skip_chroma(bits: Bits) -> bool:
    """Skips chroma format and scaling lists; returns whether colour planes are separate."""
    chroma = bits.unsigned()
    has_planes = chroma == _CHROMA_444 and bool(bits.read(1))
    bits.unsigned()
    bits.unsigned()
    bits.read(1)
    if bits.read(1):
        for number in range(12 if chroma == _CHROMA_444 else 8):
            if bits.read(1):
                _skip_scaling_list(bits, 16 if number < 6 else 64)
    return has_planes


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _skip_order(bits: Bits) -> None:
    """Skips how the order of pictures is coded."""
    kind = bits.unsigned()
    if kind == 0:
        bits.unsigned()
    elif kind == 1:
        bits.read(1)
        bits.signed()
        bits.signed()
        for _ in range(min(bits.unsigned(), _MOST_REFERENCES)):
            bits.signed()

"""The parameter sets of a stream, which some cameras send only once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cv_engine.live.stream.bitstream.bits import Bits
from cv_engine.live.stream.bitstream.nal_units import START_CODE, SYNTAXES

# A camera has one of each type, rarely a few; what is beyond these limits is not kept.
_MOST_SETS, _MOST_BYTES = 32, 4096
# How many parameter sets of each type may exist at once, by their numbers.
_H264_SEQUENCE, _H264_PICTURE = 7, 8
_HEVC_VIDEO, _HEVC_SEQUENCE, _HEVC_PICTURE = 32, 33, 34
_NUMBERS = {
    _H264_SEQUENCE: 32,
    _H264_PICTURE: 256,
    _HEVC_VIDEO: 16,
    _HEVC_SEQUENCE: 16,
    _HEVC_PICTURE: 64,
}
_PROFILE_BITS, _LEVEL_BITS = 88, 8  # of a layer in a sequence parameter set of H.265


class ParameterSets:
    """The latest parameter sets of a stream, by type and number.

    Args:
        codec: ``h264`` or ``hevc``.
        units: The parameter sets that are known before the stream begins.
    """

    def __init__(self, codec: str, units: Iterable[bytes] = ()) -> None:
        self._syntax = SYNTAXES[codec]
        self._sets: dict[tuple[int, int], bytes] = {}
        self.add_all(units)

    @property
    def are_complete(self) -> bool:
        """Whether there is a parameter set of each type, as decoding needs."""
        return {kind for kind, _ in self._sets} == set(self._syntax.parameter_sets)

    @property
    def data(self) -> bytes:
        """All parameter sets in decoding order, each after a start code."""
        return b"".join(START_CODE + unit for _, unit in sorted(self._sets.items()))

    @property
    def h264_sequence(self) -> bytes | None:
        """The first sequence parameter set of H.264; ``None`` where there is none."""
        sequences = (unit for (kind, _), unit in self._sets.items() if kind == _H264_SEQUENCE)
        return next(sequences, None)

    def add_all(self, units: Iterable[bytes]) -> None:
        """Takes in the parameter sets among NAL units, in place of those with the same number."""
        for unit in units:
            key = self._key(unit)
            if key is None or len(unit) > _MOST_BYTES:
                continue
            if key in self._sets or len(self._sets) < _MOST_SETS:
                self._sets[key] = unit

    def complete(self, units: Sequence[bytes]) -> Sequence[bytes]:
        """The NAL units of a key frame, with the parameter sets that it lacks.

        Args:
            units: All NAL units of the access unit, in decoding order.

        Returns:
            The same NAL units unchanged where they contain all parameter sets; else with all
            parameter sets before them.
        """
        types = self._syntax.parameter_sets
        present = {self._key(unit) for unit in units if self._syntax.type_of(unit) in types}
        if present.issuperset(self._sets):
            return units
        others = [unit for unit in units if self._key(unit) not in self._sets]
        sets = [unit for _, unit in sorted(self._sets.items())]
        at = int(bool(others) and self._syntax.type_of(others[0]) == self._syntax.delimiter)
        return [*others[:at], *sets, *others[at:]]

    def _key(self, unit: bytes) -> tuple[int, int] | None:
        """Type and number of a parameter set; ``None`` for all other NAL units."""
        kind = self._syntax.type_of(unit)
        if kind not in self._syntax.parameter_sets:
            return None
        try:
            number = _number_of(kind, Bits(unit[self._syntax.header_bytes :]))
        except ValueError:
            return None
        return (kind, number) if number < _NUMBERS[kind] else None


def _number_of(kind: int, bits: Bits) -> int:
    """The number of a parameter set among those of its type."""
    if kind == _HEVC_VIDEO:
        return bits.read(4)
    if kind == _H264_SEQUENCE:
        bits.read(24)  # profile, constraints and level
    elif kind == _HEVC_SEQUENCE:
        _skip_profiles(bits)
    return bits.unsigned()


def _skip_profiles(bits: Bits) -> None:
    """Skips the profiles and levels of a sequence parameter set (H.265, 7.3.2.2 and 7.3.3)."""
    bits.read(4)
    sublayers = bits.read(3)
    bits.read(1 + _PROFILE_BITS + _LEVEL_BITS)
    present = [(bits.read(1), bits.read(1)) for _ in range(sublayers)]
    if sublayers:
        bits.read(2 * (8 - sublayers))
    for has_profile, has_level in present:
        bits.read(_PROFILE_BITS * has_profile + _LEVEL_BITS * has_level)

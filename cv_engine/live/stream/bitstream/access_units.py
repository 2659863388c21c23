"""Access units assembled from NAL units, however the camera marks and times them.

RTP marks the last packet of an access unit and gives all its packets one timestamp (RFC 6184, 5.1).
Cameras mark every NAL unit or none, and give parameter sets the timestamp of the picture before. So
an access unit ends where the slices say that another picture begins (H.264, 7.4.1.2.4; H.265,
7.4.2.4.4), as in FFmpeg: one picture later than the marker says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cv_engine.live.stream.bitstream.fields import Field, FieldSyntax
from cv_engine.live.stream.bitstream.nal_units import START_CODE, SYNTAXES, NalUnit
from cv_engine.live.stream.bitstream.parameter_sets import ParameterSets
from cv_engine.video.random_access import recovery_of

# Size beyond which an access unit is discarded, bytes.
_MOST_BYTES = 16 << 20


class AccessUnit(NamedTuple):
    """A compressed frame.

    Attributes:
        data: The NAL units, each after a start code; where decoding can begin, all parameter sets
            are among them.
        ticks: Timestamp, which continues where RTP's 32 bits wrap around.
        recovery: Frames after this one until pictures are whole where decoding begins here: 0 for a
            frame that can be decoded alone; ``None`` where decoding cannot begin.
        whole: Whether no part of the frame is known to be missing.
        arrived_s: When the last part of the frame arrived, seconds on a clock that never jumps.
    """

    data: bytes
    ticks: int
    recovery: int | None
    whole: bool
    arrived_s: float

    @property
    def key(self) -> bool:
        """Whether decoding can begin with the frame."""
        return self.recovery is not None


class Assembler:
    """Assembles access units from NAL units.

    Args:
        codec: ``h264`` or ``hevc``.
        parameter_sets: The parameter sets that are known before the stream begins; those of the
            stream are added.
    """

    def __init__(self, codec: str, parameter_sets: ParameterSets) -> None:
        self._sets = parameter_sets
        self._codec, self._syntax = codec, SYNTAXES[codec]
        self._fields = FieldSyntax.of(parameter_sets)
        # What has come since the last slice.
        self._leading: list[bytes] = []
        self._gap = False  # something is missing since the last slice
        # Whether the mark is on the last NAL unit only, as far as seen.
        self._marks_end = True
        self._units: list[bytes] = []
        self._bytes = 0
        self._ticks = 0
        self._key = self._informed = self._whole = self._continues = self._marked = False
        self._arrived_s = 0.0
        self._block = 0  # the first one of the last slice
        self._field: Field | None = None

    def add(self, units: Iterable[NalUnit]) -> Iterator[AccessUnit]:
        """Takes in NAL units in decoding order; yields the access units that are complete now."""
        syntax = self._syntax
        for unit in units:
            data, _, whole, follows, marked, arrived_s = unit
            kind = syntax.types[data[0]]
            if not follows:
                self._gap = True
            if self._bytes + len(data) > _MOST_BYTES:
                self._discard()
            self._bytes += len(data)
            if kind in syntax.slices:
                block = syntax.first_block(data)
                if self._begins_picture(unit, block):
                    yield from self.flush()
                    self._begin(unit, block)
                else:
                    self._continue()
                self._units.append(data)
                if block is not None:
                    self._block = block
                if kind in syntax.keys:
                    self._key = True
                if not whole:
                    self._whole = False
                self._marked, self._arrived_s = marked, arrived_s
            elif not whole:
                self._gap = True
            elif kind in syntax.trailing and self._units:
                self._units.append(data)
                self._marked |= marked
            else:
                self._leading.append(data)

    def flush(self) -> list[AccessUnit]:
        """The access unit whose slices have come so far, if any: no more of them come."""
        units: Sequence[bytes] = self._units
        if not units:
            return []
        if self._gap and not (self._marked and self._marks_end):
            self._whole = False
        recovery = self._recovery()
        if recovery is not None:
            units = self._sets.complete(units)
        self._units, self._bytes = [], sum(map(len, self._leading))
        # A frame that can be decoded alone does not depend on what came before.
        whole = self._whole and (self._continues or recovery == 0)
        return [AccessUnit(_joined(units), self._ticks, recovery, whole, self._arrived_s)]

    def _recovery(self) -> int | None:
        """See `AccessUnit.recovery`."""
        if self._key:
            return 0
        return recovery_of(self._codec, _joined(self._units)) if self._informed else None

    def _begins_picture(self, unit: NalUnit, block: int | None) -> bool:
        """Whether a slice is the first one of another picture."""
        if not self._units:
            return True
        if block is not None and block <= self._block:
            return not self._is_second_field(unit.data)
        return self._gap and unit.ticks != self._ticks

    def _is_second_field(self, slice_unit: bytes) -> bool:
        """Whether a slice begins the other field of the present frame."""
        if self._fields is None or self._field is None:
            return False
        field = self._fields.field_of(slice_unit)
        is_second = field is not None and field.completes(self._field)
        if is_second:
            self._field = None  # a frame has no third field
        return is_second

    def _begin(self, unit: NalUnit, block: int | None) -> None:
        """Begins an access unit with what has come since the last slice."""
        if self._leading:
            syntax = self._syntax
            kinds = {syntax.type_of(each) for each in self._leading}
            self._informed = syntax.information in kinds
            if not kinds.isdisjoint(syntax.parameter_sets):
                self._sets.add_all(self._leading)
                self._fields = FieldSyntax.of(self._sets)
        else:
            self._informed = False
        self._units, self._leading = self._leading, []
        self._ticks, self._block = unit.ticks, 0
        self._whole, self._continues = block == 0, not self._gap
        self._key = self._gap = False
        self._field = self._fields.field_of(unit.data) if self._fields else None

    def _continue(self) -> None:
        """Continues the present access unit with another slice."""
        self._units += self._leading
        self._leading = []
        if self._marked:
            self._marks_end = False
        if self._gap:
            self._whole = self._gap = False

    def _discard(self) -> None:
        """Discards an access unit that does not end."""
        self._units, self._leading, self._bytes = [], [], 0
        self._gap = True


def _joined(units: Sequence[bytes]) -> bytes:
    return START_CODE.join((b"", *units))

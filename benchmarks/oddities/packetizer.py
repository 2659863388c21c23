"""RTP packets of H.264 and H.265, as sound and as odd cameras make them."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from cv_engine.live.stream.bitstream.nal_units import START_CODE, SYNTAXES

PAYLOAD_TYPE = 96
_MARKER = 0x80
_BEGINS, _ENDS = 0x80, 0x40
_FRAGMENTS = {"h264": 28, "hevc": 49}
_AGGREGATES = {"h264": 24, "hevc": 48}


class Packetizer:
    """Makes RTP packets.

    Args:
        codec: ``h264`` or ``hevc``.
        most: Longest payload, bytes; longer NAL units are fragmented.
        ends: Whether the last fragment of a NAL unit is flagged.
    """

    def __init__(self, codec: str, most: int = 300, *, ends: bool = True) -> None:
        self._codec, self._syntax = codec, SYNTAXES[codec]
        self._most = most
        self._ends = _ENDS if ends else 0
        self._number = 65_500  # wraps around soon

    def packet(self, payload: bytes, stamp: int, *, marked: bool) -> bytes:
        """One packet."""
        self._number = self._number + 1 & 0xFFFF
        kind = PAYLOAD_TYPE | (_MARKER if marked else 0)
        return struct.pack(">BBHII", 0x80, kind, self._number, stamp % (1 << 32), 1) + payload

    def unit(self, unit: bytes, stamp: int, *, marked: bool) -> list[bytes]:
        """The packets of one NAL unit, or of any bytes that pass for one."""
        if len(unit) <= self._most:
            return [self.packet(unit, stamp, marked=marked)]
        syntax, size = self._syntax, self._syntax.header_bytes
        first = unit[0] & ~(syntax.mask << syntax.shift) & 0xFF
        header = bytes((first | _FRAGMENTS[self._codec] << syntax.shift,)) + unit[1:size]
        packets = []
        for at in range(size, len(unit), self._most):
            is_last = at + self._most >= len(unit)
            about = syntax.type_of(unit) | (_BEGINS if at == size else 0)
            about |= self._ends if is_last else 0
            payload = header + bytes((about,)) + unit[at : at + self._most]
            packets.append(self.packet(payload, stamp, marked=marked and is_last))
        return packets

    def aggregate(self, units: Iterable[bytes], stamp: int, *, marked: bool) -> bytes:
        """One packet of several NAL units."""
        syntax = self._syntax
        header = (_AGGREGATES[self._codec] << syntax.shift, 1)[: syntax.header_bytes]
        parts = b"".join(struct.pack(">H", len(unit)) + unit for unit in units)
        return self.packet(bytes(header) + parts, stamp, marked=marked)

    def sound(self, units: Iterable[bytes], stamp: int) -> list[bytes]:
        """The packets of a picture as the standard has them: the last one is marked."""
        *others, last = units
        packets = [p for unit in others for p in self.unit(unit, stamp, marked=False)]
        return packets + self.unit(last, stamp, marked=True)

    def marked(self, units: Iterable[bytes], stamp: int) -> list[bytes]:
        """Each NAL unit is marked."""
        return [packet for unit in units for packet in self.unit(unit, stamp, marked=True)]

    def unmarked(self, units: Iterable[bytes], stamp: int) -> list[bytes]:
        """No NAL unit is marked."""
        return [packet for unit in units for packet in self.unit(unit, stamp, marked=False)]

    def separate(self, units: Iterable[bytes], stamp: int, before: int) -> list[bytes]:
        """Parameter sets are marked, and have the timestamp of the picture before."""
        packets: list[bytes] = []
        for unit in units:
            is_set = self._syntax.type_of(unit) in self._syntax.parameter_sets
            packets += self.unit(unit, before if is_set else stamp, marked=True)
        return packets

    def joined(self, units: Iterable[bytes], stamp: int, first: bytes = b"") -> list[bytes]:
        """All NAL units pass for one, with start codes between them, and maybe before the first."""
        return self.unit(first + START_CODE.join(units), stamp, marked=True)

    def aggregated(self, units: Iterable[bytes], stamp: int) -> list[bytes]:
        """Parameter sets share a packet."""
        sets: list[bytes] = []
        others: list[bytes] = []
        for unit in units:
            is_set = self._syntax.type_of(unit) in self._syntax.parameter_sets
            (sets if is_set else others).append(unit)
        packets = [self.aggregate(sets, stamp, marked=False)] if sets else []
        return packets + self.sound(others, stamp)

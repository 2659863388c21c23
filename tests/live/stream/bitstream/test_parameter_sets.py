"""Parameter sets that encoders make, and those that no decoder would take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.oddities.pictures import pictures
from cv_engine.live.stream.bitstream.nal_units import START_CODE
from cv_engine.live.stream.bitstream.parameter_sets import ParameterSets

_PICTURE, _OTHER_PICTURE = b"\x68\xce\x3c\x80", b"\x68\x4e\x3c\x80"  # numbers 0 and 1
_SEQUENCE, _NEW_SEQUENCE = b"\x67\x42\xc0\x1e\xd9", b"\x67\x42\xc0\x1f\xd9"  # both number 0
_DELIMITER, _SLICE = b"\x09\xf0", b"\x65\x88\x84"


@pytest.mark.parametrize(("codec", "count"), [("h264", 2), ("hevc", 3)])
def test_those_of_an_encoder_are_complete(codec: str, count: int) -> None:
    first, second, *_ = pictures(codec, 2)
    sets = ParameterSets(codec, first)
    assert sets.are_complete
    assert not ParameterSets(codec, first[: count - 1]).are_complete
    assert sets.data == b"".join(START_CODE + unit for unit in first[:count])
    assert sets.complete(second) == [*first[:count], *second]
    assert sets.complete(first) == first


def test_a_key_frame_gets_what_it_lacks_in_decoding_order() -> None:
    sets = ParameterSets("h264", [_PICTURE, _SEQUENCE])
    assert sets.complete([_SLICE]) == [_SEQUENCE, _PICTURE, _SLICE]
    assert sets.complete([_DELIMITER, _SLICE]) == [_DELIMITER, _SEQUENCE, _PICTURE, _SLICE]
    assert sets.complete([_SEQUENCE, _SLICE]) == [_SEQUENCE, _PICTURE, _SLICE]
    whole = [_SEQUENCE, _PICTURE, _SLICE]
    assert sets.complete(whole) is whole


def test_the_latest_one_of_a_number_holds() -> None:
    sets = ParameterSets("h264", [_SEQUENCE, _PICTURE])
    sets.add_all([_NEW_SEQUENCE, _OTHER_PICTURE])
    assert sets.complete([_SLICE]) == [_NEW_SEQUENCE, _PICTURE, _OTHER_PICTURE, _SLICE]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@given(units=st.lists(st.binary(min_size=1, max_size=40)))
def test_nonsense_breaks_nothing(codec: str, units: list[bytes]) -> None:
    sets = ParameterSets(codec, units)
    assert len(sets.complete(units)) <= len(units) + 32


def test_memory_is_bounded() -> None:
    sets = ParameterSets("h264")
    for number in range(256):
        code = number + 1
        bits = f"{code:0{2 * code.bit_length() - 1}b}".ljust(24, "1")
        sets.add_all([b"\x68" + int(bits, 2).to_bytes(3, "big") + bytes([number]) * 4000])
    sets.add_all([_SEQUENCE + b"x" * 10_000])
    assert len(sets.data) < 200_000

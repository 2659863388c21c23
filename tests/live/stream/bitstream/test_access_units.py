"""Where access units begin and end, by their slices."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.oddities.pictures import pictures
from cv_engine.live.stream.bitstream.access_units import AccessUnit, Assembler
from cv_engine.live.stream.bitstream.nal_units import NalUnit, split
from cv_engine.live.stream.bitstream.parameter_sets import ParameterSets

_FIRST, _LATER, _LAST = b"\x41\x9a", b"\x41\x4d", b"\x41\x26\x80"  # macroblocks 0, 1 and 3
_KEY = b"\x65\x88"
_INFORMATION, _DELIMITER, _FILLER = b"\x06\x05\x01\x01\x80", b"\x09\xf0", b"\x0c\xff\x80"
_SEQUENCE, _PICTURE = b"\x67\x42\xc0\x1e\xd9", b"\x68\xce\x3c\x80"


def _assembled(units: Sequence[NalUnit], codec: str = "h264") -> list[AccessUnit]:
    assembler = Assembler(codec, ParameterSets(codec))
    return [*assembler.add(units), *assembler.flush()]


def _parts(units: Sequence[NalUnit]) -> list[tuple[bytes, ...]]:
    return [tuple(split(each.data)) for each in _assembled(units)]


@pytest.mark.parametrize(("codec", "slices"), [("h264", 1), ("h264", 3), ("hevc", 1)])
@pytest.mark.parametrize("marks", ["right", "all", "none"])
@pytest.mark.parametrize("times", ["right", "same"])
def test_pictures_are_assembled_whatever_the_marks_and_times(
    codec: str, slices: int, marks: str, times: str
) -> None:
    film = pictures(codec, 12, slices=slices)
    sent = [
        NalUnit(
            unit,
            number if times == "right" else 0,
            marked=marks == "all" or (marks == "right" and unit is picture[-1]),
        )
        for number, picture in enumerate(film)
        for unit in picture
    ]
    found = _assembled(sent, codec)
    assert [tuple(split(each.data)) for each in found] == film
    assert [each.recovery for each in found] == [0, *[None] * 9, 0, None]
    assert all(each.whole for each in found)
    if times == "right":
        assert [each.ticks for each in found] == list(range(12))


def test_what_comes_between_slices_belongs_to_the_picture_that_the_next_one_shows() -> None:
    units = [_FIRST, _INFORMATION, _LATER, _FILLER, _DELIMITER, _SEQUENCE, _FIRST, _LAST]
    assert _parts([NalUnit(unit, 7) for unit in units]) == [
        (_FIRST, _INFORMATION, _LATER, _FILLER),
        (_DELIMITER, _SEQUENCE, _FIRST, _LAST),
    ]


def test_slices_with_times_of_their_own_make_one_picture() -> None:
    units = [NalUnit(_FIRST, 0), NalUnit(_LATER, 1), NalUnit(_LAST, 2), NalUnit(_FIRST, 3)]
    found = _assembled(units)
    assert [(each.ticks, each.whole) for each in found] == [(0, True), (3, True)]


def test_a_lost_first_slice_does_not_join_two_pictures() -> None:
    units = [NalUnit(_FIRST, 0), NalUnit(_LATER, 0), NalUnit(_LAST, 9, follows=False)]
    assert [(each.ticks, each.whole) for each in _assembled(units)] == [(0, False), (9, False)]


def test_a_mark_tells_that_nothing_is_missing_before_a_gap() -> None:
    units = [
        NalUnit(_FIRST, 0),
        NalUnit(_LATER, 0, marked=True),
        NalUnit(_FIRST, 1, follows=False, marked=True),
        NalUnit(_KEY, 2, follows=False, marked=True),
    ]
    assert [each.whole for each in _assembled(units)] == [True, False, True]
    # Where each slice is marked, the mark tells nothing.
    marked = [unit._replace(marked=True) for unit in units]
    assert [each.whole for each in _assembled(marked)] == [False, False, True]


def test_a_picture_that_is_joined_late_is_not_whole() -> None:
    assert [each.whole for each in _assembled([NalUnit(_LATER, 0), NalUnit(_FIRST, 1)])] == [
        False,
        True,
    ]


def test_damaged_parameter_sets_are_not_kept() -> None:
    damaged = [NalUnit(_SEQUENCE, 0), NalUnit(_PICTURE[:2], 0, whole=False), NalUnit(_KEY, 0)]
    sound = [NalUnit(_PICTURE, 1), NalUnit(_KEY, 1)]
    assert _parts([*damaged, *sound]) == [(_SEQUENCE, _KEY), (_SEQUENCE, _PICTURE, _KEY)]


def test_a_recovery_point_is_a_place_to_begin() -> None:
    """Encoders that send one IDR frame only mark their later I frames as recovery points."""
    recovery = b"\x06\xff\x01\x02ab\x06\x01\xc4\x80"
    units = [_INFORMATION, _FIRST, recovery, _FIRST, _FIRST]
    assert [each.recovery for each in _assembled([NalUnit(unit, 0) for unit in units])] == [
        *(None, 0, None)
    ]


def _bits(*codes: int | str) -> bytes:
    """Numbers in Exp-Golomb code and bits as they are, then a stop bit."""
    text = ""
    for code in codes:
        bits = f"{code + 1:b}" if isinstance(code, int) else code
        text += "0" * (len(bits) - 1) + bits if isinstance(code, int) else bits
    text += "1"
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


def _field(number: int, *, bottom: bool, key: bool = False, block: int = 0) -> bytes:
    return (b"\x65" if key else b"\x41") + _bits(block, 7, 0, f"{number:04b}", "1", f"{bottom:b}")


@pytest.mark.parametrize("profile", [77, 100])
def test_two_fields_of_a_frame_are_one_access_unit(profile: int) -> None:
    chroma: tuple[int | str, ...] = (1, 0, 0, "0", "1", "1", *[0] * 16, "0" * 7)
    if profile == 77:
        chroma = ()
    interlaced = b"\x67" + _bits(f"{profile:08b}", "0" * 16, 0, *chroma, 0, 2, 1, "0", 3, 2, "0")
    frames = [
        (
            _field(0, bottom=False, key=True),
            _field(0, bottom=False, block=2),
            _field(0, bottom=True),
        ),
        (_field(1, bottom=False), _field(1, bottom=True), _field(1, bottom=True, block=2)),
        (_field(2, bottom=True),),
        (_field(3, bottom=True), _field(3, bottom=False)),
    ]
    sent = [interlaced, *(field for frame in frames for field in frame)]
    assert _parts([NalUnit(unit, 0) for unit in sent]) == [(interlaced, *frames[0]), *frames[1:]]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@given(data=st.data())
def test_nonsense_breaks_nothing(codec: str, data: st.DataObject) -> None:
    heads = st.sampled_from(
        [b"", b"\x41\x9a", b"\x65\x88", b"\x67", b"\x26\1\x80", b"\x42\1", b"\6\6"]
    )
    units = data.draw(
        st.lists(
            st.builds(
                lambda head, rest, *marks: NalUnit(head + rest, *marks),
                *(heads, st.binary(min_size=1, max_size=30)),
                *(st.integers(0, 3), st.booleans(), st.booleans(), st.booleans()),
            )
        )
    )
    found = _assembled(units, codec)
    assert len(found) <= len(units)
    assert all(each.data for each in found)


def test_an_endless_access_unit_is_discarded() -> None:
    endless = (NalUnit(b"\x41\x4d" + bytes(60_000), 0) for _ in range(1000))
    assembler = Assembler("h264", ParameterSets("h264"))
    assert all(len(each.data) <= 17 << 20 for each in assembler.add(endless))
    leading = (NalUnit(b"\x06" + bytes(60_000), 0) for _ in range(1000))
    assert list(assembler.add(leading)) == []
    assert sum(map(len, assembler._leading)) <= 17 << 20

from __future__ import annotations

import pytest

from cv_engine.video.recovery.syntax import Codec, Syntax, is_unit_whole


@pytest.mark.parametrize(
    ("unit", "whole"),
    [
        (b"\x41\x9a\x20\x40", True),
        (b"\x41\x9a\x00\x00\x03\x01\x40", True),
        (b"\x41\x9a\x20\x00\x00\x00\x01\x0a", True),  # with the mark of the stream's end
        (b"\x41\x9a\x20\x00\x00\x01\x41\x9a", False),
        (b"\x41\x9a\x00\x00\x02\x41", False),
        (b"\x41\x9a\x20\x00", False),
        (b"\x00\x00\x00\x01\x0a", False),
    ],
)
def test_a_unit_holds_no_start_code(unit: bytes, whole: bool) -> None:
    assert is_unit_whole(unit) is whole


@pytest.mark.parametrize(
    ("codec", "data", "plausible"),
    [
        ("h264", b"\x65\x88\x84\x0d", True),
        ("h264", b"\x41\x9a\x3b\x10", True),
        ("h264", b"\x05\x88\x84\x0d", False),  # a key frame that nothing refers to
        ("h264", b"\xe5\x88\x84\x0d", False),  # the forbidden bit
        ("h264", b"\x41\x00\x00\x00", False),  # no Exp-Golomb number
        ("h264", b"\x41", False),
        ("hevc", b"\x26\x01\xaf\x09", True),
        ("hevc", b"\x02\x01\xd0\x09", True),
        ("hevc", b"\x02\x00\xd0\x09", False),  # a temporal layer of -1
        ("hevc", b"\x03\x09\xd0\x09", False),  # another layer
    ],
)
def test_what_may_begin_a_unit(codec: Codec, data: bytes, plausible: bool) -> None:
    assert Syntax(codec).begins_unit(data) is plausible


def test_heads_that_are_known_leave_out_all_others() -> None:
    syntax = Syntax("h264")
    head = syntax.head_of(b"\x41\x9a\x3b\x10")
    assert head is not None
    known = Syntax("h264", frozenset({head}))
    assert known.begins_unit(b"\x41\x9b\x11\x11")
    assert not known.begins_unit(b"\x65\x88\x84\x0d")

from __future__ import annotations

import re
from contextlib import nullcontext
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from cv_engine.commands.errors import InputError
from cv_engine.commands.options import read_box, read_place, read_size, read_time

CST = timezone(timedelta(hours=8))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("2026-05-01T08:00:00+08:00", datetime(2026, 5, 1, 8, tzinfo=CST)),
        ("2026-05-01T00:00:00Z", datetime(2026, 5, 1, 8, tzinfo=CST)),
        ("2026-05-01T08:00:00", "no offset"),
        ("noon", "not a time"),
    ],
)
def test_times_need_an_offset(text: str | None, expected: Any) -> None:
    raises = (
        pytest.raises(InputError, match=expected) if isinstance(expected, str) else nullcontext()
    )
    with raises:
        assert read_time(text, "--start") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("29.8683,121.5440", (29.8683, 121.544)),
        ("29.8683, 121.5440", (29.8683, 121.544)),
        ("121.5440,29.8683", "latitude comes first"),
        ("29.8", "2 numbers"),
        ("here", "2 numbers"),
        ("nan,1", "latitude"),
    ],
)
def test_places_are_latitude_and_longitude(text: str | None, expected: Any) -> None:
    raises = (
        pytest.raises(InputError, match=expected) if isinstance(expected, str) else nullcontext()
    )
    with raises:
        assert read_place(text, "--at") == expected


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", ""])
def test_a_box_has_four_numbers(text: str) -> None:
    with pytest.raises(InputError, match="4 numbers"):
        read_box(text, "--box")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1920x1080", (1920, 1080)),
        ("64X48", (64, 48)),
        ("0x1", None),
        ("1920", None),
        ("axb", None),
    ],
)
def test_sizes(text: str, expected: tuple[int, int] | None) -> None:
    if expected is None:
        with pytest.raises(InputError, match=re.escape("1920x1080")):
            read_size(text, "--size")
    else:
        assert read_size(text, "--size") == expected

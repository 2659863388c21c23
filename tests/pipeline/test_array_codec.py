"""What the codec is given comes back with the same values, types and bits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cv_engine.pipeline.array_codec import decode, encode
from cv_engine.rules.dwell import Dwell, Phase
from cv_engine.rules.stays import Violation


@dataclass
class Two:
    first: NDArray[Any]
    second: NDArray[Any] | None


class Plain(msgspec.Struct):
    numbers: dict[int, list[float | None]]
    keys: dict[tuple[str, int], str]
    pair: tuple[int, bool]
    dwell: Dwell
    violation: Violation


_floats = st.floats(allow_nan=False)
_violations = st.builds(
    Violation,
    kind=st.text(),
    zone=st.text(),
    thing=st.integers(0, 1 << 40),
    box=st.tuples(_floats, _floats, _floats, _floats),
    began=_floats,
    observed=_floats,
    confidence=_floats,
    attributes=st.dictionaries(st.text(), st.none() | st.booleans() | _floats | st.text()),
)
_plain = st.builds(
    Plain,
    numbers=st.dictionaries(st.integers(-(1 << 40), 1 << 40), st.lists(st.none() | _floats)),
    keys=st.dictionaries(st.tuples(st.text(), st.integers(0, 9)), st.text()),
    pair=st.tuples(st.integers(0, 9), st.booleans()),
    dwell=st.builds(Dwell, st.sampled_from(Phase), _floats, _floats, _floats),
    violation=_violations,
)


@given(value=_plain)
def test_typed_values_come_back_as_they_were(value: Plain) -> None:
    back = decode(encode(value), Plain)
    assert back == value
    assert repr(back) == repr(value)


@given(
    kind=st.sampled_from(["bool", "uint8", "int64", "float32", "float64"]),
    runs=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 50)), max_size=12),
)
def test_arrays_come_back_bit_for_bit(kind: str, runs: list[tuple[int, int]]) -> None:
    special = np.array([0.0, 1.0, np.nan, -np.inf] if kind.startswith("float") else [0, 1, 2, 3])
    values = np.repeat(special[[v for v, _ in runs]], [n for _, n in runs]).astype(kind)
    back = decode(encode(Two(values, None)), Two)
    assert back.first.dtype == values.dtype
    assert back.first.tobytes() == values.tobytes()
    assert back.first.flags.writeable
    assert back.second is None


def test_shapes_come_back() -> None:
    back = decode(encode(Two(np.zeros((3, 4, 2), np.uint8), np.array(2.0))), Two)
    assert back.first.shape == (3, 4, 2)
    assert back.second is not None and back.second.shape == ()


def test_one_array_in_two_places_stays_one() -> None:
    box = np.zeros(4, np.float32)
    back = decode(encode(Two(box, box)), Two)
    assert back.first is back.second


def test_equal_values_in_runs_take_little_room() -> None:
    mask = np.zeros((270, 480), np.bool_)
    mask[50:80, 100:180] = True
    assert len(encode(Two(mask, None))) < mask.nbytes / 50


def test_objects_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="a checkpoint holds no PosixPath"):
        encode({"path": tmp_path})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x" * 99,
        encode({"first": 1, "second": None}),
        encode({"first": np.zeros(3)}),
        encode({"first": -1, "second": None}),
    ],
    ids=["empty", "text", "no-such-array", "missing-field", "negative-number"],
)
def test_bytes_of_another_kind_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(data, Two)

"""Typed values with NumPy arrays as bytes, and back: the content of a checkpoint.

The values are MessagePack, written and read by ``msgspec`` against a type: plain values,
dataclasses and structs, nothing that is executed. Arrays follow the values in numbered blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

_RUN_START = np.dtype("<u4")


class _Array(msgspec.Struct, array_like=True):
    """How an array is stored: the dtype, the shape, and the lengths of its blocks in bytes."""

    dtype: str
    shape: tuple[int, ...]
    lengths: tuple[int, ...]


class _Packed(msgspec.Struct):
    """The values, and the arrays that they refer to by number."""

    values: msgspec.Raw
    arrays: list[_Array]
    blocks: bytes


def encode(value: Any) -> bytes:
    """A value as bytes; an array that occurs twice is stored once.

    Args:
        value: Plain values, dataclasses, structs and arrays, nested in any way.

    Raises:
        TypeError: The value holds an object of another kind.
    """
    arrays: list[NDArray[Any]] = []
    numbers: dict[int, int] = {}

    def number(item: Any) -> Any:
        if isinstance(item, np.generic):
            return item.item()
        if not isinstance(item, np.ndarray):
            raise TypeError(f"a checkpoint holds no {type(item).__name__}")
        if id(item) not in numbers:
            numbers[id(item)] = len(arrays)
            arrays.append(item)
        return numbers[id(item)]

    values = msgspec.Raw(msgspec.msgpack.Encoder(enc_hook=number).encode(value))
    forms, blocks = [], []
    for array in arrays:
        parts = _parts(array)
        lengths = tuple(len(part) for part in parts)
        forms.append(_Array(array.dtype.str, array.shape, lengths))
        blocks += parts
    return msgspec.msgpack.encode(_Packed(values, forms, b"".join(blocks)))


def decode(data: bytes | memoryview, kind: type[T]) -> T:
    """The value of a type that `encode` made into bytes; arrays are writeable copies.

    Raises:
        ValueError: The bytes are no such value.
    """
    packed = msgspec.msgpack.decode(data, type=_Packed)
    arrays = _unpacked(packed.arrays, memoryview(packed.blocks))

    def array(_: type, number: Any) -> Any:
        if not isinstance(number, int) or not 0 <= number < len(arrays):
            raise ValueError(f"there is no array {number!r}")
        return arrays[number]

    return msgspec.msgpack.Decoder(kind, dec_hook=array).decode(packed.values)


def _parts(array: NDArray[Any]) -> list[bytes]:
    """The values of an array, or those of its runs of equal values and where each run starts.

    Masks and times are hundreds of equal pixels, which run-length coding finds in a twentieth of
    the time that any general compression takes; pictures are not.
    """
    if array.dtype == np.float32 or array.ndim == 0:
        return [array.tobytes()]
    flat = np.ascontiguousarray(array).reshape(-1)
    bits = flat.view(f"u{flat.itemsize}")  # so that NaN equals itself
    starts = np.flatnonzero(np.concatenate([[True], bits[1:] != bits[:-1]])[: flat.size])
    if starts.size * (flat.itemsize + _RUN_START.itemsize) > flat.nbytes // 2:
        return [flat.tobytes()]
    return [flat[starts].tobytes(), starts.astype(_RUN_START).tobytes()]


def _unpacked(forms: Sequence[_Array], blocks: memoryview) -> list[NDArray[Any]]:
    """The arrays of their blocks.

    Raises:
        ValueError, TypeError: The blocks do not fit.
    """
    arrays, at = [], 0
    for form in forms:
        parts = []
        for length in form.lengths:
            parts.append(blocks[at : at + length])
            at += length
        values = np.frombuffer(parts[0], form.dtype)
        if len(parts) == 2:
            starts = np.frombuffer(parts[1], _RUN_START).astype(np.int64)
            values = np.repeat(values, np.diff(starts, append=math.prod(form.shape)))
        arrays.append(values.reshape(form.shape).copy())
    return arrays

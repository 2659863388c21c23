"""Changes bytes at random, as broken disks, cut transfers and careless software do."""

from __future__ import annotations

import random

# Where the headers of most formats are: from the beginning, or before the end.
_HEADER_BYTES = 4096
_LONGEST_RUN = 2000
_MOST_FLIPS = 64
_MOST_CHANGES = 4
_KINDS = ("flip", "flip", "flip many", "cut", "insert", "delete", "blank", "repeat")


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Bytes with one to four changes: flipped, cut off, inserted, deleted, blanked or repeated."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, _MOST_CHANGES)):
        if changed:
            _change(changed, chance)
    return bytes(changed)


def _change(data: bytearray, chance: random.Random) -> None:
    at, length = _position(len(data), chance), chance.randint(1, _LONGEST_RUN)
    kind = chance.choice(_KINDS)
    if kind == "flip":
        data[at] ^= 1 << chance.randrange(8)
    elif kind == "flip many":
        for _ in range(chance.randint(2, _MOST_FLIPS)):
            data[_position(len(data), chance)] = chance.randrange(256)
    elif kind == "cut":
        del data[chance.randrange(len(data)) :]
    elif kind == "insert":
        data[at:at] = chance.randbytes(length)
    elif kind == "delete":
        del data[at : at + length]
    elif kind == "blank":
        data[at : at + length] = bytes(min(length, len(data) - at))
    else:
        data[at:at] = data[at : at + length]


def _position(size: int, chance: random.Random) -> int:
    """A position anywhere, or as often among the headers."""
    where = chance.random()
    if where < 0.25:
        return chance.randrange(min(size, _HEADER_BYTES))
    if where < 0.5:
        return chance.randrange(max(0, size - _HEADER_BYTES), size)
    return chance.randrange(size)

"""On what images a detector's F1 was measured, and whether that says anything of others."""

from __future__ import annotations

from typing import Final

#: Pixels of the images on which all stated figures were measured, metres.
MEASURED_M: Final = 0.5

_IMAGES: Final = "nine pairs of LEVIR-CD, aerial images of suburbs in Texas in pixels of 0.5 m"
# Images whose pixels are so many times larger or smaller than the measured ones are others: at 2 m,
# the network's F1 is 0.66 in place of 0.93.
_MOST_TIMES: Final = 1.25


def accuracy(f1: float | None, resolution_m: float) -> str:
    """States a detector's F1, and whether it holds.

    Args:
        f1: F1 of changed pixels, 0 to 1; ``None``: not measured.
        resolution_m: Side of the pixels that were compared, metres.
    """
    if f1 is None:
        return "its F1 was not measured"
    stated = f"F1 {f1:.2f} on {_IMAGES}"
    if holds(resolution_m):
        return f"{stated}; other ground and other light give less"
    return f"{stated}; it does not hold for pixels of {resolution_m:.2g} m, expect far less"


def short_accuracy(f1: float | None, resolution_m: float) -> str:
    """States a detector's F1 in a caption's few words; empty where it was not measured."""
    if f1 is None:
        return ""
    where = "on LEVIR-CD at 0.5 m" if holds(resolution_m) else "at 0.5 m, not at this resolution"
    return f"F1 {f1:.2f} {where}"


def holds(resolution_m: float) -> bool:
    """Whether images have the resolution at which the stated figures were measured."""
    return 1 / _MOST_TIMES <= resolution_m / MEASURED_M <= _MOST_TIMES

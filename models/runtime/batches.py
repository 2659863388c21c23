"""Which images a network runs on together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def batches(shapes: Sequence[tuple[int, int]], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Put images of the same input shape together.

    Args:
        shapes: Height and width of each image's input, pixels.
        sizes: Numbers of images that may be run at once, largest first, the last of them 1.

    Yields:
        Indices of images of one shape, in order, as many as one of ``sizes``; each index once.
    """
    alike: dict[tuple[int, int], list[int]] = {}
    for index, shape in enumerate(shapes):
        alike.setdefault(shape, []).append(index)
    for indices in alike.values():
        begin = 0
        while begin < len(indices):
            size = next(size for size in sizes if size <= len(indices) - begin)
            yield indices[begin : begin + size]
            begin += size

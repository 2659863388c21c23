"""Grouping of images into batches of one input shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def batches(shapes: Sequence[tuple[int, int]], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Group images of the same input shape into batches.

    Args:
        shapes: Height and width of each image's input, pixels.
        sizes: Allowed batch sizes, largest first, ending with 1.

    Yields:
        The indices of one batch: images of one shape, in order. Each index comes once.
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

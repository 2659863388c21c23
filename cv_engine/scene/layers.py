"""Splits what has come to rest by when it did: a thing and a glare beside it are two regions."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

T = TypeVar("T", bound=np.generic)

Mask = NDArray[np.bool_]

# Part of a mask below which a layer is a fringe of the layer beside it.
_FRINGE = 0.04


def layers(
    since: NDArray[np.float64], bare_seen: NDArray[np.float64], inside: Mask, at_once_s: float
) -> list[Mask]:
    """The parts of a mask that came to rest at different moments, all arrays of shape (h, w).

    Two neighbouring pixels belong together where they came to rest at once, or where the later one
    has not shown the background since the earlier one came to rest: then it was hidden, by whoever
    stood before it.

    Args:
        since: When each pixel came to rest, seconds; NaN where that is unknown.
        bare_seen: When each pixel last showed the background, seconds.
        inside: The mask.
        at_once_s: Difference in time up to which pixels come to rest at once, seconds.

    Returns:
        Masks that fill the mask together, largest first.
    """
    known = inside & ~np.isnan(since)
    if not known.any() or np.ptp(since[known]) <= at_once_s:
        return [inside]
    since, bare_seen = _filled(since, known), _filled(bare_seen, known)
    labels = _connected(since, bare_seen, inside, at_once_s)
    areas = np.bincount(labels[inside])
    large = np.flatnonzero(areas >= _FRINGE * np.count_nonzero(inside))
    if len(large) < 2:
        return [inside]
    nearest = _spread(labels, inside & np.isin(labels, large))
    return [inside & (nearest == label) for label in large[np.argsort(-areas[large])]]


def _filled(times: NDArray[np.float64], known: Mask) -> NDArray[np.float64]:
    """Times with those of the nearest known pixel where there is none, and without specks."""
    first = float(times[known].min())
    relative = np.where(known, times - first, 0.0).astype(np.float32)
    smooth: NDArray[np.float64] = cv2.medianBlur(_spread(relative, known), 3).astype(np.float64)
    return smooth + first


def _spread(values: NDArray[T], source: Mask) -> NDArray[T]:
    """Each pixel's value at the nearest pixel of a mask."""
    _, nearest = cv2.distanceTransformWithLabels(
        (~source).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(int(nearest.max()) + 1, values.dtype)
    table[nearest[source]] = values[source]
    result: NDArray[T] = table[nearest]
    return result


def _connected(
    since: NDArray[np.float64], bare_seen: NDArray[np.float64], inside: Mask, at_once_s: float
) -> NDArray[np.int32]:
    """Numbers of the connected parts, -1 outside the mask."""
    number = np.arange(since.size).reshape(since.shape)
    ends = []
    for one, other in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
    ):
        apart = np.abs(since[one] - since[other])
        later_bare = np.where(since[one] > since[other], bare_seen[one], bare_seen[other])
        hidden = later_bare <= np.minimum(since[one], since[other])
        linked = inside[one] & inside[other] & ((apart <= at_once_s) | hidden)
        ends.append((number[one][linked], number[other][linked]))
    rows, columns = (np.concatenate(each) for each in zip(*ends, strict=True))
    graph = coo_array((np.ones(rows.size, np.uint8), (rows, columns)), (since.size, since.size))
    _, labels = connected_components(graph, directed=False)
    labels = labels.reshape(since.shape)
    # Numbered from 0, pixels outside the mask left out.
    _, compact = np.unique(labels[inside], return_inverse=True)
    result = np.full(since.shape, -1, np.int32)
    result[inside] = compact
    return result

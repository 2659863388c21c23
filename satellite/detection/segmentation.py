"""Divides a picture into objects: a hierarchy of segments of similar colour.

A watershed from the places of least contrast gives small superpixels. These are merged pairwise
while a merger costs little: Ward's increase of the squared error, divided by the square root of the
common border's length, which favours compact objects (after the merging cost of the Mumford-Shah
functional: Koepfler, Lopez and Morel 1994, SIAM Journal on Numerical Analysis 31(1)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Pieces = NDArray[np.int32]
Labels = NDArray[np.int64]
Table = NDArray[np.float64]

_SQUARE: Final = np.ones((3, 3), np.uint8)
# Grey levels per unit of colour for the watershed, which works on bytes.
_FLOOD_LEVELS: Final = 120.0


@dataclass(frozen=True, slots=True, eq=False)
class Borders:
    """The region adjacency graph of superpixels.

    Attributes:
        first: Label of one of two adjacent superpixels.
        second: Label of the other one.
        length_m: Length of their common border, metres.
    """

    first: Labels
    second: Labels
    length_m: Table

    @classmethod
    def of(cls, pieces: Pieces, resolution_m: float) -> Borders:
        """Finds the borders in an image of superpixel labels."""
        firsts, seconds = [], []
        for here, there in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
            apart = pieces[here] != pieces[there]
            firsts.append(pieces[here][apart])
            seconds.append(pieces[there][apart])
        first = np.concatenate(firsts).astype(np.int64)
        second = np.concatenate(seconds).astype(np.int64)
        return cls._collected(first, second, np.full(len(first), resolution_m))

    @classmethod
    def _collected(cls, first: Labels, second: Labels, length_m: Table) -> Borders:
        """Sums the length of each pair's border, in either order of the labels."""
        low, high = np.minimum(first, second), np.maximum(first, second)
        count = int(high.max(initial=0)) + 1
        keys, place = np.unique(low * count + high, return_inverse=True)
        return cls(keys // count, keys % count, sum_by_label(place, length_m, len(keys)))

    def outline_m(self, ids: Labels) -> Table:
        """Outline length of each object into which superpixels were merged, metres."""
        first, second = ids[self.first], ids[self.second]
        length_m = np.where(first != second, self.length_m, 0)
        count = int(ids.max()) + 1
        return sum_by_label(first, length_m, count) + sum_by_label(second, length_m, count)

    def merged(self, ids: Labels) -> Borders:
        """The borders that remain after merging."""
        first, second = ids[self.first], ids[self.second]
        apart = first != second
        return self._collected(first[apart], second[apart], self.length_m[apart])


def sum_by_label(ids: NDArray[np.integer[Any]], values: NDArray[Any], count: int) -> Table:
    """Sum of the values of each label, float64 ``(count,)``."""
    return np.asarray(np.bincount(ids, values, count), np.float64)


def superpixels(colour: Sequence[Plane]) -> Pieces:
    """Divides a picture into superpixels that no edge crosses.

    Args:
        colour: Three or more planes ``(height, width)`` of comparable contrast; the first three
            determine the watershed lines.

    Returns:
        int32 ``(height, width)``: superpixel labels, consecutive from 0.
    """
    contrast = np.zeros(colour[0].shape, np.float32)
    for plane in colour:
        across = cv2.Scharr(plane, cv2.CV_32F, 1, 0)
        down = cv2.Scharr(plane, cv2.CV_32F, 0, 1)
        contrast += cv2.magnitude(across, down)
    calm = (contrast <= cv2.erode(contrast, _SQUARE)).astype(np.uint8)
    seeds = cv2.connectedComponents(calm, connectivity=8, ltype=cv2.CV_32S)[1]
    levels = [np.clip(plane * _FLOOD_LEVELS + 128, 0, 255).astype(np.uint8) for plane in colour[:3]]
    flooded = cv2.watershed(np.ascontiguousarray(np.dstack(levels)), np.asarray(seeds, np.int32))
    return _fill_watershed_lines(np.asarray(flooded, np.int32))


def _fill_watershed_lines(flooded: Pieces) -> Pieces:
    """Assigns watershed lines to an adjacent superpixel and renumbers the labels from 0."""
    pieces = np.maximum(flooded, 0).astype(np.float32)  # integers up to 2^24 are exact
    while not pieces.all():
        grown = cv2.dilate(pieces, _SQUARE)
        if not grown.any():  # a picture of a pixel or two is all watershed line
            return np.zeros(flooded.shape, np.int32)
        pieces = np.where(pieces == 0, grown, pieces)
    whole = pieces.astype(np.int64)
    used = np.bincount(whole.ravel()) > 0
    return (np.cumsum(used) - 1)[whole].astype(np.int32)


def merge(borders: Borders, area_m2: Table, colour: Table, costs: Sequence[float]) -> list[Labels]:
    """Merges superpixels to objects.

    Each round merges the pairs that are each other's cheapest neighbour.

    Args:
        borders: Borders between superpixels.
        area_m2: Areas ``(pieces,)``.
        colour: Mean colours ``(pieces, planes)``, of comparable contrast.
        costs: Ascending limits of the cost of a merger.

    Returns:
        For each limit the object label of each superpixel, consecutive from 0.
    """
    ids = np.arange(len(area_m2))
    found = []
    for limit in costs:
        while len(pairs := _mergeable_pairs(borders, area_m2, colour, limit)):
            step = _merged_labels(pairs, len(area_m2))
            count = int(step.max()) + 1
            total = sum_by_label(step, area_m2, count)
            weighted = [sum_by_label(step, area_m2 * plane, count) for plane in colour.T]
            area_m2, colour = total, np.stack(weighted, axis=1) / total[:, None]
            borders, ids = borders.merged(step), step[ids]
        found.append(ids)
    return found


def _mergeable_pairs(borders: Borders, area_m2: Table, colour: Table, limit: float) -> Labels:
    """Pairs ``(n, 2)`` to merge; each superpixel is in at most one of them."""
    first, second = borders.first, borders.second
    contrast = ((colour[first] - colour[second]) ** 2).sum(axis=1)
    size = area_m2[first] * area_m2[second] / (area_m2[first] + area_m2[second])
    cost = contrast * size / np.sqrt(borders.length_m)
    best = np.full(len(area_m2), np.inf)
    np.minimum.at(best, first, cost)
    np.minimum.at(best, second, cost)
    chosen = (cost <= best[first]) & (cost <= best[second]) & (cost < limit)
    pairs = np.stack([first[chosen], second[chosen]], axis=1)
    once = np.zeros(pairs.size, np.bool_)  # costs may be tied
    once[np.unique(pairs, return_index=True)[1]] = True
    return np.asarray(pairs[once.reshape(-1, 2).all(axis=1)], np.int64)


def _merged_labels(pairs: Labels, count: int) -> Labels:
    """New labels after each pair became one superpixel."""
    into = np.arange(count)
    into[pairs[:, 1]] = pairs[:, 0]
    kept = np.ones(count, np.bool_)
    kept[pairs[:, 1]] = False
    return (np.cumsum(kept) - 1)[into]

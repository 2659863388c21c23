"""Agreement of changed buildings with their labels: pixels, objects, probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

# Probability from which a pixel counts as changed.
MARKED = 0.5
# Pixels from which a connected group is an object; smaller ones are ragged edges (12 m2 at 0.5 m).
OBJECT_PX = 50
# Least share of a labelled object that is marked if it is found, and of a marked object that is
# labelled if it is not false.
_COVERED = 0.5
_CALIBRATION_BINS = 15  # usual for the expected calibration error (Guo et al., 2017)
_SQUARE_KM = 1e6


@dataclass(frozen=True, slots=True)
class Pixels:
    """Counts of pixels; counts of several pictures add up.

    Attributes:
        hit: Marked and labelled.
        false: Marked but not labelled.
        missed: Labelled but not marked.
    """

    hit: int = 0
    false: int = 0
    missed: int = 0

    def __add__(self, other: Pixels) -> Pixels:
        return Pixels(self.hit + other.hit, self.false + other.false, self.missed + other.missed)

    @property
    def precision(self) -> float:
        """Share of the marked pixels that is labelled."""
        return self.hit / max(1, self.hit + self.false)

    @property
    def recall(self) -> float:
        """Share of the labelled pixels that is marked."""
        return self.hit / max(1, self.hit + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.hit / max(1, 2 * self.hit + self.false + self.missed)

    @property
    def iou(self) -> float:
        """Intersection over union of the marked and the labelled pixels."""
        return self.hit / max(1, self.hit + self.false + self.missed)


def score_pixels(marked: Mask, truth: Mask, judged: Mask | None = None) -> Pixels:
    """Counts pixels.

    Args:
        marked: ``(h, w)``: pixels that a detector marks as changed.
        truth: ``(h, w)``: pixels labelled as changed.
        judged: ``(h, w)``: pixels that count; all by default.

    Returns:
        The counts.
    """
    if judged is not None:
        marked, truth = marked & judged, truth & judged
    hit = int(np.count_nonzero(marked & truth))
    return Pixels(hit, int(np.count_nonzero(marked)) - hit, int(np.count_nonzero(truth)) - hit)


@dataclass(frozen=True, slots=True)
class Objects:
    """Counts of connected groups of at least :data:`OBJECT_PX` pixels; they add up.

    Attributes:
        labelled: Groups of labelled pixels.
        found: Labelled groups with at least half of their pixels marked.
        marked: Groups of marked pixels.
        false: Marked groups with less than half of their pixels labelled.
        area_km2: Area of the ground that was judged.
    """

    labelled: int = 0
    found: int = 0
    marked: int = 0
    false: int = 0
    area_km2: float = 0.0

    def __add__(self, other: Objects) -> Objects:
        return Objects(
            self.labelled + other.labelled,
            self.found + other.found,
            self.marked + other.marked,
            self.false + other.false,
            self.area_km2 + other.area_km2,
        )

    @property
    def recall(self) -> float:
        """Share of the labelled objects that are found."""
        return self.found / max(1, self.labelled)

    @property
    def false_per_km2(self) -> float:
        """False objects per square kilometre judged."""
        return self.false / self.area_km2 if self.area_km2 else 0.0


def score_objects(marked: Mask, truth: Mask, resolution_m: float) -> Objects:
    """Counts objects.

    Args:
        marked: ``(h, w)``: pixels that a detector marks as changed.
        truth: ``(h, w)``: pixels labelled as changed.
        resolution_m: Side of a pixel, metres.

    Returns:
        The counts.
    """
    of_truth, of_marked = _covered(truth, marked), _covered(marked, truth)
    return Objects(
        labelled=len(of_truth),
        found=int(np.count_nonzero(of_truth >= _COVERED)),
        marked=len(of_marked),
        false=int(np.count_nonzero(of_marked < _COVERED)),
        area_km2=truth.size * resolution_m**2 / _SQUARE_KM,
    )


def _covered(objects: Mask, by: Mask) -> NDArray[np.float64]:
    """The share of each object that a mask covers."""
    count, labels = cv2.connectedComponents(objects.view(np.uint8), connectivity=8)
    sizes = np.bincount(labels.ravel(), minlength=count)
    covered = np.bincount(labels.ravel(), weights=by.ravel(), minlength=count)
    is_object = sizes >= OBJECT_PX
    is_object[0] = False  # the background
    return np.asarray(covered[is_object] / sizes[is_object], np.float64)


def calibration_error(probability: NDArray[np.float32], truth: Mask) -> float:
    """Expected calibration error: the mean distance of probabilities from frequencies.

    Args:
        probability: Probability of change, 0 to 1, any shape.
        truth: Labels of the same shape.

    Returns:
        Mean over the pixels of the distance between the mean probability and the share of changed
        pixels in 15 bins of equal width (Guo et al., 2017, "On calibration of modern networks").
    """
    flat = probability.ravel().astype(np.float64)
    bins = np.minimum((flat * _CALIBRATION_BINS).astype(np.int64), _CALIBRATION_BINS - 1)
    expected = np.bincount(bins, weights=flat, minlength=_CALIBRATION_BINS)
    true = np.bincount(bins, weights=truth.ravel(), minlength=_CALIBRATION_BINS)
    return float(np.abs(expected - true).sum() / max(1, flat.size))

"""Overlap: whether two findings show the same thing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from cv_engine.cases.filing.site import SITE_GAP_M, is_site, same_site
from cv_engine.finding import Place
from cv_engine.geometry import box_iou

if TYPE_CHECKING:
    from pyproj import Geod

#: Two boxes or areas with at least this intersection over union show one thing. This is the usual
#: bound of detection benchmarks; parked cars side by side or in a row overlap far less.
SAME_PLACE_IOU = 0.5

#: Basis of a place that is known from the register of devices.
SENSOR_BASIS = "sensor"

#: Bases of places that locate the thing itself. The others locate the camera at best, and so give
#: the same place for everything in view.
_LOCATED = frozenset({"homography", "raster", SENSOR_BASIS})

#: Two places farther apart are two things, whatever their accuracy: a place that is known less well
#: than the length of a street block does not say which of the things in a street is meant.
LARGEST_REACH_M = 100.0


def is_located(place: Place) -> bool:
    """Whether a place is that of the thing itself, and not of the camera."""
    return place.geometry is not None and place.basis in _LOCATED


def same_place(one: Place, other: Place, gap_m: float = SITE_GAP_M) -> float:
    """Score how likely two places of one source are the same.

    If both places have an image box, the boxes decide. Two building sites are the same if they
    touch or nearly touch (see :func:`~cv_engine.cases.filing.site.same_site`). Other areas are
    compared by intersection over union, and all other places by the distance on the ground, which
    must lie within the accuracy of both.

    Args:
        one: A place.
        other: Another place seen by the same source.
        gap_m: Largest distance of two parts of one building site, in metres.

    Returns:
        0.0 for different places, otherwise a value above 0 and up to 1, larger for closer places.
    """
    if one.image_box is not None and other.image_box is not None:
        return _bounded(box_iou(one.image_box, other.image_box))
    if one.geometry is None or other.geometry is None:
        return 0.0
    if is_site(one) and is_site(other):
        return same_site(one.geometry, other.geometry, gap_m)
    return same_ground(one, other)


def same_ground(one: Place, other: Place) -> float:
    """Score how likely two located places are the same, whichever cameras saw them.

    Areas are compared by intersection over union, all other places by the distance of their
    middles, which must lie within the accuracy of both. Middles more than ``LARGEST_REACH_M`` apart
    are never the same place.

    Args:
        one: A place.
        other: Another place.

    Returns:
        0.0 for different places, and for places that are not located; otherwise as
        :func:`same_place`.
    """
    if not (is_located(one) and is_located(other)):
        return 0.0
    return _same_ground(one.geometry or {}, other.geometry or {}, one.accuracy_m, other.accuracy_m)


def _bounded(iou: float) -> float:
    return iou if iou >= SAME_PLACE_IOU else 0.0


def _same_ground(
    one: Mapping[str, Any],
    other: Mapping[str, Any],
    accuracy_m: float | None,
    other_accuracy_m: float | None,
) -> float:
    import shapely
    from shapely.geometry import shape

    first, second = shape(dict(one)), shape(dict(other))
    a, b = first.centroid, second.centroid
    distance_m = abs(_wgs84().inv(a.x, a.y, b.x, b.y)[2])
    if distance_m > LARGEST_REACH_M:
        return 0.0
    if first.area > 0 and second.area > 0:
        # A ratio of areas does not depend on the scale of the two axes: degrees suffice.
        union = shapely.union(first, second).area
        return _bounded(shapely.intersection(first, second).area / union)
    if accuracy_m is None or other_accuracy_m is None:
        return 0.0
    within_m = min(accuracy_m, other_accuracy_m)
    return 1.0 / (1.0 + distance_m) if distance_m <= within_m else 0.0


@cache
def _wgs84() -> Geod:
    from pyproj import Geod

    return Geod(ellps="WGS84")

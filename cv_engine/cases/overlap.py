"""Overlap: whether two findings are of one and the same thing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from cv_engine.cases.site import SITE_GAP_M, is_site, same_site
from cv_engine.finding import Place
from cv_engine.geometry import box_iou

if TYPE_CHECKING:
    from pyproj import Geod

#: Two boxes or areas that share at least this part of their union are one thing. The usual bound of
#: detection benchmarks; parked cars side by side or one behind the other share far less.
SAME_PLACE_IOU = 0.5

#: Places that say where the thing is. The others say at best where the camera is, which is the
#: same for everything it sees.
_LOCATED = frozenset({"homography", "raster"})


def same_place(one: Place, other: Place, gap_m: float = SITE_GAP_M) -> float:
    """How surely two places of one source are of one thing.

    Image boxes decide where both have one. Two building sites are one where they touch or nearly
    touch (see :func:`~cv_engine.cases.site.same_site`). Otherwise areas are compared by the part of
    their union that they share, and anything else by the distance on the ground, which must lie
    within the accuracy of both.

    Args:
        one: A place.
        other: Another place seen by the same source.
        gap_m: How far apart two parts of one building site may lie, in metres.

    Returns:
        0.0 where they are not the same, else a value above 0 and up to 1, larger for closer ones.
    """
    if one.image_box is not None and other.image_box is not None:
        return _bounded(box_iou(one.image_box, other.image_box))
    if one.geometry is None or other.geometry is None:
        return 0.0
    if is_site(one) and is_site(other):
        return same_site(one.geometry, other.geometry, gap_m)
    if not {one.basis, other.basis} <= _LOCATED:
        return 0.0
    return _same_ground(one.geometry, other.geometry, one.accuracy_m, other.accuracy_m)


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
    if first.area > 0 and second.area > 0:
        # A ratio of areas does not change with the scale of the two axes: degrees will do.
        union = shapely.union(first, second).area
        return _bounded(shapely.intersection(first, second).area / union)
    if accuracy_m is None or other_accuracy_m is None:
        return 0.0
    a, b = first.centroid, second.centroid
    distance_m = abs(_wgs84().inv(a.x, a.y, b.x, b.y)[2])
    within_m = min(accuracy_m, other_accuracy_m)
    return 1.0 / (1.0 + distance_m) if distance_m <= within_m else 0.0


@cache
def _wgs84() -> Geod:
    from pyproj import Geod

    return Geod(ellps="WGS84")

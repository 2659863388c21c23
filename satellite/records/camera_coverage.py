"""Camera coverage: which cameras see a piece of ground, and whether it is a blind spot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import shapely
from shapely import STRtree
from shapely.geometry import MultiPolygon, Polygon

from zones.camera import Camera
from zones.plane import LocalPlane, widened

# Longer side in the picture below which ground shows nothing of a building.
_LEAST_SEEN_PX = 16.0
# Metres; from 850 m on a building of 15 m is smaller than that in the picture of a usual street
# camera (focal length 900 px), and houses hide it long before.
_FARTHEST_M = 1000.0
# Usual sizes of frames. Where a camera's frame size is unknown, the smallest one that holds all of
# its control points is assumed.
_FRAMES = ((640, 360), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160), (7680, 4320))


class Coverage:
    """The ground that cameras cover.

    Houses and trees in the line of view are unknown: a camera whose picture holds the ground is
    assumed to see it.

    Args:
        cameras: The city's cameras. A camera with ground control points covers what its picture
            shows; a camera with only a position may cover the ground within its
            ``position_radius_m``; any other camera covers nothing known.
        frames: Width and height of cameras' full frames in pixels, by name. Default: the smallest
            usual frame that holds the camera's control points.
    """

    def __init__(
        self, cameras: Sequence[Camera] = (), frames: Mapping[str, tuple[int, int]] | None = None
    ) -> None:
        self._frames = dict(frames or {})
        self._cameras: list[Camera] = []
        points = []
        for camera in cameras:
            point = _standpoint(camera)
            if point is not None:
                self._cameras.append(camera)
                points.append(point)
        self._tree = STRtree(points)

    def cameras_at(self, polygon: Polygon | MultiPolygon) -> tuple[list[str], list[str]]:
        """Names the cameras that see a piece of ground, and those that may see it.

        Args:
            polygon: WGS 84, longitude first.
        """
        near = shapely.box(*widened(polygon.bounds, _FARTHEST_M))
        seen, perhaps = [], []
        for camera in (self._cameras[index] for index in sorted(self._tree.query(near))):
            if camera.ground_control_points:
                if self._shows(camera, polygon):
                    seen.append(camera.name)
            elif _within(camera, polygon):
                perhaps.append(camera.name)
        return seen, perhaps

    def _shows(self, camera: Camera, polygon: Polygon | MultiPolygon) -> bool:
        width, height = self._frames.get(camera.name) or _frame(camera)
        part = camera.to_image(polygon, width, height)
        if part.is_empty:
            return False
        left, top, right, bottom = part.bounds
        return bool(max(right - left, bottom - top) >= _LEAST_SEEN_PX)


def _standpoint(camera: Camera) -> shapely.Point | None:
    point = camera.standpoint()
    return None if point.lon is None or point.lat is None else shapely.Point(point.lon, point.lat)


def _within(camera: Camera, polygon: Polygon | MultiPolygon) -> bool:
    """Whether ground lies within the radius that a camera may cover."""
    if camera.position is None:
        return False
    plane = LocalPlane(*camera.position)
    ground = shapely.transform(polygon, plane.to_metres)
    return bool(ground.distance(shapely.Point(0, 0)) <= camera.position_radius_m)


def _frame(camera: Camera) -> tuple[int, int]:
    points = camera.ground_control_points
    right, bottom = max(point.x for point in points), max(point.y for point in points)
    for width, height in _FRAMES:
        if right <= width and bottom <= height:
            return width, height
    return math.ceil(right), math.ceil(bottom)

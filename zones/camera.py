"""A fixed camera: pixels to places on the ground and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from zones.control_points import GroundControlPoint, doubtful_points, fit_points
from zones.errors import Problem, ZoneError
from zones.homography import Homography
from zones.plane import LocalPlane

__all__ = ["Camera", "GroundControlPoint", "GroundPoint", "PointError"]

Basis = Literal["homography", "camera", "unknown"]

# Standard error, in pixels, of where a box's foot or a clicked point touches the ground.
PIXEL_ERROR = 3.0
# Standard error, in metres, of a place read off an aerial image or a phone's map.
POINT_ERROR_M = 0.5
# 95 % of a circular normal distribution lie within this many standard errors.
_RADIUS_95 = 2.448
# Edges are straight in degrees; they are projected at points this far apart.
_EDGE_STEP_DEG = 0.0005
_MAX_EDGE_STEPS = 2000  # for zones as large as a country
# Ground nearer to the plane of the lens than this part of the points' mean depth is cut: it lies
# far outside any picture.
_NEAREST_DEPTH = 1e-3
# Metres between a camera and the ground it shows; a larger distance is a wrong digit.
_MAX_POSITION_DISTANCE_M = 5000.0


@dataclass(frozen=True, slots=True)
class GroundPoint:
    """A place on the ground.

    Attributes:
        lon: Degrees WGS 84 (CGCS2000 is the same to centimetres); ``None`` if unknown.
        lat: Degrees WGS 84; ``None`` if unknown.
        accuracy_m: Radius in metres that holds the true place with 95 %; ``None`` if unknown.
        basis: ``"homography"`` (ground control points), ``"camera"`` (the camera's own position) or
            ``"unknown"``.
    """

    lon: float | None
    lat: float | None
    accuracy_m: float | None
    basis: Basis


@dataclass(frozen=True, slots=True)
class PointError:
    """How far a ground control point is off.

    Attributes:
        number: Number of the point, from 1.
        x: Pixel as given, right.
        y: Pixel as given, down.
        fitted_x: Pixel at which the fit shows the point's place on the map.
        fitted_y: The same, down.
        residual_m: Distance on the ground between the point and the fit, metres.
        left_out_m: The same by the fit of the other points; ``None`` with four points.
    """

    number: int
    x: float
    y: float
    fitted_x: float
    fitted_y: float
    residual_m: float
    left_out_m: float | None


@dataclass(frozen=True)
class Camera:
    """A fixed camera.

    Example:
        >>> Camera("gate", position=(29.8683, 121.5440)).locate(640, 480).basis
        'camera'

    Attributes:
        name: The camera's name in the configuration.
        position: ``(latitude, longitude)`` in degrees WGS 84, if known.
        ground_control_points: No point, or at least four in general position.
        position_radius_m: Accuracy in metres of a place that is given as the camera's position. A
            street camera shows a car usefully up to 100 m away.
        max_fit_error_m: Points with a larger fit error are an error: with 2 m a car may be on
            either side of the kerb.
        pixel_error: Standard error of a pixel's position in the picture, in pixels.
        point_error_m: Standard error of a ground control point's place, in metres.

    Raises:
        ZoneError: The position or the points cannot be used; the message names the wrong point.
    """

    name: str
    position: tuple[float, float] | None = None
    ground_control_points: tuple[GroundControlPoint, ...] = ()
    position_radius_m: float = 100.0
    max_fit_error_m: float = 2.0
    pixel_error: float = PIXEL_ERROR
    point_error_m: float = POINT_ERROR_M

    def __post_init__(self) -> None:
        self._check_position()
        if self._fitted and self.position:
            self._check_distance(self._fitted[0])

    @property
    def fit_error_m(self) -> float | None:
        """Root mean square error of the points on the ground in metres.

        Four points always fit with error 0; without points the error is ``None``.
        """
        return self._fitted[1].rms_m if self._fitted else None

    @property
    def left_out_error_m(self) -> float | None:
        """Root mean square leave-one-out error in metres; ``None`` with fewer than five points.

        Each point is compared with the fit of the others, which gives the error of places between
        the points: ``fit_error_m`` is measured on the points that were fitted.
        """
        left_out = self._fitted[1].left_out_m if self._fitted else None
        return None if left_out is None else float(np.sqrt(np.mean(left_out**2)))

    @property
    def doubtful_points(self) -> tuple[tuple[int, float], ...]:
        """The points that the others put elsewhere: number from 1, and distance in metres.

        A point is doubtful where the fit of the others misses it by more than ``max_fit_error_m``
        and either by more than chance explains or by several times that limit.
        """
        return doubtful_points(self._fitted[1], self.max_fit_error_m) if self._fitted else ()

    def locate(self, x: float, y: float) -> GroundPoint:
        """The place on the ground that a pixel shows.

        A pixel above the horizon, or so close below it that the camera's own position is more
        accurate, gives that position.

        Args:
            x: Pixel in the full frame, right.
            y: Pixel in the full frame, down.

        Raises:
            ZoneError: A coordinate is not a finite number.
        """
        if not (math.isfinite(x) and math.isfinite(y)):
            where = f"camera {self.name}"
            raise ZoneError(Problem(where, f"pixel ({x}, {y}) is no place", "give finite numbers"))
        found = self._on_ground(x, y)
        return self.standpoint() if found is None else found

    def metres_per_pixel(self, x: float, y: float) -> float | None:
        """Metres that one pixel spans of an upright thing that stands where a pixel shows ground.

        Args:
            x: Pixel in the full frame, right.
            y: Pixel in the full frame, down.

        Returns:
            The scale; ``None`` without ground control points, above the horizon, and so close below
            it that `locate` gives no place on the ground.
        """
        if self._fitted is None or self._accuracy_m(x, y) is None:
            return None
        return self._fitted[1].metres_per_pixel(x, y)

    def standpoint(self) -> GroundPoint:
        """The camera's own position, as far as it is known."""
        if self.position is not None:
            lat, lon = self.position
            return GroundPoint(lon, lat, self.position_radius_m, "camera")
        if self._fitted is not None:
            # Without a position, the camera is taken to be within reach of its points.
            plane = self._fitted[0]
            return GroundPoint(
                plane.longitude, plane.latitude, self.position_radius_m + self._reach_m, "camera"
            )
        return GroundPoint(None, None, None, "unknown")

    def to_image(self, polygon: BaseGeometry, width: int, height: int) -> Polygon | MultiPolygon:
        """Project a WGS 84 polygon into the picture, cut at the lens plane and at the frame.

        Args:
            polygon: Polygon or multipolygon, longitude first, in degrees.
            width: Of the frame, in pixels.
            height: Of the frame, in pixels.

        Returns:
            Polygon or multipolygon in pixels; empty where the camera does not show it.

        Raises:
            ZoneError: The camera has no ground control points.
        """
        if self._fitted is None:
            raise ZoneError(
                Problem(
                    f"camera {self.name}",
                    "map zones need ground control points to be drawn into the picture",
                    "add ground_control_points to the camera, "
                    'or draw the zone in pixels with "frame": "image"',
                )
            )
        plane, homography = self._fitted
        west, south, east, north = polygon.bounds
        step = max(_EDGE_STEP_DEG, (east - west + north - south) / _MAX_EDGE_STEPS)
        ground = shapely.transform(shapely.segmentize(polygon, step), plane.to_metres)
        in_front = shapely.make_valid(ground).intersection(self._half_plane_in_front(ground))
        if in_front.is_empty:
            return Polygon()
        visible = shapely.make_valid(shapely.transform(in_front, homography.to_image))
        return only_areas(visible.intersection(shapely.box(0, 0, width, height)))

    def point_errors(self) -> list[PointError]:
        """How far each ground control point is off, in the order of the points."""
        if self._fitted is None:
            return []
        plane, homography = self._fitted
        lonlat = np.array([[point.lon, point.lat] for point in self.ground_control_points])
        fitted = homography.to_image(plane.to_metres(lonlat))
        missed = homography.left_out_m
        return [
            PointError(
                number + 1,
                point.x,
                point.y,
                float(fitted[number, 0]),
                float(fitted[number, 1]),
                float(homography.residuals_m[number]),
                None if missed is None else float(missed[number]),
            )
            for number, point in enumerate(self.ground_control_points)
        ]

    @cached_property
    def _fitted(self) -> tuple[LocalPlane, Homography] | None:
        if not self.ground_control_points:
            return None
        return fit_points(
            self.name,
            self.ground_control_points,
            max_fit_error_m=self.max_fit_error_m,
            pixel_error=self.pixel_error,
            point_error_m=self.point_error_m,
        )

    @cached_property
    def _reach_m(self) -> float:
        """Metres from the centre of the points to the farthest of them."""
        if self._fitted is None:
            return 0.0
        lonlat = np.array([[p.lon, p.lat] for p in self.ground_control_points])
        return float(np.max(np.hypot(*self._fitted[0].to_metres(lonlat).T)))

    def _on_ground(self, x: float, y: float) -> GroundPoint | None:
        if self._fitted is None:
            return None
        accuracy = self._accuracy_m(x, y)
        if accuracy is None:
            return None
        plane, homography = self._fitted
        lon, lat = plane.to_degrees(homography.to_ground(np.array([[x, y]])))[0]
        return GroundPoint(float(lon), float(lat), accuracy, "homography")

    def _accuracy_m(self, x: float, y: float) -> float | None:
        """Accuracy of the place on the ground at a pixel; ``None`` where the camera's is better."""
        assert self._fitted is not None
        homography = self._fitted[1]
        if homography.depth(np.array([[x, y]]))[0] <= 0:
            return None
        sigma = homography.sigma_m(x, y, self.pixel_error)
        accuracy = _RADIUS_95 * math.hypot(sigma, homography.rms_m)
        return accuracy if accuracy <= self.position_radius_m else None

    def _half_plane_in_front(self, ground: BaseGeometry) -> Polygon:
        """The half plane in front of the camera, in metres, as a polygon beyond ``ground``."""
        assert self._fitted is not None
        homography = self._fitted[1]
        a, b, c = homography.to_image_matrix[2]
        pixels = np.array([[p.x, p.y] for p in self.ground_control_points])
        nearest = _NEAREST_DEPTH * float(np.mean(1.0 / homography.depth(pixels)))
        west, south, east, north = ground.bounds
        reach = float(np.max(np.abs([west, south, east, north]))) + 1.0
        slope = math.hypot(a, b)
        if slope < 1e-12 * abs(c) / reach:  # looking straight down: all ground is in front
            return shapely.box(-2 * reach, -2 * reach, 2 * reach, 2 * reach)
        normal = np.array([a, b]) / slope
        edge = normal * (nearest - c) / slope
        far = 4 * (reach + float(np.hypot(*edge)))
        along = np.array([-normal[1], normal[0]]) * far
        corners = [edge - along, edge + along, edge + along + normal * far]
        return Polygon([*corners, edge - along + normal * far])

    def _check_position(self) -> None:
        if self.position is None:
            return
        lat, lon = self.position
        if not (abs(lat) <= 90 and abs(lon) <= 180):
            advice = "give degrees WGS 84, latitude first"
            if abs(lat) <= 180 and abs(lon) <= 90:
                advice = "exchange latitude and longitude"
            what = f"latitude {lat:g}, longitude {lon:g} is no place on Earth"
            raise ZoneError(Problem(f"camera {self.name}", what, advice))

    def _check_distance(self, plane: LocalPlane) -> None:
        assert self.position is not None
        lat, lon = self.position
        distance = float(np.hypot(*plane.to_metres(np.array([[lon, lat]]))[0]))
        if not distance <= _MAX_POSITION_DISTANCE_M:
            raise ZoneError(
                Problem(
                    f"camera {self.name}",
                    f"its position lies {distance / 1000:.0f} km from its ground control points",
                    "check latitude and longitude of both",
                )
            )


def only_areas(geometry: BaseGeometry) -> Polygon | MultiPolygon:
    """The polygons of a geometry, without the points and lines that an intersection can have."""
    # Twice, because a collection may hold a multipolygon.
    simple = shapely.get_parts(shapely.get_parts([geometry]))
    parts = [part for part in simple if isinstance(part, Polygon) and part.area > 0]
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)

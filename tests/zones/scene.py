"""Synthetic pinhole cameras over a flat street, with places known exactly."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from zones.camera import Camera, GroundControlPoint
from zones.plane import Array, LocalPlane

WIDTH, HEIGHT = 1280, 720
KINDS = ("clutter", "motor_vehicle_parked", "non_motor_vehicle_parked")
PLANE = LocalPlane(29.8683, 121.5440)


def ground_to_image(height_m: float, tilt_deg: float, pan_deg: float, focal_px: float) -> Array:
    """(3, 3) homography of metres east and north of the camera's foot to pixels.

    ``tilt_deg`` is down from the horizontal, ``pan_deg`` clockwise from north.
    """
    tilt, pan = math.radians(tilt_deg), math.radians(pan_deg)
    forward = np.array(
        [math.sin(pan) * math.cos(tilt), math.cos(pan) * math.cos(tilt), -math.sin(tilt)]
    )
    right = np.array([math.cos(pan), -math.sin(pan), 0.0])
    rotation = np.stack([right, np.cross(forward, right), forward])
    lens = np.array([[focal_px, 0, WIDTH / 2], [0, focal_px, HEIGHT / 2], [0, 0, 1.0]])
    extrinsic = np.column_stack([rotation[:, 0], rotation[:, 1], -height_m * rotation[:, 2]])
    matrix: Array = lens @ extrinsic
    return matrix


def inverse(matrix: Array) -> Array:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def project(matrix: Array, points: Array) -> Array:
    mapped = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    result: Array = mapped[:, :2] / mapped[:, 2:]
    return result


def control_points(
    to_image: Array, pixels: Array, noise_m: Array | None = None
) -> tuple[GroundControlPoint, ...]:
    metres = project(inverse(to_image), pixels)
    lonlat = PLANE.to_degrees(metres if noise_m is None else metres + noise_m)
    return tuple(
        GroundControlPoint(float(x), float(y), float(lat), float(lon))
        for (x, y), (lon, lat) in zip(pixels, lonlat, strict=True)
    )


FOUR_PIXELS = np.array([[160.0, 690.0], [1120.0, 690.0], [950.0, 330.0], [330.0, 330.0]])
EIGHT_PIXELS = np.vstack(
    [FOUR_PIXELS, [[640.0, 600.0], [200.0, 480.0], [1080.0, 470.0], [640.0, 360.0]]]
)
STREET = ground_to_image(height_m=6, tilt_deg=25, pan_deg=40, focal_px=900)


def street_camera(pixels: Array = FOUR_PIXELS) -> Camera:
    return Camera("street", (29.8683, 121.5440), control_points(STREET, pixels))


# Cameras on poles and houses that look down at least so steeply that the lower half shows ground.
poses = st.builds(
    ground_to_image,
    height_m=st.floats(3, 40),
    tilt_deg=st.floats(25, 85),
    pan_deg=st.floats(0, 360),
    focal_px=st.floats(600, 2000),
)

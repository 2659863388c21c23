"""The plane homography between a camera's picture and the ground, with its accuracy.

Method: normalised direct linear transformation, refined by Gauss-Newton on the error on the ground;
covariance of the estimate by first-order propagation. R. Hartley and A. Zisserman, *Multiple View
Geometry in Computer Vision*, 2nd ed., algorithm 4.2 and chapter 5. OpenCV's ``findHomography`` is
used to find outliers only: it rounds its input to single precision.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from zones.plane import Array

_REFINE_STEPS = 10  # Gauss-Newton converges in 3 or 4 steps from the linear solution
_CONVERGED = 1e-12  # relative change of the error below which refinement stops
_LEAVE_OUT_MIN_POINTS = 5  # three points determine no homography
_RANSAC_MIN_POINTS = 7  # with fewer points, too few support a sample of four


@dataclass(frozen=True, eq=False)
class Homography:
    """Picture to ground and back.

    Attributes:
        to_ground_matrix: (3, 3), pixels to metres, scaled so that the third homogeneous coordinate
            is positive below the horizon.
        to_image_matrix: (3, 3), its inverse.
        rms_m: Root mean square distance on the ground between given and fitted points; 0 with four.
        residuals_m: (n,) distance of each point.
        left_out_m: (n,) distance of each point by a fit of all others; ``None`` with four points.
        left_out_sigma_m: (n,) expected standard error of ``left_out_m``, given the errors of the
            pixels and places; ``None`` with four points.
    """

    to_ground_matrix: Array
    to_image_matrix: Array
    rms_m: float
    residuals_m: Array
    left_out_m: Array | None
    left_out_sigma_m: Array | None
    _normal_image: Array
    _ground_scale: float
    _normal_matrix: Array
    _covariance: Array

    def depth(self, pixels: Array) -> Array:
        """(n,) third homogeneous coordinate of pixels (n, 2): positive below the horizon."""
        depth: Array = _homogeneous(pixels) @ self.to_ground_matrix[2]
        return depth

    def to_ground(self, pixels: Array) -> Array:
        """Metres (n, 2) of pixels (n, 2)."""
        return _project(self.to_ground_matrix, pixels)

    def to_image(self, metres: Array) -> Array:
        """Pixels (n, 2) of metres (n, 2)."""
        return _project(self.to_image_matrix, metres)

    def metres_per_pixel(self, x: float, y: float) -> float:
        """Metres on the ground per pixel, parallel to the horizon, at a pixel below the horizon.

        Along a line parallel to the horizon the distance from the lens is the same, so a pixel
        spans as much of an upright thing as of the ground under it; across that line the ground is
        foreshortened, and an upright thing is not.
        """
        a, b, _ = self.to_ground_matrix[2]
        slope = float(np.hypot(a, b))
        # Looking straight down there is no horizon, and every direction is alike.
        along = np.array([-b, a]) / slope if slope > 0 else np.array([1.0, 0.0])
        return float(np.hypot(*(pixel_jacobian(self.to_ground_matrix, x, y) @ along)))

    def sigma_m(self, x: float, y: float, pixel_error: float) -> float:
        """Standard error on the ground, in metres, along its worst direction.

        Args:
            x: Pixel, right.
            y: Pixel, down.
            pixel_error: Standard error of the pixel itself, in pixels.
        """
        normal = _project(self._normal_image, np.array([[x, y]]))
        by_matrix = _by_matrix(self._normal_matrix, normal) / self._ground_scale
        by_pixel = pixel_jacobian(self.to_ground_matrix, x, y)
        spread = by_matrix @ self._covariance @ by_matrix.T + pixel_error**2 * by_pixel @ by_pixel.T
        return float(np.sqrt(np.linalg.eigvalsh(spread)[-1]))


def fit(pixels: Array, metres: Array, pixel_error: float, point_error_m: float) -> Homography:
    """Fit a homography to ground control points.

    Args:
        pixels: (n, 2) with n at least 4, in general position.
        metres: (n, 2) the same points on the ground.
        pixel_error: Standard error of the given pixels.
        point_error_m: Standard error of the given places, in metres.

    Raises:
        numpy.linalg.LinAlgError: The points determine no homography.
    """
    homography = _solve(pixels, metres, pixel_error, point_error_m)
    if len(pixels) < _LEAVE_OUT_MIN_POINTS:
        return homography
    missed, expected = np.empty(len(pixels)), np.empty(len(pixels))
    for i, (x, y) in enumerate(pixels):
        others = np.arange(len(pixels)) != i
        without = _solve(pixels[others], metres[others], pixel_error, point_error_m)
        missed[i] = np.hypot(*(without.to_ground(pixels[[i]]) - metres[[i]])[0])
        expected[i] = np.hypot(without.sigma_m(x, y, pixel_error), point_error_m)
    return dataclasses.replace(homography, left_out_m=missed, left_out_sigma_m=expected)


def pixel_jacobian(matrix: Array, x: float, y: float) -> Array:
    """(2, 2) metres on the ground per pixel at a pixel."""
    u, v, w = matrix @ np.array([x, y, 1.0])
    ground = np.array([u / w, v / w])
    jacobian: Array = (matrix[:2, :2] - np.outer(ground, matrix[2, :2])) / w
    return jacobian


def outliers(pixels: Array, metres: Array, tolerance_m: float) -> list[int]:
    """Indices of the points outside the largest consensus set (RANSAC; from 7 points)."""
    if len(pixels) < _RANSAC_MIN_POINTS:
        return []
    import cv2

    _, agrees = cv2.findHomography(pixels, metres, cv2.RANSAC, tolerance_m)
    # OpenCV returns None where it finds no consensus set, although its type hints do not say so.
    return [int(i) for i in np.flatnonzero(np.ravel(agrees) == 0)]


def _solve(pixels: Array, metres: Array, pixel_error: float, point_error_m: float) -> Homography:
    matrix, normal_matrix, to_normal, to_normal_ground = _estimate(pixels, metres)
    if np.median(_homogeneous(pixels) @ matrix[2]) < 0:
        matrix, normal_matrix = -matrix, -normal_matrix
    residuals = np.hypot(*(_project(matrix, pixels) - metres).T)
    scale = to_normal_ground[0, 0]
    by_matrix = _by_matrix(normal_matrix, _project(to_normal, pixels)) / scale
    return Homography(
        to_ground_matrix=matrix,
        to_image_matrix=np.asarray(np.linalg.inv(matrix), dtype=np.float64),
        rms_m=float(np.sqrt(np.mean(residuals**2))),
        residuals_m=residuals,
        left_out_m=None,
        left_out_sigma_m=None,
        _normal_image=to_normal,
        _ground_scale=float(scale),
        _normal_matrix=normal_matrix,
        _covariance=_covariance(matrix, by_matrix, pixels, residuals, pixel_error, point_error_m),
    )


def _estimate(pixels: Array, metres: Array) -> tuple[Array, Array, Array, Array]:
    to_normal, to_normal_ground = _normaliser(pixels), _normaliser(metres)
    source, target = _project(to_normal, pixels), _project(to_normal_ground, metres)
    matrix = _refine(_linear(source, target), source, target)
    full: Array = np.linalg.inv(to_normal_ground) @ matrix @ to_normal
    return full, matrix, to_normal, to_normal_ground


def _normaliser(points: Array) -> Array:
    centre = points.mean(axis=0)
    scale = np.sqrt(2) / np.mean(np.hypot(*(points - centre).T))
    return np.array([[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1]])


def _linear(source: Array, target: Array) -> Array:
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, -u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, -v])
    matrix: Array = np.linalg.svd(np.array(rows))[2][-1].reshape(3, 3)
    return matrix


def _refine(matrix: Array, source: Array, target: Array) -> Array:
    error = float(np.sum((_project(matrix, source) - target) ** 2))
    for _ in range(_REFINE_STEPS):
        residual = (_project(matrix, source) - target).ravel()
        step = np.linalg.lstsq(_by_matrix(matrix, source), -residual, rcond=1e-12)[0]
        trial = matrix + step.reshape(3, 3)
        trial /= np.linalg.norm(trial)
        new_error = float(np.sum((_project(trial, source) - target) ** 2))
        if not new_error < error * (1 - _CONVERGED):
            break
        matrix, error = trial, new_error
    return matrix


def _covariance(
    matrix: Array,
    by_matrix: Array,
    pixels: Array,
    residuals: Array,
    pixel_error: float,
    point_error_m: float,
) -> Array:
    count = len(pixels)
    noise = np.zeros((2 * count, 2 * count))
    for i, (x, y) in enumerate(pixels):
        per_pixel = pixel_jacobian(matrix, x, y)
        block = point_error_m**2 * np.eye(2) + pixel_error**2 * per_pixel @ per_pixel.T
        noise[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = block
    inverse = np.linalg.pinv(by_matrix, rcond=1e-10)
    spare = 2 * count - 8
    if spare > 0:  # points that fit worse than assumed are less accurate than assumed
        noise *= max(1.0, float(np.sum(residuals**2)) / spare / (np.trace(noise) / (2 * count)))
    covariance: Array = inverse @ noise @ inverse.T
    return covariance


def _by_matrix(matrix: Array, points: Array) -> Array:
    """(2n, 9) derivative of the projected points by the entries of the matrix."""
    homogeneous = _homogeneous(points)
    u, v, w = (homogeneous @ matrix.T).T
    zero = np.zeros_like(homogeneous)
    over = homogeneous / w[:, None]
    by_u = np.hstack([over, zero, -over * (u / w)[:, None]])
    by_v = np.hstack([zero, over, -over * (v / w)[:, None]])
    return np.stack([by_u, by_v], axis=1).reshape(-1, 9)


def _homogeneous(points: Array) -> Array:
    return np.hstack([points, np.ones((len(points), 1))])


def _project(matrix: Array, points: Array) -> Array:
    projected = _homogeneous(points) @ matrix.T
    result: Array = projected[:, :2] / projected[:, 2:]
    return result

"""Aligns two images: a field of local sub-pixel shifts, estimated once per pair.

Chips all over the scene are correlated (:mod:`satellite.registration.correlation`). RANSAC
(Fischler and Bolles 1981) finds the affine map that most chips agree on, which decides whether the
two images show the same ground at all, and where all chips are correlated again. A smooth field
(:mod:`satellite.registration.shift`) is fitted to those with a clear peak. The later chips are then
warped by that field and the remaining shift is measured, since the shift varies within a chip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt

import cv2
import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid
from satellite.imagery.views import Picture
from satellite.registration.correlation import (
    Grey,
    Peak,
    correlate,
    find_peak,
    surface,
    texture,
    weighted_centre,
)
from satellite.registration.shift import Array, ShiftField, linear_terms
from satellite.registration.shift_fit import fit_field

View = Callable[[Window], tuple[Picture, NDArray[np.bool_]]]
Progress = Callable[[float], None]

# Side of a chip: large enough that some of its ground is unchanged, small enough to follow a warp
# with a period of some hundred pixels.
_CHIP_PX = 128
# Distance of chips in small scenes: 64 px in scenes of 1,000 to 3,200 pixels; in the smallest
# scenes chips overlap, since there are few.
_SPACING_PX = (32.0, 64.0)
_FEW_CHIPS = 256
# Most chips in a scene of any size; bounds time (some ten seconds) and memory (100 MB).
_MOST_CHIPS = 2500
# Distance of the lattice's nodes in units of the chips' distance: two or three chips per node.
_NODE_SPACING = 1.0
# Search radius around the global shift, pixels.
_SEARCH_PX = 14
# Search radius around the consensus, and around the local field, pixels.
_NEAR_PX = 4
_RESIDUAL_PX = 2
# Height from which a peak is accepted: among all shifts, and among the few around an expected shift
# (see satellite.registration.correlation.Peak).
_CLEAR = 4.2
_CLEAR_NEAR = 3.5
# Number and side of the windows for the global shift, and the factor by which they are reduced.
_COARSE_WINDOWS = 16
_COARSE_PX = 512
_COARSER = 2
# The largest global shift that is searched, pixels.
_FARTHEST_PX = 64
# Share of a chip that may lie beyond the scene's edge, so that the field is known up to the edge;
# and the least share of valid pixels at both dates.
_OVER_EDGE = 0.25
_LEAST_VALID = 0.5
# Root mean square gradient, grey levels per pixel, below which ground has no texture: noise and
# compression artefacts have 1 to 2.
_LEAST_TEXTURE = 2.5
# RANSAC: number of trials; distance within which a chip agrees with an affine map, pixels; the
# largest slope, pixels per pixel (2 % is far beyond the difference of two images of one orbit or
# survey).
_TRIALS = 400
_AGREES_PX = 2.0
_STEEPEST = 0.02
# Fewest chips that must have texture and agree: three always agree with the map through them.
_LEAST_AGREEING = 6
# Least number of agreeing chips: standard deviations above chance, and share of the chips with a
# clear peak.
_BEYOND_CHANCE = 6.0
_LEAST_SHARE = 0.15
# Decimals of the splines' coefficients: a ten-thousandth of a pixel.
_DIGITS = 4


@dataclass(frozen=True, slots=True, eq=False)
class _Chip:
    """A small window whose shift is measured.

    Attributes:
        window: Pixels of the grid.
        before: Grey levels of the earlier image.
        after: Grey levels of the later image at the global shift, with a margin of ``_SEARCH_PX``.
        held: Valid masks of both, 1 where valid; ``None`` where all pixels are valid.
    """

    window: Window
    before: Grey
    after: Grey
    held: tuple[Grey, Grey] | None

    @property
    def centre(self) -> tuple[float, float]:
        """Weighted centre (x, y) of the valid pixels, in pixels of the grid."""
        x, y = self.window.width / 2, self.window.height / 2
        if self.held is not None:
            x, y = weighted_centre(self.held[0])
        return self.window.col_off + x, self.window.row_off + y

    def search(self, dx: int, dy: int, within: int | None = None) -> Peak:
        """Measures the shift, relative to the global one, near an expected shift."""
        height, width = self.before.shape
        top, left = _SEARCH_PX + dy, _SEARCH_PX + dx
        part = slice(top, top + height), slice(left, left + width)
        held = (None, None) if self.held is None else (self.held[0], self.held[1][part])
        found = find_peak(correlate(self.before, self.after[part], *held), _SEARCH_PX, within)
        return replace(found, dx=dx + found.dx, dy=dy + found.dy)

    def residual(self, dx: NDArray[np.float32], dy: NDArray[np.float32]) -> Peak:
        """Measures the shift that remains after a field of shifts relative to the global one."""
        height, width = self.before.shape
        xs = dx + (np.arange(width, dtype=np.float32) + _SEARCH_PX)
        ys = dy + (np.arange(height, dtype=np.float32)[:, None] + _SEARCH_PX)
        laid = cv2.remap(self.after, xs, ys, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        held: tuple[Grey, Grey] | tuple[None, None] = (None, None)
        if self.held is not None:
            later = cv2.remap(self.held[1], xs, ys, cv2.INTER_NEAREST)
            held = (self.held[0], np.asarray(later, np.uint8))
        laid_grey: Grey = np.asarray(laid, np.uint8)
        return find_peak(correlate(self.before, laid_grey, *held), _SEARCH_PX, _RESIDUAL_PX)


def estimate_shift(
    grid: Grid, before: View, after: View, *, progress: Progress | None = None
) -> ShiftField:
    """Estimates the shift of the later image against the earlier one.

    Args:
        grid: The grid on which both images are read.
        before: Reads a window of the earlier image: a picture, uint8 ``(h, w, 3 or 4)``, and its
            valid mask; windows may reach beyond the grid.
        after: Reads a window of the later image, in the same form.
        progress: Called with the finished share, 0 to 1.

    Returns:
        The field. Warps finer than about three times the distance of chips (64 px in scenes of up
        to 3,200 px, a fiftieth of the side of larger ones) are not followed, nor are jumps, such as
        between the ground and the roofs of leaning towers in an oblique view.

    Raises:
        SatelliteError: There is too little texture, or too few places agree on any shift.
    """
    report = progress or (lambda _share: None)
    far = _global_shift(grid, before, after)
    report(0.1)
    chips = _chips(grid, before, after, far, lambda share: report(0.1 + 0.4 * share))
    if len(chips) < _LEAST_AGREEING:
        raise SatelliteError(
            f"the two images cannot be aligned: only {len(chips)} places have texture and data at"
            f" both dates, {_LEAST_AGREEING} are needed; if one is under cloud, take another one;"
            " if they are aligned already, switch the alignment off:"
            " --no-align (in the configuration: satellite.align: false)"
        )
    field = _consensus_field(grid, chips)
    report(0.7)
    step = _spacing(grid) * _NODE_SPACING
    for measure in (_remeasure, _measure_residuals):
        points, shifts = measure(chips, field)
        field, _ = fit_field(points, shifts, (grid.width, grid.height), step)
        report(0.85 if measure is _remeasure else 1.0)
    moved = field.affine + np.array([[far[0], 0, 0], [far[1], 0, 0]])
    # Rounded here, so that a stored field gives the same pixels.
    return replace(field, affine=moved, lattice=field.lattice.round(_DIGITS), offered=len(chips))


def _global_shift(grid: Grid, before: View, after: View) -> tuple[int, int]:
    """The shift on which windows all over the scene agree, whole pixels; (0, 0) without any.

    The correlations of all windows are added before the peak is searched, so that windows full of
    change are outvoted.
    """
    side = min(_COARSE_PX, max(_CHIP_PX, min(grid.width, grid.height) // 32 * 32))
    reach = min(_FARTHEST_PX, side // 4) // _COARSER
    total = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for window in _spread(grid, side, _COARSE_WINDOWS):
        views = [_coarser(*view(window)) for view in (before, after)]
        if any(valid.mean() < 0.5 for _, valid in views):
            continue
        (grey, valid), (later, later_valid) = views
        total += surface(correlate(grey, later, valid, later_valid), reach)
    if not total.any():
        return 0, 0
    row, col = divmod(int(total.argmax()), total.shape[1])
    return _COARSER * (col - reach), _COARSER * (row - reach)


def _coarser(picture: Picture, valid: NDArray[np.bool_]) -> tuple[Grey, Grey]:
    size = (picture.shape[1] // _COARSER, picture.shape[0] // _COARSER)
    grey = cv2.resize(_grey(picture), size, interpolation=cv2.INTER_AREA)
    held = cv2.resize(valid.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return grey.astype(np.uint8), held.astype(np.uint8)


def _spread(grid: Grid, side: int, most: int) -> list[Window]:
    """At most ``most`` square windows, evenly spread over the grid, without repetition."""
    per_side = int(sqrt(most))
    starts = []
    for length in (grid.height, grid.width):
        room = max(0, length - side)
        starts.append(
            np.unique(np.linspace(0, room, min(per_side, 1 + 2 * room // side)).astype(int))
        )
    return [Window(int(x), int(y), side, side) for y in starts[0] for x in starts[1]]


def _spacing(grid: Grid) -> float:
    """Distance of chips, pixels."""
    area = grid.width * grid.height
    return max(float(np.clip(sqrt(area / _FEW_CHIPS), *_SPACING_PX)), sqrt(area / _MOST_CHIPS))


def _chips(
    grid: Grid, before: View, after: View, far: tuple[int, int], progress: Progress
) -> list[_Chip]:
    """Chips with texture and data, evenly over the scene."""
    side = min(_CHIP_PX, grid.width, grid.height)
    over = int(_OVER_EDGE * side)
    tops, lefts = (
        np.linspace(-over, n - side + over, 1 + round((n - side + 2 * over) / _spacing(grid)))
        for n in (grid.height, grid.width)
    )
    found = []
    for done, top in enumerate(tops):
        for left in lefts:
            chip = _chip(before, after, Window(int(left), int(top), side, side), far)
            if chip is not None:
                found.append(chip)
        progress((done + 1) / len(tops))
    return found


def _chip(before: View, after: View, window: Window, far: tuple[int, int]) -> _Chip | None:
    """Reads a chip; ``None`` where it has too little texture or too few valid pixels."""
    picture, valid = before(window)
    grey = _grey(picture)
    if valid.mean() < _LEAST_VALID or texture(grey, valid) < _LEAST_TEXTURE:
        return None
    wide = Window(
        window.col_off + far[0] - _SEARCH_PX,
        window.row_off + far[1] - _SEARCH_PX,
        window.width + 2 * _SEARCH_PX,
        window.height + 2 * _SEARCH_PX,
    )
    picture, later_valid = after(wide)
    later = _grey(picture)
    if later_valid.mean() < _LEAST_VALID or texture(later, later_valid) < _LEAST_TEXTURE:
        return None
    whole = bool(valid.all() and later_valid.all())
    held = None if whole else (valid.astype(np.uint8), later_valid.astype(np.uint8))
    return _Chip(window, grey, later, held)


def _grey(picture: Picture) -> Grey:
    colours = np.ascontiguousarray(picture[..., :3])
    return np.asarray(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY), np.uint8)


def _consensus_field(grid: Grid, chips: Sequence[_Chip]) -> ShiftField:
    """The affine field, relative to the global shift, that most chips agree on.

    Raises:
        SatelliteError: So few chips agree that it may be chance.
    """
    found = [(chip.centre, chip.search(0, 0)) for chip in chips]
    clear = [(centre, at) for centre, at in found if at.height >= _CLEAR]
    points = np.array([centre for centre, _ in clear]).reshape(-1, 2)
    shifts = np.array([(at.dx, at.dy) for _, at in clear]).reshape(-1, 2)
    agreeing = _consensus(grid, points, shifts)
    by_chance = len(clear) * np.pi * _AGREES_PX**2 / (2 * _SEARCH_PX + 1) ** 2
    beyond = by_chance + _BEYOND_CHANCE * sqrt(by_chance)
    needed = ceil(max(_LEAST_AGREEING, beyond, _LEAST_SHARE * len(clear)))
    if agreeing.sum() < needed:
        raise SatelliteError(
            f"the two images do not show the same ground, or lie more than {_FARTHEST_PX} pixels"
            f" apart: only {agreeing.sum()} of {len(chips)} places agree on a shift, {needed} are"
            " needed; check that both are of the same area and not under cloud, and their"
            " coordinate reference systems"
        )
    step = _spacing(grid) * _NODE_SPACING
    return fit_field(points, shifts, (grid.width, grid.height), step)[0]


def _consensus(grid: Grid, points: Array, shifts: Array) -> NDArray[np.bool_]:
    """Which measurements agree with the affine map that has most support."""
    best = np.zeros(len(points), bool)
    if len(points) < 3:
        return best
    terms = linear_terms(points, grid.width, grid.height)
    rng = np.random.default_rng(0)  # the same images give the same field
    for _ in range(_TRIALS):
        chosen = rng.choice(len(points), 3, replace=False)
        matrix = terms[chosen]
        if abs(np.linalg.det(matrix)) < _SPACING_PX[0] ** 2:
            continue  # nearly collinear
        affine = np.linalg.solve(matrix, shifts[chosen])
        if np.abs(affine[1:]).max() > _STEEPEST:
            continue
        agreeing = np.hypot(*(shifts - terms @ affine).T) < _AGREES_PX
        if agreeing.sum() > best.sum():
            best = agreeing
    return best


def _remeasure(chips: Sequence[_Chip], field: ShiftField) -> tuple[Array, Array]:
    """Measures all chips again, near the shift that a field predicts.

    Returns:
        Points (n, 2) and shifts (n, 2) of the chips with a clear peak.
    """
    expected = np.rint(field.at_points(np.array([chip.centre for chip in chips])))
    expected = np.clip(expected, -_SEARCH_PX, _SEARCH_PX).astype(int)
    found = [
        (chip.centre, chip.search(int(dx), int(dy), _NEAR_PX))
        for chip, (dx, dy) in zip(chips, expected, strict=True)
    ]
    clear = [(centre, at.dx, at.dy) for centre, at in found if at.height >= _CLEAR_NEAR]
    points = np.array([centre for centre, _, _ in clear]).reshape(-1, 2)
    return points, np.array([(dx, dy) for _, dx, dy in clear]).reshape(-1, 2)


def _measure_residuals(chips: Sequence[_Chip], field: ShiftField) -> tuple[Array, Array]:
    """Adds to a field the shift that it leaves in each chip; returns as :func:`_remeasure`."""
    points, shifts = [], []
    for chip in chips:
        dx, dy = field.at(chip.window)
        left = chip.residual(dx, dy)
        if left.height >= _CLEAR_NEAR:
            points.append(chip.centre)
            shifts.append((left.dx, left.dy))
    at = np.array(points).reshape(-1, 2)
    return at, np.array(shifts).reshape(-1, 2) + field.at_points(at)

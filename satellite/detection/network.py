"""The learned detector: a change network on small tiles, blended without seams."""

from __future__ import annotations

from math import ceil
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.change import STRIDE_PX, ChangeNetwork
from satellite.detection.cover import cover
from satellite.errors import SatelliteError
from satellite.imagery.views import Change, Mask, Picture, Probability, Quality, Views

# Border of a tile, pixels at the network's resolution, where the missing context matters: there
# probabilities differ by 0.03 from those with context; from 8 pixels inward by 0.008, as between
# any two tiles. Twice 8, since the core of a window ends there unblended: with 8, F1 of disturbed
# scenes is 0.3 points lower. Tiles are blended over twice this width.
_EDGE_PX = 16
# Sides of tiles as shares of the training's side: few, since each pair of sides takes a second and
# 50 MB to prepare, but such that little more than the selection is judged; seven of the longest
# cover a tile of a scene. F1 hardly depends on the side: for 9 LEVIR pairs, mirrored at their
# borders, 0.921 to 0.927 with tiles of 104, 128, 160, 192, 256 (TinyCD's training) and 320 px, but
# 0.88 with 64.
_SIDES = (0.5, 0.75, 1.28)
_LEAST_SIDE_PX = 96
# Margin around a window, pixels at the network's resolution: context of a building at its border.
_MARGIN_PX = 32
# Ratio of pixel sizes up to which images are not resampled: buildings vary by more than that.
_ALIKE = 1.2
# Largest enlargement of coarser images, less than to the network's resolution: the network takes
# blurred pixels for unchanged, but finds small buildings. LEVIR tiles reduced to 2 m, F1: enlarged
# 4 times 0.61, 3 times 0.90, 2.5 times 0.90, 2 times 0.86; to 1.5 m: 2.5 times 0.92, 2 times 0.91.
# Chosen on these tiles; with each scene left out of the choice, F1 at 2 m is 0.88.
_ENLARGED = 2.5
# Still coarser images need sharp edges: pixels become squares, enlarged to this share of the full
# size. F1 at 3 m: 0.80 (smooth, 2.5 times: 0.47); at 4 m: 0.62 (0.24).
_SMOOTH = 4.5
_SQUARES = 0.77
# Ratio of pixel sizes above which the network finds nothing.
_COARSEST = 8.0


class NetworkDetector:
    """Judges windows with a change network; must not be shared between threads.

    The network runs on tiles of half to one and a quarter times the side of its training, as fits
    the selection. Where the images' pixel size differs from the training's, each tile is resampled,
    and its probabilities are resampled back.

    Attributes:
        network: The change network.
        resolution_m: Pixel size on the ground for which the network is made, metres.
        margin_px: Pixels of context that the detector needs around a window.
    """

    def __init__(
        self,
        network: ChangeNetwork,
        *,
        resolution_m: float | None = None,
        views_m: float | None = None,
    ) -> None:
        """Prepares the detector.

        Args:
            network: The change network.
            resolution_m: Pixel size for which the network is made, metres; default: from its file.
            views_m: Pixel size of the windows to come, metres, for ``margin_px``; default: the
                network's.

        Raises:
            SatelliteError: Neither the file nor the caller gives the network's resolution, or the
                windows are too coarse for the network.
        """
        found = resolution_m or network.resolution_m
        if not found:
            raise SatelliteError(
                f"the network '{network.name}' does not state the resolution for which it is made: "
                "write resolution_m into the metadata of its ONNX file"
            )
        self.network = network
        self.resolution_m = found
        self.margin_px = ceil(_MARGIN_PX / self._enlarged(views_m or found)[0])
        self._sides = _sides(network)

    @property
    def name(self) -> str:
        """The name by which users choose the detector."""
        return "network"

    def __call__(self, views: Views) -> Change:
        """Judges a window; where it cannot be compared, both probabilities are 0.

        Raises:
            SatelliteError: The images lack three bands, or are too coarse for the network.
            ModelError: The network fails.
        """
        return self.judge(views, views.in_core(np.ones(views.quality.shape, np.bool_)))

    def judge(self, views: Views, wanted: Mask) -> Change:
        """Judges the selected parts of a window, in as few tiles as possible.

        Args:
            views: The window at two dates.
            wanted: bool ``(height, width)``: the pixels to judge.

        Returns:
            The probabilities; 0 outside of ``wanted`` and where pixels cannot be compared. At each
            pixel only the greater of the two is kept: a building that replaces another one
            appeared.

        Raises:
            SatelliteError: The images lack three bands, differ in size, or are too coarse for the
                network.
            ModelError: The network fails.
        """
        _check(views, wanted)
        asked = wanted & (views.quality == Quality.CLEAR)
        change = Change(*(np.zeros(wanted.shape, np.float32) for _ in range(2)))
        if asked.any():
            # The window is cropped to the images' extent: with black in a tile the network finds
            # less.
            there = _bounding_slices(views.quality != Quality.NODATA)
            missing = views.quality[there] == Quality.NODATA
            before, after = _filled(views.before[there], views.after[there], missing)
            found = change.appeared[there], change.gone[there]
            self._judge(before, after, asked[there], found, views.resolution_m)
        return change

    def _judge(
        self,
        before: Picture,
        after: Picture,
        asked: Mask,
        found: tuple[Probability, Probability],
        resolution_m: float,
    ) -> None:
        """Writes both probabilities, blended from tiles, into ``found`` where asked."""
        factor, how = self._enlarged(resolution_m)
        sides = self._tile_lengths(asked.shape, factor)
        longest = max(sides)
        edge = max(1, round(_EDGE_PX / factor))
        asked, before, after = (_mirrored(part, longest) for part in (asked, before, after))
        appeared, gone = (_mirrored(part, longest) for part in found)
        weights = np.zeros(asked.shape, np.float32)
        ramps = {side: _blend_weights(side, 2 * edge) for side in sides}
        tiles = cover(asked, list(sides), edge)
        for tile in tiles:
            part, weight = tile.part, np.outer(ramps[tile.height], ramps[tile.width])
            shape = sides[tile.height], sides[tile.width]
            pair = self._run(before[part], after[part], shape, how)
            for given, one in zip((appeared, gone), pair, strict=True):
                given[part] += weight * one
            weights[part] += weight
        for part in (tile.part for tile in tiles):
            _finish_blending(appeared[part], gone[part], weights[part], asked[part])
        for given, one in zip(found, (appeared, gone), strict=True):
            if one is not given:
                given[:] = one[: len(given), : given.shape[1]]

    def _tile_lengths(self, shape: tuple[int, ...], factor: float) -> dict[int, int]:
        """The allowed sides of a window's tiles: in the network's pixels, by those in its own."""
        sides = self._sides
        if min(shape) * factor < sides[-1]:  # the training's side rather than a mirrored border
            sides = (*sides[:-1], self.network.side_px)
        return {round(side / factor): side for side in sides}

    def _run(
        self, before: Picture, after: Picture, wanted: tuple[int, int], how: int
    ) -> tuple[Probability, Probability]:
        """Both probabilities of one tile, which is resampled to the network's shape and back."""
        shape = before.shape[0], before.shape[1]
        appeared, gone = self.network(
            _resized(before, wanted, how)[np.newaxis], _resized(after, wanted, how)[np.newaxis]
        )
        return (
            _resized(appeared[0], shape, cv2.INTER_LINEAR),
            _resized(gone[0], shape, cv2.INTER_LINEAR),
        )

    def _enlarged(self, resolution_m: float) -> tuple[float, int]:
        """The factor and method of enlarging images of a resolution."""
        coarser = resolution_m / self.resolution_m
        if coarser > _COARSEST:
            raise SatelliteError(
                f"pixels of {resolution_m:g} m are too coarse for the network "
                f"'{self.network.name}', which is made for {self.resolution_m:g} m and finds "
                f"nothing beyond {_COARSEST * self.resolution_m:g} m: take the detector "
                "without a network, which finds far less (--detector classical; in the "
                "configuration: satellite.detector), or a network that was trained on such images "
                "(--model; satellite.model)"
            )
        if 1 / _ALIKE <= coarser <= _ALIKE:
            return 1.0, cv2.INTER_CUBIC
        if coarser > _SMOOTH:
            return _SQUARES * coarser, cv2.INTER_NEAREST
        return min(coarser, _ENLARGED), cv2.INTER_CUBIC


def _sides(network: ChangeNetwork) -> tuple[int, ...]:
    """The allowed heights and widths of a network's tiles, pixels at its resolution."""
    side = network.side_px
    if network.runtime.graph.fixed_size:
        return (side,)
    sides = (round(share * side / STRIDE_PX) * STRIDE_PX for share in _SIDES)
    return tuple(one for one in sides if one >= _LEAST_SIDE_PX) or (side,)


def _check(views: Views, wanted: Mask) -> None:
    """Refuses windows whose parts do not match."""
    shape = views.quality.shape
    for image in (views.before, views.after):
        if image.ndim != 3 or image.shape[2] < 3 or image.dtype != np.uint8:
            raise SatelliteError(
                f"the network needs red, green and blue, 8 bits each; the window is {image.dtype} "
                f"of shape {image.shape}: name the bands of both images (--roles; in the "
                "configuration: roles), or take --detector classical (satellite.detector)"
            )
        if image.shape[:2] != shape or wanted.shape != shape:
            raise SatelliteError(
                f"the window's parts differ in size: image {image.shape[:2]}, quality {shape}, "
                f"wanted {wanted.shape}"
            )


def _filled(before: Picture, after: Picture, missing: Mask) -> tuple[Picture, Picture]:
    """Red, green and blue of both dates; nodata of one date is filled from the other.

    A black area at one date only would be the strongest change in the tile, and the instance
    normalisation would suppress the rest: with half of a tile missing at the later date F1 of the
    other half is 0.86, and 0.92 when filled. Clouds do no such harm and are not filled.
    """
    before, after = before[..., :3], after[..., :3]
    if missing.any():
        there = np.maximum(before, after)  # missing pixels are 0
        before, after = (
            np.where(missing[..., np.newaxis], there, image) for image in (before, after)
        )
    return np.ascontiguousarray(before), np.ascontiguousarray(after)


def _bounding_slices(mask: Mask) -> tuple[slice, slice]:
    """The bounding box of a mask, as slices of rows and columns."""
    rows, cols = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)


def _finish_blending(
    appeared: Probability, gone: Probability, weights: Probability, asked: Mask
) -> None:
    """Divides weighted sums by their weights, in place; keeps the greater of the two probabilities.

    New buildings also respond in the reversed order of dates: of the changed pixels of 9 LEVIR
    tiles, without any demolition, 24 % are also detected as gone, but only 0.7 % as more likely
    gone than new. A finished pixel is left unchanged when an overlapping tile is finished.
    """
    share = asked / weights
    weights[:] = 1
    appeared *= share
    gone *= share
    torn_down = gone > appeared
    appeared *= ~torn_down
    gone *= torn_down


def _mirrored(image: NDArray[Any], side: int) -> NDArray[Any]:
    """An image mirrored at the bottom and right up to the side of a tile."""
    height, width = image.shape[:2]
    pad = [(0, max(0, side - height)), (0, max(0, side - width))]
    if not any(after for _, after in pad):
        return image
    return np.pad(image, [*pad, (0, 0)][: image.ndim], "symmetric")


def _resized(image: NDArray[Any], shape: tuple[int, int], larger: int) -> NDArray[Any]:
    """An image in another size: averaged where smaller, else interpolated by ``larger``."""
    if image.shape[:2] == shape:
        return image
    how = cv2.INTER_AREA if len(image) > shape[0] else larger
    return np.asarray(cv2.resize(image, shape[::-1], interpolation=how))


def _blend_weights(side: int, ramp: int) -> NDArray[np.float32]:
    """Weight of a tile's pixels along a side: rises smoothly over ``ramp`` pixels at both ends."""
    distance = np.minimum(np.arange(side), np.arange(side)[::-1]) + 0.5
    share = np.clip(distance / ramp, 0, 1)
    smooth = share * share * (3 - 2 * share)  # two overlapping mirrored ramps add up to 1
    return np.asarray(smooth, np.float32)

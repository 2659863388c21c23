"""The learned detector: a change network over small tiles, put together so that no seam shows."""

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

# Of a tile: its outermost pixels, at the network's resolution, where what the network takes to lie beyond
# the border shows: there its probabilities differ by 0.03 from those that it gives with the surroundings in
# view, from 8 pixels inward by 0.008, as anywhere in two tiles. Twice as many, since the core of a window ends
# there unblended: with 8, F1 of disturbed scenes is 0.3 points lower. Twice this is blended from tile to tile.
_EDGE_PX = 16
# Heights and widths of tiles in units of the side that the network was trained on: few, since each pair of them
# takes a second and 50 MB to make ready, but such that little more is judged than what is asked for; seven of
# the longest cover a tile of a scene. F1 hardly depends on them: of 9 LEVIR pairs, mirrored at their borders, it
# is 0.921 to 0.927 in tiles of 104, 128, 160, 192, 256 (TinyCD's training) and 320 px, but 0.88 of 64.
_SIDES = (0.5, 0.75, 1.28)
_LEAST_SIDE_PX = 96
# Around a window, at the network's resolution: of a building at its border that much more is seen.
_MARGIN_PX = 32
# Images are not resampled where their pixels and the network's are alike up to this factor: buildings
# vary by more than that.
_ALIKE = 1.2
# Coarser images are enlarged, but less than to the network's resolution: what is blurred it takes for
# unchanged, while it finds buildings that are small. LEVIR tiles brought to 2 m, F1: enlarged 4 times 0.61,
# 3 times 0.90, 2.5 times 0.90, 2 times 0.86; to 1.5 m: 2.5 times 0.92, 2 times 0.91. Chosen on these tiles;
# with each scene left out of the choice F1 at 2 m is 0.88.
_ENLARGED = 2.5
# Still coarser ones need their edges: pixels as squares, enlarged to this share of the full size. F1 at
# 3 m: 0.80 (smooth, 2.5 times: 0.47); at 4 m: 0.62 (0.24).
_SMOOTH = 4.5
_SQUARES = 0.77
# Pixels as many times as coarse as the network's tell nothing.
_COARSEST = 8.0


class NetworkDetector:
    """Judges windows with a change network; not to be shared between threads.

    The network is run on tiles from half the side that it was trained on to one and a quarter, as suits what is
    asked for. Where the images' pixels are of another size than those of its training, each tile is
    resampled, and its probabilities back.

    Attributes:
        network: The change network.
        resolution_m: Side of a pixel on the ground that the network is made for, metres.
        margin_px: Pixels around a window whose content it wants to see.
    """

    def __init__(
        self,
        network: ChangeNetwork,
        *,
        resolution_m: float | None = None,
        views_m: float | None = None,
    ) -> None:
        """Prepare the detector.

        Args:
            network: The change network.
            resolution_m: What it is made for, metres per pixel; as its file tells if left out.
            views_m: Metres per pixel of the windows to come, for ``margin_px``; the network's own if
                left out.

        Raises:
            SatelliteError: Neither the file nor the caller tells the network's resolution, or the
                windows are too coarse for it.
        """
        found = resolution_m or network.resolution_m
        if not found:
            raise SatelliteError(
                f"the network '{network.name}' does not tell for which resolution it is made: "
                "write resolution_m into the metadata of its ONNX file"
            )
        self.network = network
        self.resolution_m = found
        self.margin_px = ceil(_MARGIN_PX / self._enlarged(views_m or found)[0])
        self._sides = _sides(network)

    @property
    def name(self) -> str:
        """As users choose and see it."""
        return "network"

    def __call__(self, views: Views) -> Change:
        """Judges a window; where it cannot be compared, both probabilities are 0.

        Raises:
            SatelliteError: The images have no three bands, or are too coarse for the network.
            ModelError: The network fails.
        """
        return self.judge(views, views.in_core(np.ones(views.quality.shape, np.bool_)))

    def judge(self, views: Views, wanted: Mask) -> Change:
        """Judges parts of a window, in as few tiles as will do.

        Args:
            views: The window.
            wanted: ``(height, width)``: what is to be judged.

        Returns:
            The probabilities; 0 where nothing was wanted and where it cannot be compared. At each pixel
            only the greater of the two is told: a building that replaces another one appeared.

        Raises:
            SatelliteError: The images have no three bands or other sizes, or are too coarse for the
                network.
            ModelError: The network fails.
        """
        _check(views, wanted)
        asked = wanted & (views.quality == Quality.CLEAR)
        change = Change(*(np.zeros(wanted.shape, np.float32) for _ in range(2)))
        if asked.any():
            # Where the images end the window does, too: with black in a tile the network finds less.
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
        """Puts both probabilities, blended from tiles, into ``found`` where they are asked for."""
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
        """How long a window's tiles may be each way, in its own pixels, and in the network's."""
        sides = self._sides
        if min(shape) * factor < sides[-1]:  # rather the size of the training than a mirrored rim
            sides = (*sides[:-1], self.network.side_px)
        return {round(side / factor): side for side in sides}

    def _run(
        self, before: Picture, after: Picture, wanted: tuple[int, int], how: int
    ) -> tuple[Probability, Probability]:
        """Both probabilities of one tile, resampled to a shape that the network takes and back."""
        shape = before.shape[0], before.shape[1]
        appeared, gone = self.network(
            _resized(before, wanted, how)[np.newaxis], _resized(after, wanted, how)[np.newaxis]
        )
        return (
            _resized(appeared[0], shape, cv2.INTER_LINEAR),
            _resized(gone[0], shape, cv2.INTER_LINEAR),
        )

    def _enlarged(self, resolution_m: float) -> tuple[float, int]:
        """How many times images of some resolution are enlarged, and how."""
        coarser = resolution_m / self.resolution_m
        if coarser > _COARSEST:
            raise SatelliteError(
                f"pixels of {resolution_m:g} m are too coarse for the network '{self.network.name}', "
                f"which is made for {self.resolution_m:g} m and tells nothing beyond "
                f"{_COARSEST * self.resolution_m:g} m: choose the classical detector, or a network that "
                "was trained on such images"
            )
        if 1 / _ALIKE <= coarser <= _ALIKE:
            return 1.0, cv2.INTER_CUBIC
        if coarser > _SMOOTH:
            return _SQUARES * coarser, cv2.INTER_NEAREST
        return min(coarser, _ENLARGED), cv2.INTER_CUBIC


def _sides(network: ChangeNetwork) -> tuple[int, ...]:
    """Heights and widths of tiles that a network is run on, pixels at its resolution."""
    side = network.side_px
    if network.runtime.graph.fixed_size:
        return (side,)
    sides = (round(share * side / STRIDE_PX) * STRIDE_PX for share in _SIDES)
    return tuple(one for one in sides if one >= _LEAST_SIDE_PX) or (side,)


def _check(views: Views, wanted: Mask) -> None:
    """Refuse what does not fit together."""
    shape = views.quality.shape
    for image in (views.before, views.after):
        if image.ndim != 3 or image.shape[2] < 3 or image.dtype != np.uint8:
            raise SatelliteError(
                f"the network needs red, green and blue, 8 bits each; the window is {image.dtype} of "
                f"shape {image.shape}: name the bands of both images, or choose the classical detector"
            )
        if image.shape[:2] != shape or wanted.shape != shape:
            raise SatelliteError(
                f"the window's parts differ in size: image {image.shape[:2]}, quality {shape}, wanted "
                f"{wanted.shape}"
            )


def _filled(before: Picture, after: Picture, missing: Mask) -> tuple[Picture, Picture]:
    """Red, green and blue of both dates; where one has no data, both have what the other has.

    A black area at one date only would be the strongest change in the tile, and the instance
    normalisation would take the rest for nothing beside it: with half of a tile missing at the later
    date F1 of the other half is 0.86, and 0.92 with this. Clouds do no such harm; they stay.
    """
    before, after = before[..., :3], after[..., :3]
    if missing.any():
        there = np.maximum(before, after)  # missing pixels are 0
        before, after = (
            np.where(missing[..., np.newaxis], there, image) for image in (before, after)
        )
    return np.ascontiguousarray(before), np.ascontiguousarray(after)


def _bounding_slices(mask: Mask) -> tuple[slice, slice]:
    """The rows and columns between the first and the last of a mask's pixels."""
    rows, cols = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)


def _finish_blending(
    appeared: Probability, gone: Probability, weights: Probability, asked: Mask
) -> None:
    """Turns weighted sums into probabilities, in place, and keeps the greater of the two at each pixel.

    A new building echoes in the reversed order: of the changed pixels of 9 LEVIR tiles, where nothing was
    demolished, 24 % come out as gone too, but only 0.7 % as more likely gone than new. What is settled stays
    as it is when it is settled again with another tile that overlaps.
    """
    share = asked / weights
    weights[:] = 1
    appeared *= share
    gone *= share
    torn_down = gone > appeared
    appeared *= ~torn_down
    gone *= torn_down


def _mirrored(image: NDArray[Any], side: int) -> NDArray[Any]:
    """Mirrored at the bottom and right, where it is smaller than a tile."""
    height, width = image.shape[:2]
    pad = [(0, max(0, side - height)), (0, max(0, side - width))]
    if not any(after for _, after in pad):
        return image
    return np.pad(image, [*pad, (0, 0)][: image.ndim], "symmetric")


def _resized(image: NDArray[Any], shape: tuple[int, int], larger: int) -> NDArray[Any]:
    """An image in another size: averaged where it shrinks, else interpolated as told."""
    if image.shape[:2] == shape:
        return image
    how = cv2.INTER_AREA if len(image) > shape[0] else larger
    return np.asarray(cv2.resize(image, shape[::-1], interpolation=how))


def _blend_weights(side: int, ramp: int) -> NDArray[np.float32]:
    """How much a tile has to say along one side: rises smoothly from its borders over ``ramp`` pixels."""
    distance = np.minimum(np.arange(side), np.arange(side)[::-1]) + 0.5
    share = np.clip(distance / ramp, 0, 1)
    smooth = share * share * (3 - 2 * share)  # two such ramps, mirrored, add up to 1
    return np.asarray(smooth, np.float32)

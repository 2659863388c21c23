"""Two images made comparable: on one grid, aligned, in the same radiometry, masked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil, floor, sqrt
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid, Tile
from satellite.imagery.overlap import common_grid
from satellite.imagery.scene import Scene
from satellite.imagery.views import Picture, Quality, Views
from satellite.registration.align import estimate_shift
from satellite.registration.masks import (
    UNKNOWN,
    ShadowDirections,
    Sky,
    estimate_sky,
    quality_of,
    without_clouds,
)
from satellite.registration.normalise import Gains, Sample, estimate_gains
from satellite.registration.shift import ShiftField

Valid = NDArray[np.bool_]

# Smaller shifts are not resampled: no detector is affected, and interpolation blurs pixels.
_NO_SHIFT_PX = 0.05
# Range of the shift within a window up to which one shift is used: its middle errs by half at most.
_ONE_SHIFT_PX = 0.1
# Margin in pixels for the interpolation.
_RIM_PX = 2
# Rows that are interpolated together: their position maps stay in the processor's cache.
_STRIP_PX = 128
# Number and side of the windows from which gains are estimated: 4 million pixels of any scene.
_SAMPLES = 64
_SAMPLE_PX = 256
# Number and side of the windows for cloud shadows, which lie some hundred metres from their clouds.
_SKIES = 16
_SKY_PX = 1024
# Share of the preparation's time that the alignment takes, for the progress.
_ALIGN_SHARE = 0.8


@dataclass(frozen=True)
class Preparation:
    """Estimates that are made once per pair of images.

    Attributes:
        before: Fingerprint of the earlier image.
        after: Fingerprint of the later image.
        size: Width and height of the grid.
        shift: Shift of the later image against the earlier one; ``None``: as georeferenced.
        gains: Gains that match the later image to the earlier one.
        away: Directions of cloud shadows in both images.
        away: Where clouds cast their shadows in either image.
    """

    before: str
    after: str
    size: tuple[int, int]
    shift: ShiftField | None
    gains: Gains
    away: ShadowDirections = UNKNOWN

    def to_dict(self) -> dict[str, Any]:
        """The preparation as JSON types; the inverse of :meth:`from_dict`."""
        return {
            "before": self.before,
            "after": self.after,
            "size": list(self.size),
            "shift": None if self.shift is None else self.shift.to_dict(),
            "gains": self.gains.to_dict(),
            "away": list(self.away),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Preparation:
        """The preparation that :meth:`to_dict` stored.

        Raises:
            SatelliteError: The stored values are not in the form of :meth:`to_dict`.
        """
        try:
            width, height = map(int, stored["size"])
            shift, gains = stored["shift"], stored["gains"]
            before, after = str(stored["before"]), str(stored["after"])
            first, second = (None if one is None else float(one) for one in stored["away"])
        except (KeyError, TypeError, ValueError) as error:
            raise SatelliteError(f"a stored preparation cannot be read: {error!r}") from error
        field = None if shift is None else ShiftField.from_dict(shift)
        return cls(before, after, (width, height), field, Gains.from_dict(gains), (first, second))


class Pair:
    """Two images of the same ground on one grid.

    Example:
        >>> pair = Pair(open_scene("2024.tif"), open_scene("2025.tif"))  # doctest: +SKIP
        >>> views = pair.read(Window(0, 0, 1024, 1024))  # doctest: +SKIP

    Args:
        before: The earlier image.
        after: The later image.
        resolution_m: Side of a grid pixel, metres; ``None``: the coarser of the two images.
        align: Whether local shifts are estimated and removed.
        normalise: Whether the difference in radiometry is estimated and removed.
        masks: Whether cloud, shadow, haze, snow and water are masked; nodata always is.
        max_cloud: Share of an image under cloud, 0 to 1, above which the pair is refused.

    Attributes:
        before: The earlier image.
        after: The later image.
        grid: The grid on which both are read.
        bands: 4 where both have near infrared, else 3.
    """

    def __init__(
        self,
        before: Scene,
        after: Scene,
        *,
        resolution_m: float | None = None,
        align: bool = True,
        normalise: bool = True,
        masks: bool = True,
        max_cloud: float = 1.0,
    ) -> None:
        self.before = before
        self.after = after
        self.grid: Grid = common_grid(before, after, resolution_m=resolution_m)
        self.bands = 4 if before.has_nir and after.has_nir else 3
        self._align, self._normalise, self._masks = align, normalise, masks
        self._max_cloud = max_cloud
        self._preparation: Preparation | None = None
        self._preparing = Lock()

    def prepare(self, progress: Callable[[float], None] | None = None) -> Preparation:
        """Estimates shifts, gains and shadow directions, once; :meth:`read` calls it if needed.

        Args:
            progress: Called with the finished share, 0 to 1.

        Raises:
            SatelliteError: The images do not show the same ground, have too little texture, or are
                under too much cloud.
        """
        with self._preparing:
            if self._preparation is None:
                self._preparation = self._estimate(progress or (lambda _share: None))
            return self._preparation

    def use(self, preparation: Preparation) -> None:
        """Uses an earlier preparation of the same images on the same grid.

        Raises:
            SatelliteError: The preparation is of other images or another grid.
        """
        mine = (self.before.fingerprint(), self.after.fingerprint())
        size = (self.grid.width, self.grid.height)
        if (preparation.before, preparation.after) != mine or preparation.size != size:
            raise SatelliteError(
                f"the stored alignment was made for other images than {self.before.name} and"
                f" {self.after.name}, or for another resolution: delete it, and it is made again"
            )
        with self._preparing:
            self._preparation = preparation

    def read_tile(self, tile: Tile) -> Views:
        """Reads a tile with its margin, made comparable; the tile's core is the result's core.

        Raises:
            SatelliteError: See :meth:`read`.
        """
        return replace(self.read(tile.padded), core=tile.inner)

    def read(self, window: Window) -> Views:
        """Reads a window of both images, made comparable.

        Args:
            window: Pixels of the grid; pixels beyond the grid are nodata.

        Raises:
            SatelliteError: A file cannot be read, or the images cannot be aligned.
        """
        preparation = self._preparation or self.prepare()
        before, valid_before = self._picture(self.before, window)
        raw, valid_after = self._aligned(window, preparation.shift)
        inside = self._inside(window)
        if inside is not None:
            valid_before = valid_before & inside
        gains, resolution_m = preparation.gains, self.grid.resolution_m
        if self._masks:
            quality = quality_of(
                before,
                raw,
                valid_before,
                valid_after,
                resolution_m,
                gains=gains,
                away=preparation.away,
            )
        else:
            quality = np.where(valid_before & valid_after, 0, Quality.NODATA).astype(np.uint8)
        return Views(before, gains.apply(raw), quality, resolution_m)

    def _picture(self, scene: Scene, window: Window) -> tuple[Picture, Valid]:
        picture, valid = scene.picture(self.grid, window, nir=self.bands == 4)
        return np.ascontiguousarray(picture), valid

    def _inside(self, window: Window) -> Valid | None:
        """Mask of the window's pixels that lie on the grid; ``None`` if all do."""
        rows = np.arange(window.height) + window.row_off
        cols = np.arange(window.width) + window.col_off
        on_rows, on_cols = (
            (rows >= 0) & (rows < self.grid.height),
            (cols >= 0) & (cols < self.grid.width),
        )
        if on_rows.all() and on_cols.all():
            return None
        return np.asarray(on_rows[:, None] & on_cols[None, :])

    def _aligned(self, window: Window, shift: ShiftField | None) -> tuple[Picture, Valid]:
        """Reads the later image shifted onto the earlier one."""
        if shift is None:
            return self._picture(self.after, window)
        least, largest = shift.range_in(window)
        if (largest - least).max() > _ONE_SHIFT_PX:
            return self._warped(window, shift, least, largest)
        dx, dy = (least + largest) / 2
        whole_x, whole_y = round(dx), round(dy)
        part = _shifted_window(window, whole_x, whole_y, 0)
        if max(abs(dx - whole_x), abs(dy - whole_y)) < _NO_SHIFT_PX:
            return self._picture(self.after, part)
        wide = _shifted_window(window, whole_x, whole_y, _RIM_PX)
        offset = np.array(
            [[1, 0, dx - whole_x + _RIM_PX], [0, 1, dy - whole_y + _RIM_PX]], np.float32
        )
        picture, valid = self._picture(self.after, wide)
        size = (window.width, window.height)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = cv2.warpAffine(picture, offset, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        inner = slice(_RIM_PX, _RIM_PX + window.height), slice(_RIM_PX, _RIM_PX + window.width)
        return np.asarray(moved), _fully_valid(valid)[inner]

    def _warped(
        self,
        window: Window,
        shift: ShiftField,
        least: NDArray[np.float64],
        largest: NDArray[np.float64],
    ) -> tuple[Picture, Valid]:
        """Reads the later image where the shift varies within the window."""
        left, top = (floor(value) - _RIM_PX for value in least)
        right, bottom = (ceil(value) + _RIM_PX for value in largest)
        wide = Window(
            window.col_off + left,
            window.row_off + top,
            window.width + right - left,
            window.height + bottom - top,
        )
        picture, valid = self._picture(self.after, wide)
        warped = np.empty((window.height, window.width, self.bands), np.uint8)
        held = np.ones((window.height, window.width), np.uint8)
        safe = None if valid.all() else _fully_valid(valid).view(np.uint8)
        for row in range(0, window.height, _STRIP_PX):
            rows = slice(row, min(row + _STRIP_PX, window.height))
            strip = Window(
                window.col_off, window.row_off + row, window.width, rows.stop - rows.start
            )
            fixed, part = cv2.convertMaps(*shift.read_positions(strip, wide), cv2.CV_16SC2)
            cv2.remap(picture, fixed, part, cv2.INTER_LINEAR, warped[rows], cv2.BORDER_REPLICATE)
            if safe is not None:
                cv2.remap(safe, fixed, part, cv2.INTER_NEAREST, held[rows])
        return warped, held.view(np.bool_)

    def _estimate(self, progress: Callable[[float], None]) -> Preparation:
        shift = None
        if self._align:
            try:
                shift = estimate_shift(
                    self.grid,
                    lambda window: self._picture(self.before, window),
                    lambda window: self._picture(self.after, window),
                    progress=lambda share: progress(_ALIGN_SHARE * share),
                )
            except SatelliteError as error:
                if any(scene.label in str(error) for scene in (self.before, self.after)):
                    raise  # of one image, which the message names already
                raise SatelliteError(f"{self.before.name}, {self.after.name}: {error}") from error
        gains = Gains.none(self.bands)
        if self._normalise:
            gains = estimate_gains(self._light_samples(shift), self.bands)
        sky = Sky()
        if self._masks:
            skies = self._samples(shift, _SKIES, _SKY_PX)
            sky = estimate_sky(skies, self.grid.resolution_m, gains)
            self._refuse_overcast(sky)
        progress(1.0)
        size = (self.grid.width, self.grid.height)
        fingerprints = self.before.fingerprint(), self.after.fingerprint()
        return Preparation(*fingerprints, size, shift, gains, sky.away)

    def _refuse_overcast(self, sky: Sky) -> None:
        """Refuses a comparison if clouds leave too little of an image."""
        for scene, share in zip((self.before, self.after), sky.cloud, strict=True):
            if share > self._max_cloud:
                raise SatelliteError(
                    f"{scene.name}: {share:.0%} of it is under cloud, more than the "
                    f"{self._max_cloud:.0%} that are allowed; take an image with less, or raise "
                    "satellite.max_cloud in the configuration"
                )

    def _light_samples(self, shift: ShiftField | None) -> Iterator[Sample]:
        """Windows for the difference of light, without what may be cloud."""
        for sample in self._samples(shift, _SAMPLES, _SAMPLE_PX):
            yield without_clouds(sample, self.grid.resolution_m) if self._masks else sample

    def _samples(self, shift: ShiftField | None, number: int, side_px: int) -> Iterator[Sample]:
        """Aligned windows, evenly spread over the grid."""
        per_side = int(sqrt(number))
        lengths = (self.grid.height, self.grid.width)
        counts = [min(per_side, ceil(length / side_px)) for length in lengths]
        tops, lefts = (
            np.linspace(0, max(0, length - side_px), count).astype(int)
            for length, count in zip(lengths, counts, strict=True)
        )
        for top in tops:
            for left in lefts:
                window = Window(int(left), int(top), side_px, side_px)
                before, valid_before = self._picture(self.before, window)
                after, valid_after = self._aligned(window, shift)
                yield before, after, valid_before & valid_after


def _shifted_window(window: Window, dx: int, dy: int, rim: int) -> Window:
    return Window(
        window.col_off + dx - rim,
        window.row_off + dy - rim,
        window.width + 2 * rim,
        window.height + 2 * rim,
    )


def _fully_valid(valid: Valid) -> Valid:
    """Pixels whose neighbours are all valid, so that interpolation uses no invalid pixel."""
    if valid.all():
        return valid
    return np.asarray(cv2.erode(valid.astype(np.uint8), np.ones((3, 3), np.uint8)), bool)

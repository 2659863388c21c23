"""The pixels of one image as stored, and which of them are valid."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import MaskFlags, Resampling
from rasterio.io import DatasetReader
from rasterio.windows import Window

from satellite.imagery.empty import EmptyGround, find_empty_ground
from satellite.imagery.raster import Raster
from satellite.imagery.sampling import sample_windows

Values = NDArray[Any]
Valid = NDArray[np.bool_]

# Number of pixels up to which an image is read whole to estimate its brightness.
_SAMPLE_PX = 1_000_000
# Most pixels that may be decoded for that estimate: the whole image, or its smallest overview.
_SAMPLE_COST_PX = 16_000_000
_DAMAGED = "it may be cut short or damaged: copy or download it again"


@dataclass(frozen=True, slots=True)
class Validity:
    """The rules that distinguish the valid pixels of an image from its empty ones.

    Attributes:
        nodata: Value of empty pixels, of the image's type; ``None`` without one.
        everywhere: Whether a pixel is empty only where all bands have the nodata value: for values
            that can also be measured, which are 0 and all of 8 bits (a deep shadow has no blue).
        alpha: 1-based band that is 0 in empty pixels.
        masked: Whether the image has a mask.
        floating: Whether values can be NaN or infinite, which are never valid.
    """

    nodata: Any
    everywhere: bool
    alpha: int | None
    masked: bool
    floating: bool

    @classmethod
    def of(cls, dataset: DatasetReader, alpha: int | None) -> Validity:
        """Reads the validity rules from an image's metadata."""
        kind = np.dtype(dataset.dtypes[0])
        nodata = storable_nodata(dataset.nodata, kind)
        flags = dataset.mask_flag_enums[0]
        masked = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
        everywhere = kind.itemsize == 1 or nodata == 0
        return cls(nodata, everywhere, alpha, masked, kind.kind == "f")

    def valid_mask(self, values: Values, alpha: Values | None, mask: Values | None) -> Valid | None:
        """The mask of valid pixels.

        Args:
            values: ``(bands, height, width)`` as stored.
            alpha: ``(height, width)``, the alpha band.
            mask: ``(height, width)``, 0 where the image's mask excludes a pixel.

        Returns:
            bool ``(height, width)``; ``None`` where all pixels are valid.
        """
        tests: list[Valid] = []
        if alpha is not None:
            tests.append(alpha > 0)
        if mask is not None:
            tests.append(mask > 0)
        if self.nodata is not None:
            filled = [band != self.nodata for band in values]
            merge = np.logical_or if self.everywhere else np.logical_and
            tests.append(merge.reduce(filled) if len(filled) > 1 else filled[0])
        if self.floating:
            tests += [np.isfinite(band) for band in values]
        if not tests:
            return None
        valid: Valid = np.logical_and.reduce(tests) if len(tests) > 1 else tests[0]
        return None if valid.all() else valid


class Pixels:
    """Reads windows of one image; may be shared between threads, as each has its own handle.

    Args:
        raster: The image.
        validity: The rules that distinguish valid pixels from empty ones.
        bands: 1-based numbers of the bands that are used; where all are empty in a way that no
            metadata tell (:mod:`satellite.imagery.empty`), a pixel is empty too.
    """

    def __init__(self, raster: Raster, validity: Validity, bands: Sequence[int]) -> None:
        self._raster = raster
        self._validity = validity
        self._bands = sorted(set(bands))
        self._empty: EmptyGround | None = None
        self._examined = False
        self._examining = threading.Lock()
        self._own = threading.local()
        self._open: list[DatasetReader] = []
        self._lock = threading.Lock()

    def read(
        self, bands: Sequence[int], window: Window, shrink: int = 1
    ) -> tuple[Values, Valid | None]:
        """Reads a window.

        Args:
            bands: 1-based band numbers, without repetition.
            window: Part of the image; both sides are multiples of ``shrink``.
            shrink: Side of the squares that are averaged to one pixel; overviews are used.

        Returns:
            Values ``(bands, height, width)`` as stored, and the valid mask ``(height, width)``,
            ``None`` where all are valid.

        Raises:
            SatelliteError: The window cannot be read.
        """
        values, valid = self._stored(bands, window, shrink)
        empty_ground = self._empty_ground()
        if empty_ground is None:
            return values, valid
        used = [self._bands.index(band) for band in bands]
        empty = empty_ground.within(window, values, used, shrink)
        if empty is None:
            return values, valid
        return values, ~empty if valid is None else valid & ~empty

    def _empty_ground(self) -> EmptyGround | None:
        """The empty ground that no metadata tell, found at the first call."""
        with self._examining:
            if not self._examined:
                with self._raster.gdal("read", _DAMAGED):
                    self._empty = find_empty_ground(
                        self._dataset(),
                        lambda window: self._stored(self._bands, window),
                        remote=self._raster.remote,
                    )
                self._examined = True
            return self._empty

    def _stored(
        self, bands: Sequence[int], window: Window, shrink: int = 1
    ) -> tuple[Values, Valid | None]:
        """Reads a window, with the valid mask that the metadata give; see :meth:`read`."""
        alpha = self._validity.alpha
        wanted = [*bands, alpha] if alpha else list(bands)
        options: dict[str, Any] = {"window": window}
        if shrink > 1:
            shape = (int(window.height) // shrink, int(window.width) // shrink)
            options |= {"resampling": Resampling.average}
        mask = None
        with self._raster.gdal("read", _DAMAGED):
            dataset = self._dataset()
            if shrink > 1:
                options |= {"out_shape": (len(wanted), *shape)}
            values = dataset.read(wanted, **options)
            if self._validity.masked:
                if shrink > 1:
                    options |= {"out_shape": shape}
                mask = dataset.read_masks(1, **options)
        colours = values[: len(bands)]
        return colours, self._validity.valid_mask(colours, values[-1] if alpha else None, mask)

    def sample(self, bands: Sequence[int]) -> Values:
        """Samples values from all over the image.

        Args:
            bands: 1-based band numbers, without repetition.

        Returns:
            Valid values ``(bands, n)``; n is at most about a million, 0 if the image is empty.
        """
        with self._raster.gdal("read", _DAMAGED):
            dataset = self._dataset()
            width, height = dataset.width, dataset.height
            coarsest = max([1, *dataset.overviews(1)])
        found = []
        shrink = int(np.ceil(np.sqrt(width * height / _SAMPLE_PX)))
        if shrink <= min(width, height) and width * height / coarsest**2 <= _SAMPLE_COST_PX:
            windows = [Window(0, 0, width - width % shrink, height - height % shrink)]
        else:
            windows, shrink = list(sample_windows(width, height)), 1
        for window in windows:
            values, valid = self.read(bands, window, shrink)
            found.append(values.reshape(len(bands), -1) if valid is None else values[:, valid])
        return np.concatenate(found, axis=1)

    def close(self) -> None:
        """Closes the handles of all threads."""
        with self._lock:
            for dataset in self._open:
                dataset.close()
            self._open.clear()

    def _dataset(self) -> DatasetReader:
        """This thread's own handle: threads and forked processes must not share GDAL handles."""
        own = getattr(self._own, "handle", None)
        if own is not None and own[0] == os.getpid() and not own[1].closed:
            return own[1]
        dataset = self._raster.open()
        with self._lock:
            self._open.append(dataset)
        self._own.handle = (os.getpid(), dataset)
        return dataset


def storable_nodata(nodata: float | None, kind: np.dtype[Any]) -> Any:
    """A nodata value in the stored type; ``None`` where the type cannot hold the value."""
    if nodata is None or (kind.kind == "f" and np.isnan(nodata)):
        return None  # NaN is never valid in any case
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            return kind.type(nodata)
    limits = np.iinfo(kind)
    fits = float(nodata).is_integer() and limits.min <= nodata <= limits.max
    return kind.type(int(nodata)) if fits else None

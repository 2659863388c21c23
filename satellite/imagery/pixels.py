"""The pixels of one image as they are stored, and which of them are measurements."""

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

from satellite.imagery.raster import Raster
from satellite.imagery.sampling import sample_windows

Values = NDArray[Any]
Valid = NDArray[np.bool_]

# Pixels from which an image is not read as a whole to learn its brightness.
_SAMPLE_PX = 1_000_000
# Pixels that reading a whole image, or its smallest overview, may cost for that purpose.
_SAMPLE_COST_PX = 16_000_000
_DAMAGED = "it may be cut short or damaged: copy or download it anew"


@dataclass(frozen=True, slots=True)
class Validity:
    """What tells the measurements of an image from its empty pixels.

    Attributes:
        nodata: Value of empty pixels, of the image's type; ``None`` without one.
        everywhere: Whether a pixel is empty only where all bands have that value. It holds for values
            that can be measured, too: 0, and all of 8 bits (a deep shadow has no blue).
        alpha: 1-based band that is 0 in empty pixels.
        masked: Whether a mask belongs to the image.
        floating: Whether values can be NaN or infinite, which are no measurements.
    """

    nodata: Any
    everywhere: bool
    alpha: int | None
    masked: bool
    floating: bool

    @classmethod
    def of(cls, dataset: DatasetReader, alpha: int | None) -> Validity:
        """Reads it from an image's metadata."""
        kind = np.dtype(dataset.dtypes[0])
        nodata = storable_nodata(dataset.nodata, kind)
        flags = dataset.mask_flag_enums[0]
        masked = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
        everywhere = kind.itemsize == 1 or nodata == 0
        return cls(nodata, everywhere, alpha, masked, kind.kind == "f")

    def valid_mask(self, values: Values, alpha: Values | None, mask: Values | None) -> Valid | None:
        """Tells which pixels are measurements.

        Args:
            values: ``(bands, height, width)`` as stored.
            alpha: ``(height, width)``, the band of that name.
            mask: ``(height, width)``, 0 where the image's mask excludes a pixel.

        Returns:
            ``(height, width)``, ``None`` where all are.
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
    """Reads windows of one image; may be shared between threads, each of which opens it anew.

    Args:
        raster: The image.
        validity: What tells its measurements from empty pixels.
    """

    def __init__(self, raster: Raster, validity: Validity) -> None:
        self._raster = raster
        self._validity = validity
        self._own = threading.local()
        self._open: list[DatasetReader] = []
        self._lock = threading.Lock()

    def read(
        self, bands: Sequence[int], window: Window, shrink: int = 1
    ) -> tuple[Values, Valid | None]:
        """Reads a window.

        Args:
            bands: 1-based, each once.
            window: Within the image, its sides multiples of ``shrink``.
            shrink: Side of the square whose average becomes one pixel; overviews are used.

        Returns:
            ``(bands, height, width)`` as stored, and ``(height, width)`` where they are measurements,
            ``None`` where all are.

        Raises:
            SatelliteError: The image cannot be read there.
        """
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
        """Takes values from all over the image.

        Args:
            bands: 1-based, each once.

        Returns:
            ``(bands, n)``: of measurements only, n up to about a million, 0 where all is empty.
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
        """Closes what all threads have opened."""
        with self._lock:
            for dataset in self._open:
                dataset.close()
            self._open.clear()

    def _dataset(self) -> DatasetReader:
        """This thread's own handle: GDAL's must not be shared, not with a forked process either."""
        own = getattr(self._own, "handle", None)
        if own is not None and own[0] == os.getpid() and not own[1].closed:
            return own[1]
        dataset = self._raster.open()
        with self._lock:
            self._open.append(dataset)
        self._own.handle = (os.getpid(), dataset)
        return dataset


def storable_nodata(nodata: float | None, kind: np.dtype[Any]) -> Any:
    """A nodata value as it is stored; ``None`` where the type cannot hold it, so that no pixel is it."""
    if nodata is None or (kind.kind == "f" and np.isnan(nodata)):
        return None  # NaN is never a measurement anyway
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            return kind.type(nodata)
    limits = np.iinfo(kind)
    fits = float(nodata).is_integer() and limits.min <= nodata <= limits.max
    return kind.type(int(nodata)) if fits else None

"""Labelled pairs of pictures, the training data of a network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid
from satellite.imagery.views import Picture

Mask = NDArray[np.uint8]

# Read through GDAL, since these formats can have other than three bands of 8 bits.
_RASTERS = frozenset({".tif", ".tiff", ".jp2", ".img", ".vrt"})
_PICTURES = _RASTERS | {".png", ".jpg", ".jpeg", ".bmp"}
# Threshold of labels, which are black and white; lossy ones have greys along their edges.
_LABEL_FROM = 128
# Percentiles to which pictures of other than 8 bits are stretched.
_STRETCH_PERCENT = (2.0, 98.0)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A place at two dates, with labels of changed buildings.

    Attributes:
        name: Unique name.
        before: uint8 ``(height, width, 3)`` RGB.
        after: uint8 ``(height, width, 3)`` RGB of the later date, on the same pixels.
        appeared: uint8 ``(height, width)``: 1 where a building appeared.
        gone: uint8 ``(height, width)``: 1 where a building was demolished.
        known: uint8 ``(height, width)``: 1 where the two masks are known to be true.
        pixel_m: Side of a pixel, metres.
    """

    name: str
    before: Picture
    after: Picture
    appeared: Mask
    gone: Mask
    known: Mask
    pixel_m: float


def read_tiles(folder: Path, pixel_m: float) -> list[Sample]:
    """Reads a folder of labelled tiles in the form of LEVIR-CD (Chen and Shi, 2020).

    Args:
        folder: Folder with ``A`` (before), ``B`` (after) and ``label`` (white: a building
            appeared), and ``label_gone`` (white: a building was demolished) where there is
            demolition; the files of a tile have the same name.
        pixel_m: Side of a pixel, metres.

    Returns:
        The samples, sorted by name.

    Raises:
        SatelliteError: A folder or file is missing, cannot be read, or differs in size.
    """
    befores, afters, labels = (_files(folder / part) for part in ("A", "B", "label"))
    goners = _files(folder / "label_gone") if (folder / "label_gone").is_dir() else {}
    samples = []
    for name, path in labels.items():
        pair = [
            _paired(name, paths, folder / part) for paths, part in ((befores, "A"), (afters, "B"))
        ]
        before, after = (read_picture(file) for file in pair)
        appeared = _label(path)
        gone = _label(goners[name]) if name in goners else np.zeros_like(appeared)
        _check_sizes(folder, name, before, after, appeared, gone)
        known = np.ones_like(appeared)
        samples.append(Sample(name, before, after, appeared, gone, known, pixel_m))
    return samples


def read_land(folder: Path, pixel_m: float) -> list[Sample]:
    """Reads unlabelled pictures, into which buildings are inserted during training.

    They add kinds of land that the labelled tiles lack, and in pairs of two dates also seasons. In
    pairs only inserted buildings count, since other changes are unknown.

    Args:
        folder: Folder that is searched for pictures; or with ``A`` (before) and ``B`` (after) that
            hold pairs, the files of a pair having the same name.
        pixel_m: Side of a pixel, metres, of pictures without a CRS.

    Returns:
        One sample for each picture, with two equal dates, or for each pair.

    Raises:
        SatelliteError: There is no picture, one cannot be read, or a pair differs in size.
    """
    if (folder / "A").is_dir() and (folder / "B").is_dir():
        befores, afters = _files(folder / "A"), _files(folder / "B")
        pairs = {n: (path, _paired(n, afters, folder / "B")) for n, path in befores.items()}
        return [_unlabelled(folder, name, *pair, pixel_m) for name, pair in pairs.items()]
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _PICTURES)
    if not paths:
        raise SatelliteError(f"{folder}: holds no pictures: give a folder of tiles without labels")
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in paths]
    return [
        _unlabelled(folder, name, path, path, pixel_m)
        for name, path in zip(names, paths, strict=True)
    ]


def _unlabelled(folder: Path, name: str, first: Path, last: Path, pixel_m: float) -> Sample:
    before = read_picture(first)
    after = before if last == first else read_picture(last)
    _check_sizes(folder, name, before, after)
    nothing = np.zeros(before.shape[:2], np.uint8)
    known = np.full_like(nothing, last == first)
    return Sample(name, before, after, nothing, nothing, known, _pixel_m(first, pixel_m))


def _pixel_m(path: Path, otherwise: float) -> float:
    """Side of a raster's pixels on the ground, metres; ``otherwise`` without georeferencing."""
    if path.suffix.lower() not in _RASTERS:
        return otherwise
    with rasterio.open(path) as source:
        if source.crs is None:
            return otherwise
        return Grid(source.crs, source.transform, source.width, source.height).resolution_m


def _check_sizes(folder: Path, name: str, *layers: NDArray[np.uint8]) -> None:
    sizes = {layer.shape[:2] for layer in layers}
    if len(sizes) > 1:
        listed = ", ".join(f"{width} x {height}" for height, width in sorted(sizes))
        raise SatelliteError(
            f"{folder}: the pictures of tile '{name}' differ in size ({listed}): cut them to the "
            "same pixels"
        )


def _files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise SatelliteError(
            f"{folder}: there is no such folder: labelled tiles lie in folders A (before), B "
            "(after) and label"
        )
    files = {p.stem: p for p in sorted(folder.iterdir()) if p.suffix.lower() in _PICTURES}
    if not files:
        raise SatelliteError(f"{folder}: holds no pictures ({', '.join(sorted(_PICTURES))})")
    return files


def _paired(name: str, paths: dict[str, Path], folder: Path) -> Path:
    if name not in paths:
        raise SatelliteError(f"{folder}: has no picture of tile '{name}', which has a label")
    return paths[name]


def read_picture(path: Path) -> Picture:
    """Reads a picture as 8-bit RGB.

    Args:
        path: A picture; the first three bands of a raster are red, green and blue.

    Returns:
        uint8 ``(height, width, 3)``; values of another type are stretched to 8 bits.

    Raises:
        SatelliteError: The picture cannot be read.
    """
    if path.suffix.lower() in _RASTERS:
        try:
            with rasterio.open(path) as source:
                bands = source.read([1, 2, 3] if source.count >= 3 else [1, 1, 1])
        except RasterioError as error:
            raise SatelliteError(f"{path}: not a readable raster: {error}") from None
        return to_8bit(np.moveaxis(bands, 0, -1))
    image = _decoded(path, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(image[..., ::-1])


def to_8bit(bands: NDArray[np.generic]) -> Picture:
    """Converts a picture to 8 bits; other types are stretched, each band on its own.

    Args:
        bands: ``(height, width, bands)``, any type of number.

    Returns:
        uint8 ``(height, width, bands)``, C-contiguous.
    """
    if bands.dtype == np.uint8:
        return np.ascontiguousarray(bands, np.uint8)
    values = np.nan_to_num(bands.astype(np.float32))
    low, high = np.percentile(values, _STRETCH_PERCENT, axis=(0, 1))
    scaled = (values - low) / np.maximum(high - low, np.finfo(np.float32).tiny)
    return np.ascontiguousarray((255 * np.clip(scaled, 0, 1)).round(), np.uint8)


def _label(path: Path) -> Mask:
    if path.suffix.lower() in _RASTERS:
        return _binary(read_picture(path).max(axis=2))
    return _binary(_decoded(path, cv2.IMREAD_GRAYSCALE))


def _binary(image: NDArray[np.uint8]) -> Mask:
    return (image >= _LABEL_FROM).astype(np.uint8)


def _decoded(path: Path, how: int) -> NDArray[np.uint8]:
    try:
        image = cv2.imread(str(path), how)
    except cv2.error as error:
        raise SatelliteError(f"{path}: not a readable picture: {error.err}") from None
    if image is None:
        raise SatelliteError(f"{path}: not a readable picture: it is damaged or of another format")
    return np.asarray(image, np.uint8)


def names(samples: Iterable[Sample]) -> list[str]:
    """The samples' names in order."""
    return [sample.name for sample in samples]

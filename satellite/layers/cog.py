"""Writes Cloud-Optimised GeoTIFFs of many tiles: a virtual mosaic, copied block by block."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.windows import Window

from cv_engine.files import atomic_file
from satellite.imagery.grid import Grid
from satellite.imagery.views import Quality

# GDAL's block cache, MB: bounds the memory whatever the size of the scene.
_CACHE_MB = 64
_BLOCK = 512
# Every GeoTIFF reader knows deflate; level 6 is its usual trade of time for size.
_LEVEL = 6

# Colours (red, green, blue) of the quality layer's values in maps.
_COLOURS = {
    Quality.CLEAR: (255, 255, 255),
    Quality.NODATA: (0, 0, 0),
    Quality.CLOUD: (190, 190, 190),
    Quality.SHADOW: (90, 90, 90),
    Quality.HAZE: (225, 215, 180),
    Quality.SNOW: (170, 230, 250),
    Quality.WATER: (60, 120, 220),
    Quality.MISALIGNED: (220, 60, 200),
}


@dataclass(frozen=True, slots=True)
class Band:
    """A band of an output file.

    Attributes:
        source: 1-based band of the tiles.
        name: Name in maps.
        tags: Further metadata.
        scaled: Whether stored values are 255 times the real ones.
        nodata: Value of empty pixels.
        colours: Colour of each value; empty for a grey band.
    """

    source: int
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    scaled: bool = False
    nodata: int | None = None
    colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layer:
    """An output file.

    Attributes:
        bands: Bands of the file.
        masked: Whether the file has a mask of the pixels that could be compared.
    """

    bands: tuple[Band, ...]
    masked: bool = False


_SCALED = {"meaning": "probability = value / 255"}
PROBABILITY = Layer(
    (
        Band(1, "appeared", _SCALED, scaled=True),
        Band(2, "gone", _SCALED, scaled=True),
    ),
    masked=True,  # under a cloud, a probability of 0 must not be read as "nothing changed"
)
QUALITY = Layer(
    (
        Band(
            3,
            "quality",
            {f"value_{int(value)}": value.name.lower() for value in Quality},
            nodata=int(Quality.NODATA),
            colours={int(value): colour for value, colour in _COLOURS.items()},
        ),
    ),
)
_QUALITY_BAND = 3


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Tiles that lie beside each other on a grid.

    Attributes:
        grid: The grid.
        parts: Path of each tile, relative to the mosaic's folder, and its place on the grid.
    """

    grid: Grid
    parts: Sequence[tuple[str, Window]]

    def vrt(self, layer: Layer) -> bytes:
        """The VRT of the mosaic, with the layer's bands."""
        size = {"rasterXSize": str(self.grid.width), "rasterYSize": str(self.grid.height)}
        root = Element("VRTDataset", size)
        SubElement(root, "SRS").text = self.grid.crs.to_wkt()
        transform = self.grid.transform.to_gdal()
        SubElement(root, "GeoTransform").text = ", ".join(f"{value!r}" for value in transform)
        for index, band in enumerate(layer.bands, 1):
            self._band(root, index, band)
        if layer.masked:
            mask = SubElement(SubElement(root, "MaskBand"), "VRTRasterBand", {"dataType": "Byte"})
            for source in self._sources(mask, "ComplexSource", _QUALITY_BAND):
                SubElement(source, "LUT").text = "0:255,1:0,255:0"  # only clear pixels are visible
        return bytes(tostring(root))

    def _band(self, root: Element, index: int, band: Band) -> None:
        element = SubElement(root, "VRTRasterBand", {"dataType": "Byte", "band": str(index)})
        if band.tags:
            metadata = SubElement(element, "Metadata")
            for key, value in band.tags.items():
                SubElement(metadata, "MDI", {"key": key}).text = value
        SubElement(element, "Description").text = band.name
        if band.nodata is not None:
            SubElement(element, "NoDataValue").text = str(band.nodata)
        if band.scaled:
            SubElement(element, "Offset").text = "0"
            SubElement(element, "Scale").text = repr(1 / 255)
        if band.colours:
            SubElement(element, "ColorInterp").text = "Palette"
            table = SubElement(element, "ColorTable")
            for code in range(max(band.colours) + 1):
                red, green, blue = band.colours[code]
                entry = {"c1": str(red), "c2": str(green), "c3": str(blue), "c4": "255"}
                SubElement(table, "Entry", entry)
        else:
            SubElement(element, "ColorInterp").text = "Gray" if index == 1 else "Undefined"
        for _ in self._sources(element, "SimpleSource", band.source):
            pass

    def _sources(self, band: Element, kind: str, source: int) -> Iterator[Element]:
        for path, window in self.parts:
            element = SubElement(band, kind)
            SubElement(element, "SourceFilename", {"relativeToVRT": "1"}).text = path
            SubElement(element, "SourceBand").text = str(source)
            width, height = str(window.width), str(window.height)
            # With these properties GDAL need not open thousands of files.
            SubElement(
                element,
                "SourceProperties",
                {"RasterXSize": width, "RasterYSize": height, "DataType": "Byte"},
            )
            size = {"xSize": width, "ySize": height}
            SubElement(element, "SrcRect", {"xOff": "0", "yOff": "0", **size})
            place = {"xOff": str(window.col_off), "yOff": str(window.row_off)}
            SubElement(element, "DstRect", {**place, **size})
            yield element


def write_cog(path: Path, mosaic: Mosaic, layer: Layer) -> None:
    """Writes a layer of a mosaic as a Cloud-Optimised GeoTIFF into the mosaic's folder.

    The file appears once it is complete. Temporary overviews need additional disk space beside it.

    Raises:
        OSError: The file cannot be written.
    """
    vrt = path.with_suffix(".vrt")
    try:
        vrt.write_bytes(mosaic.vrt(layer))
        with atomic_file(path, sync=True) as partial, rasterio.Env(GDAL_CACHEMAX=_CACHE_MB):
            rasterio.shutil.copy(
                vrt,
                partial,
                driver="COG",
                compress="DEFLATE",
                level=_LEVEL,
                blocksize=_BLOCK,
                overviews="AUTO",
                overview_resampling="NEAREST",  # real values; averages take 3 times as long
                bigtiff="IF_SAFER",
            )
            _check(partial)
    except (RasterioError, CPLE_BaseError, SystemError) as error:  # SystemError: an unnamed one
        # GDAL reports the cause only on stderr; most likely the disk is full.
        free_mb = shutil.disk_usage(path.parent).free // 1_000_000
        raise OSError(
            errno.EIO, f"{path.name} could not be written, {free_mb} MB are free: {error}"
        ) from error
    finally:
        with suppress(OSError):
            vrt.unlink()


def _check(path: Path) -> None:
    """Reads the last block of each level: GDAL reports no full disk at closing."""
    with rasterio.open(path) as file:
        levels = len(file.overviews(1))
        edge = Window(file.width - 1, file.height - 1, 1, 1)
        file.read(window=edge)
    for level in range(levels):
        with rasterio.open(path, overview_level=level) as file:
            file.read(window=Window(file.width - 1, file.height - 1, 1, 1))

"""Cloud-Optimised GeoTIFFs of many tiles: a virtual mosaic, copied block by block."""

from __future__ import annotations

import errno
import os
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

from satellite.imagery.grid import Grid
from satellite.imagery.views import Quality

# What GDAL may keep of blocks it has read or will write, MB: bounds the memory whatever the size.
_CACHE_MB = 64
_BLOCK = 512
# Deflate is what every reader of GeoTIFF has; level 6 is its usual trade of time for size.
_LEVEL = 6

# Red, green, blue of the quality layer's values, as a map shows them.
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
    """A band of a file that is made.

    Attributes:
        source: Which band of the tiles it is, from 1.
        name: As maps show it.
        tags: What else is said of it.
        scaled: Whether its values are 255 times what they mean.
        nodata: Value of what is not there.
        colours: Colours of its values; empty for a grey band.
    """

    source: int
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    scaled: bool = False
    nodata: int | None = None
    colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layer:
    """A file that is made of the tiles.

    Attributes:
        bands: Its bands.
        masked: Whether it has a mask that hides what could not be compared.
    """

    bands: tuple[Band, ...]
    masked: bool = False


_SCALED = {"meaning": "probability = value / 255"}
PROBABILITY = Layer(
    (
        Band(1, "appeared", _SCALED, scaled=True),
        Band(2, "gone", _SCALED, scaled=True),
    ),
    masked=True,  # a probability of 0 must not be taken for "nothing changed" under a cloud
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
        parts: Path, relative to where the mosaic's file will lie, and place of each tile.
    """

    grid: Grid
    parts: Sequence[tuple[str, Window]]

    def vrt(self, layer: Layer) -> bytes:
        """GDAL's description of the mosaic as one raster with the layer's bands."""
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
                SubElement(source, "LUT").text = "0:255,1:0,255:0"  # only what is clear is shown
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
            # Said here so that GDAL need not open thousands of files to learn it.
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
    """Writes a layer of a mosaic, which lies in the same folder, as a Cloud-Optimised GeoTIFF.

    The file appears once it is whole. Its overviews need some more room beside it for a while.

    Raises:
        OSError: It cannot be written.
    """
    vrt = path.with_suffix(".vrt")
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    try:
        vrt.write_bytes(mosaic.vrt(layer))
        with rasterio.Env(GDAL_CACHEMAX=_CACHE_MB):
            rasterio.shutil.copy(
                vrt,
                part,
                driver="COG",
                compress="DEFLATE",
                level=_LEVEL,
                blocksize=_BLOCK,
                overviews="AUTO",
                overview_resampling="NEAREST",  # true values; means under a mask take 3 times as long
                bigtiff="IF_SAFER",
            )
        _check(part)
        _sync(part)
        part.replace(path)
    except (RasterioError, CPLE_BaseError, SystemError) as error:  # the last: a nameless one
        # Why it failed, GDAL only says on stderr; most likely there is no room.
        free_mb = shutil.disk_usage(path.parent).free // 1_000_000
        raise OSError(
            errno.EIO, f"{path.name} could not be written, {free_mb} MB are free: {error}"
        ) from error
    finally:
        # GDAL leaves overviews beside what it could not finish.
        for left in [vrt, *path.parent.iterdir()]:
            if left == vrt or left.name.startswith(part.name):
                with suppress(OSError):
                    left.unlink()


def _check(path: Path) -> None:
    """Reads the last block of each level: GDAL does not tell when a disk is full as it closes."""
    with rasterio.open(path) as file:
        levels = len(file.overviews(1))
        edge = Window(file.width - 1, file.height - 1, 1, 1)
        file.read(window=edge)
    for level in range(levels):
        with rasterio.open(path, overview_level=level) as file:
            file.read(window=Window(file.width - 1, file.height - 1, 1, 1))


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())

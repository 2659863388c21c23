"""What a source that a user names is: an image, a folder of tiles, or a STAC item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from satellite.errors import SatelliteError
from satellite.imagery.bands import Role
from satellite.imagery.mosaic import MosaicTile, images_in, mosaic_of, mosaic_of_tiles
from satellite.imagery.raster import Raster, is_remote
from satellite.imagery.stac import is_item, read_item


@dataclass(frozen=True, slots=True)
class LocatedImage:
    """An image that was found.

    Attributes:
        raster: The image.
        name: Short, for people.
        acquired: When it was taken, where more than one file tells it.
        roles: Its bands, where more than the image tells them.
    """

    raster: Raster
    name: str
    acquired: datetime | None = None
    roles: Mapping[Role, int] = field(default_factory=dict)


def locate_image(source: str | Path, nodata: float | None) -> LocatedImage:
    """Finds out what a source is.

    Args:
        source: Path or address of an image, a folder of tiles, or a STAC item.
        nodata: Value of empty pixels, in place of what the image says.

    Raises:
        SatelliteError: There is nothing, or nothing that can be used.
    """
    text = str(source)
    if not is_remote(text) and not Path(text).exists():
        raise SatelliteError(f"{text}: there is no such file or folder; check the path")
    if not is_remote(text) and Path(text).is_dir():
        return _folder(Path(text), nodata)
    if is_item(text):
        item = read_item(text)
        raster = item.raster if nodata is None else _with_nodata(item.raster, nodata)
        return LocatedImage(raster, item.name, item.acquired, item.roles)
    raster = Raster.at(source)
    name = Path(urlsplit(text).path if is_remote(text) else text).stem
    return LocatedImage(raster if nodata is None else _with_nodata(raster, nodata), name)


def _folder(folder: Path, nodata: float | None) -> LocatedImage:
    paths = images_in(folder)
    whole = mosaic_of(paths, str(folder), nodata)
    return LocatedImage(Raster(whole.text, str(folder)), folder.resolve().name, whole.acquired)


def _with_nodata(raster: Raster, nodata: float) -> Raster:
    """The same image with another value of empty pixels: GDAL then leaves them out of averages."""
    with raster.open() as dataset:
        part = MosaicTile.of(dataset, raster.address, raster.label)
    return Raster(mosaic_of_tiles([part], raster.label, nodata).text, raster.label)

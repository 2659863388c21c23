"""Resolves what a user names to one image: a file, a folder of tiles, or a STAC item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from satellite.errors import SatelliteError
from satellite.imagery.bands import Role
from satellite.imagery.mosaic import MosaicTile, images_in, mosaic_of, mosaic_of_tiles
from satellite.imagery.raster import Raster, is_remote, local_path
from satellite.imagery.stac import is_item, read_item


@dataclass(frozen=True, slots=True)
class LocatedImage:
    """An image with the facts that its source records beside it.

    Attributes:
        raster: The image.
        name: A short name for display.
        acquired: Acquisition time, where the source rather than the image file records it.
        roles: Band roles, where the source rather than the image file records them.
    """

    raster: Raster
    name: str
    acquired: datetime | None = None
    roles: Mapping[Role, int] = field(default_factory=dict)


def locate_image(
    source: str | Path, nodata: float | None, *, allow_remote: bool = False
) -> LocatedImage:
    """Resolves a source to an image.

    Args:
        source: Path or address of an image, a folder of tiles, or a STAC item.
        nodata: Value of empty pixels, in place of the recorded one.
        allow_remote: Whether a STAC item on this machine may name images elsewhere.

    Raises:
        SatelliteError: The source does not exist or cannot be used.
    """
    text = local_path(str(source))
    if not is_remote(text) and not Path(text).exists():
        raise SatelliteError(f"{text}: there is no such file or folder; check the path")
    if not is_remote(text) and Path(text).is_dir():
        return _folder(Path(text), nodata)
    if is_item(text):
        item = read_item(text, allow_remote=allow_remote)
        raster = item.raster if nodata is None else _with_nodata(item.raster, nodata)
        return LocatedImage(raster, item.name, item.acquired, item.roles)
    raster = Raster.at(text)
    name = Path(urlsplit(text).path if is_remote(text) else text).stem
    return LocatedImage(raster if nodata is None else _with_nodata(raster, nodata), name)


def _folder(folder: Path, nodata: float | None) -> LocatedImage:
    paths = images_in(folder)
    whole = mosaic_of(paths, str(folder), nodata)
    return LocatedImage(Raster(whole.text, str(folder)), folder.resolve().name, whole.acquired)


def _with_nodata(raster: Raster, nodata: float) -> Raster:
    """The image with another nodata value, set in a VRT so that GDAL leaves it out of averages."""
    with raster.open() as dataset:
        part = MosaicTile.of(dataset, raster.address, raster.label)
    return Raster(mosaic_of_tiles([part], raster.label, nodata).text, raster.label)

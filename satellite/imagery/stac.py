"""A STAC item as one image, whose bands may lie in separate files."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import numpy as np
import structlog

from cv_engine.errors import Failure, failure_of_os_error
from satellite.errors import SatelliteError
from satellite.imagery.acquisition import to_utc
from satellite.imagery.bands import COLOURS, ROLES, Role, role_of_name
from satellite.imagery.grid import Grid
from satellite.imagery.mosaic import MosaicTile, corners
from satellite.imagery.raster import Raster, is_remote, local_path, without_query
from satellite.imagery.vrt import VirtualBand, VirtualSource, virtual_image

if TYPE_CHECKING:
    import pystac

# Longest wait for the next bytes of an answer, and for the whole answer, seconds.
_TIMEOUT_S = 30.0
_TOTAL_S = 60.0
# Most assets of an item, and bands of an asset: usual items have some 20.
_MOST_ASSETS = 1000
# Most asset names in a message.
_NAMED = 10
# Most bytes of an item's JSON text: usual items have some 20 kB.
_MOST_BYTES = 16 << 20
# Roles of assets that are only previews.
_PREVIEWS = {"thumbnail", "overview", "preview", "metadata"}
_IMAGE_SUFFIXES = (".tif", ".tiff", ".jp2", ".j2k", ".img", ".vrt")
_IMAGE_TYPES = ("image/tiff", "image/jp2", "image/vnd.stac.geotiff", "application/x-geotiff")


@dataclass(frozen=True, slots=True)
class Item:
    """The image of a STAC item.

    Attributes:
        raster: The image.
        name: The item's id.
        acquired: Acquisition time.
        roles: Band roles, as far as the item records them.
    """

    raster: Raster
    name: str
    acquired: datetime | None
    roles: Mapping[Role, int]


@dataclass(frozen=True, slots=True)
class _Band:
    """One band of one of an item's files."""

    role: Role
    href: str
    number: int


def is_item(source: str) -> bool:
    """Whether a source is, by its name, a STAC item rather than an image."""
    path = urlsplit(source).path if is_remote(source) else source
    suffix = Path(path).suffix.lower()
    return suffix in (".json", ".geojson") or ("/items/" in path and not suffix)


def read_item(source: str, *, allow_remote: bool = False) -> Item:
    """Reads a STAC item and opens the image in it.

    Bands in separate files are stacked; otherwise a file with all bands is used, otherwise the
    preview picture (``visual``).

    Args:
        source: Path or address of the item's JSON text.
        allow_remote: Whether an item on this machine may name images elsewhere.

    Raises:
        SatelliteError: The item cannot be read, or has no usable image.
    """
    label = without_query(source)
    item = _item(source, label)
    with _refusing(label):
        times = (item.common_metadata.start_datetime, item.common_metadata.end_datetime)
        acquired = item.datetime
        if acquired is None and times[0] is not None and times[1] is not None:
            acquired = times[0] + (times[1] - times[0]) / 2
        assets = dict(_images(item))
        bands = _bands(assets)
        stacked = set(COLOURS) <= set(bands)
        picture = "" if stacked else _picture(assets, label)
    for href in [band.href for band in bands.values()] if stacked else [picture]:
        _refuse_elsewhere(href, source, label, allow_remote)
    raster, roles = _stack_bands(bands, label) if stacked else (Raster.at(picture), {})
    return Item(raster, item.id, None if acquired is None else to_utc(acquired), roles)


def _item(source: str, label: str) -> pystac.Item:
    try:
        import pystac
    except ImportError as error:
        raise SatelliteError(
            f"{label}: STAC items need the package pystac; install it: pip install pystac"
        ) from error
    try:
        text = _text(source)
    except (OSError, urllib.error.URLError, UnicodeDecodeError) as error:
        raise SatelliteError(
            f"{label}: it cannot be read: {error}; check the address", _failure(error)
        ) from error
    with _refusing(label):
        content = json.loads(text)
        # What is not used takes pystac a second or more where there is much of it.
        content = content | {"links": [], "geometry": None, "bbox": None}
        content["stac_extensions"] = content.get("stac_extensions", [])[:_MOST_ASSETS]
        assets = content.get("assets", {}).values()
        if len(assets) > _MOST_ASSETS:
            raise ValueError(f"{len(assets)} assets, more than {_MOST_ASSETS}")
        item = pystac.Item.from_dict(content, preserve_dict=False)
        item.set_self_href(source if is_remote(source) else str(Path(source).resolve()))
        return item


@contextmanager
def _refusing(label: str) -> Iterator[None]:
    """Refuses what is no STAC item: pystac raises a dozen unrelated types."""
    try:
        yield
    except SatelliteError:
        raise
    except Exception as error:
        raise SatelliteError(
            f"{label}: it is no STAC item ({type(error).__name__}: {error!s:.200}); give the JSON "
            f"text of an item, or an image"
        ) from error


def _refuse_elsewhere(href: str, source: str, label: str, allow_remote: bool) -> None:
    """Refuses an image elsewhere of an item on this machine, and the other way round."""
    away = is_remote(href)
    if away and not is_remote(source) and not allow_remote:
        raise SatelliteError(
            f"{label}: the item lies on this machine, but its image elsewhere "
            f"({without_query(href):.200}); allow that it is fetched (--allow-remote, "
            "satellite.allow_remote), or download it"
        )
    if is_remote(source) and (not away or href.startswith("/vsi")):
        raise SatelliteError(
            f"{label}: the item lies elsewhere, but names a file on this machine ({href:.200}); "
            "download the item, and give its path"
        )


def _failure(error: Exception) -> Failure:
    if isinstance(error, urllib.error.HTTPError) and error.code < 500:
        return Failure.WRONG_INPUT
    return failure_of_os_error(error) if isinstance(error, OSError) else Failure.WRONG_INPUT


def _text(source: str) -> str:
    if not is_remote(source):
        return Path(source).read_text(encoding="utf-8")
    return _fetched(source).decode("utf-8")


def _fetched(source: str) -> bytes:
    """The bytes at an address, within a total time: a server may answer one byte at a time.

    Raises:
        OSError: The address cannot be read.
    """
    found: Queue[bytes | Exception] = Queue()

    def fetch() -> None:
        try:
            with urllib.request.urlopen(source, timeout=_TIMEOUT_S) as answer:
                found.put(answer.read(_MOST_BYTES))
        except Exception as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            found.put(error)

    Thread(target=fetch, daemon=True).start()
    try:
        result = found.get(timeout=_TOTAL_S)
    except Empty:
        raise TimeoutError(f"no whole answer within {_TOTAL_S:g} s") from None
    if isinstance(result, OSError):
        raise result
    if isinstance(result, Exception):
        raise OSError(f"{type(result).__name__}: {result}") from result
    return result


def _images(item: pystac.Item) -> Iterator[tuple[str, pystac.Asset]]:
    """The assets that hold image data, by key."""
    for key, asset in item.assets.items():
        kind = (asset.media_type or "").partition(";")[0].strip().lower()
        suffix = Path(urlsplit(asset.href).path).suffix.lower()
        if not _PREVIEWS & set(asset.roles or ()) and (
            kind in _IMAGE_TYPES or (not kind and suffix in _IMAGE_SUFFIXES)
        ):
            yield key, asset


def _bands(assets: Mapping[str, pystac.Asset]) -> dict[Role, _Band]:
    """The file and band of each role; the ``visual`` preview is ignored."""
    found: dict[Role, _Band] = {}
    for key, asset in assets.items():
        if key == "visual" or "visual" in (asset.roles or ()):
            continue
        names = _band_names(asset) or [[key]]
        if len(names) == 1:
            names = [[*names[0], key]]
        for number, candidates in enumerate(names, start=1):
            roles = (role_of_name(name) for name in candidates)
            role = next((role for role in roles if role is not None), None)
            # An item may have a narrower "nir08" beside "nir".
            if role is not None and (role not in found or role in candidates):
                found[role] = _Band(role, _href(asset), number)
    return found


def _band_names(asset: pystac.Asset) -> list[list[str]]:
    """An asset's names of each of its bands, the common name first."""
    bands: list[Any] = asset.extra_fields.get("bands") or asset.extra_fields.get("eo:bands") or []
    if len(bands) > _MOST_ASSETS:
        raise ValueError(f"{len(bands)} bands of one asset, more than {_MOST_ASSETS}")
    keys = ("eo:common_name", "common_name", "name", "description")
    return [[str(band[key]) for key in keys if key in band] for band in bands]


def _href(asset: pystac.Asset) -> str:
    """The asset's address; of a file on this machine its path."""
    href = asset.get_absolute_href() or asset.href
    if is_remote(href):
        return href
    path = local_path(href)
    # An href is a URL, in which a space is %20, but many items have plain paths.
    return path if Path(path).exists() else unquote(path)


def _picture(assets: Mapping[str, pystac.Asset], label: str) -> str:
    """The address of the image with all bands."""
    if "visual" in assets:
        return _href(assets["visual"])
    if len(assets) == 1:
        return _href(next(iter(assets.values())))
    names = [f"{name:.40}" for name in sorted(assets)]
    listed = ", ".join([*names[:_NAMED], *(["..."] if len(names) > _NAMED else [])])
    raise SatelliteError(
        f"{label}: none of its assets show red, green and blue (images among them: "
        f"{listed or 'none'}); give the address of the image itself"
    )


def _stack_bands(bands: Mapping[Role, _Band], label: str) -> tuple[Raster, dict[Role, int]]:
    """Stacks bands of one or more files to one image."""
    if len({bands[role].href for role in COLOURS}) == 1:
        href = bands["red"].href
        same = {role: band.number for role, band in bands.items() if band.href == href}
        return Raster.at(href), same
    parts: dict[str, MosaicTile] = {}
    for band in bands.values():
        if band.href not in parts:
            raster = Raster.at(band.href)
            with raster.open() as dataset:
                parts[band.href] = MosaicTile.of(dataset, raster.address, raster.label)
    model = parts[bands["red"].href]
    stack: list[VirtualBand] = []
    roles: dict[Role, int] = {}
    for role in ROLES:
        if role not in bands:
            continue
        part, number = parts[bands[role].href], bands[role].number
        if not _fits(part, model, role, label):
            continue
        block = part.block
        place = (0, 0, model.grid.width, model.grid.height)
        source = VirtualSource(part.path, part.grid.width, part.grid.height, block, place, number)
        stack.append(VirtualBand([source], model.dtype, model.nodata, name=role))
        roles[role] = len(stack)
    return Raster(virtual_image(model.grid, stack), label), roles


def _fits(part: MosaicTile, model: MosaicTile, role: Role, label: str) -> bool:
    """Whether a band covers the same ground as red, possibly with larger pixels."""
    pixel = max(part.grid.resolution_m, model.grid.resolution_m)
    fits = part.grid.crs == model.grid.crs and part.dtype == model.dtype
    if fits:
        apart = np.abs(corners(part.grid) - corners(model.grid)).max()
        fits = bool(apart * model.grid.resolution_m <= pixel * _unit(model.grid))
    if not fits and role in COLOURS:
        raise SatelliteError(
            f"{label}: its bands red and {role} differ in place or type; use another item, or put "
            f"them together: gdalbuildvrt -separate image.vrt ..."
        )
    if not fits:
        structlog.get_logger(__name__).warning(
            "a band lies elsewhere than red: not used", image=label, band=role
        )
    return fits


def _unit(grid: Grid) -> float:
    """Side of a pixel in units of the grid's coordinate reference system."""
    return float(np.sqrt(abs(grid.transform.determinant)))

"""Opens rasters with GDAL, local or over the network, and explains its errors to the user."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader

from satellite.errors import SatelliteError

# Size of GDAL's block cache for all images of the process, bytes: holds a row of 512 px blocks of
# two images 40,000 px wide, and is little enough for a small machine. GDAL's default is a share of
# the machine's memory.
CACHE_BYTES = 256 << 20
# The largest block that is accepted, bytes: a block that fills the cache would be decoded again for
# every window.
_LARGEST_BLOCK = CACHE_BYTES
# Most bytes of pixels per byte of a file: deflate reaches 1,032, run-length codecs and sparse files
# some 10,000.
_DENSEST = 1e6
# Number of pixels above which no image is real: Earth's land at 12 m.
_MOST_PIXELS = 2**40

_SETTINGS = {"GDAL_CACHEMAX": CACHE_BYTES}
_NETWORK_SETTINGS = {
    **_SETTINGS,
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no listings, no requests for side files
    "GDAL_HTTP_CONNECTTIMEOUT": 15,  # seconds
    "GDAL_HTTP_TIMEOUT": 120,  # seconds for one range
    "GDAL_HTTP_MAX_RETRY": 3,  # after status codes for a temporary failure
    "GDAL_HTTP_RETRY_DELAY": 1,  # seconds, doubled each time
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": 32768,  # the header of most files in one request
}
_SCHEMES = {
    "http": "/vsicurl/http://",
    "https": "/vsicurl/https://",
    "s3": "/vsis3/",
    "gs": "/vsigs/",
}
# How GDAL names the file of an unreadable block, which may be one of many in a virtual image.
_BLOCK_OF = re.compile(r"(.+), band \d+: ")
_QUERY = re.compile(r"\?[^\s'\"]+")


@dataclass(frozen=True, slots=True)
class Raster:
    """One image as GDAL opens it.

    Attributes:
        address: Path or URL in GDAL's form, or the XML text of a VRT.
        label: The user's name for the image, for messages.
    """

    address: str
    label: str

    @classmethod
    def at(cls, source: str | Path) -> Raster:
        """The image at a path or address (http, https, s3, gs, or a ``/vsi`` path of GDAL)."""
        address = str(source)
        if "\0" in address:
            raise SatelliteError(f"{address!r:.200}: this is no path: it contains a null character")
        if not is_remote(address):
            return cls(str(Path(address).resolve()), address)
        scheme, _, rest = address.partition("://")
        # The query may be a signature that grants access: not for messages.
        return cls(
            _SCHEMES.get(scheme, scheme + "://") + rest if rest else address, without_query(address)
        )

    @property
    def remote(self) -> bool:
        """Whether any part of the image is read over the network."""
        return any(mark in self.address for mark in ("/vsicurl/", "/vsis3/", "/vsigs/"))

    @contextmanager
    def gdal(self, doing: str, advice: str) -> Iterator[None]:
        """Applies GDAL settings, and turns GDAL's errors into :class:`SatelliteError`.

        Args:
            doing: The operation, as a participle such as ``"opened"``.
            advice: What to do when the operation fails.
        """
        try:
            with rasterio.Env(**(_NETWORK_SETTINGS if self.remote else _SETTINGS)):
                yield
        except (SatelliteError, MemoryError):
            raise
        except Exception as error:  # the bindings raise a dozen unrelated types
            raise SatelliteError(
                f"{self.label}: it cannot be {doing}: {_reason(error, self.label)}; {advice}"
            ) from error

    def open(self) -> DatasetReader:
        """Opens the image and checks that it can be used.

        Raises:
            SatelliteError: The image cannot be opened, cannot be placed on the ground, or cannot be
                read in bounded memory.
        """
        where = "the address" if self.remote else "the file"
        advice = f"check {where}; images are read from GeoTIFF, COG, JPEG 2000, VRT and Erdas IMG"
        with self.gdal("opened as an image", advice), warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # refused below
            dataset = rasterio.open(self.address)
        try:
            with self.gdal("understood", advice):
                _refuse_unplaced(dataset, self.label)
                _refuse_unreadable(dataset, self.label)
                _refuse_implausible_size(dataset, self)
        except SatelliteError:
            dataset.close()
            raise
        return dataset


def is_remote(source: str) -> bool:
    """Whether a source is an address for GDAL or the network rather than a path."""
    return urlsplit(source).scheme in _SCHEMES or source.startswith("/vsi")


def local_path(source: str) -> str:
    """A path on this machine, from a file URL or as it is.

    Raises:
        SatelliteError: The URL names another machine.
    """
    url = urlsplit(source)
    if url.scheme.lower() != "file":
        return source
    if url.netloc not in ("", "localhost"):
        raise SatelliteError(
            f"{source}: the URL names a file on the machine {url.netloc}; write file:///PATH for "
            "one on this machine"
        )
    return unquote(url.path)


def without_query(address: str) -> str:
    """An address without its query, which may hold a secret, for display."""
    return address.partition("?")[0]


def _reason(error: BaseException, label: str) -> str:
    """The root cause as GDAL reported it, and the file's name where that differs from the label."""
    reason, file = type(error).__name__, ""
    cause: BaseException | None = error
    while cause is not None:
        reason = str(cause).strip() or reason
        if block := _BLOCK_OF.match(reason):
            file = block.group(1)
        cause = cause.__cause__
    where = "" if not file or label.endswith(file) else f"in {file}: "
    return where + _QUERY.sub("", reason.splitlines()[0]).rstrip(".")


def _refuse_unplaced(dataset: DatasetReader, label: str) -> None:
    """Refuses an image without usable georeferencing."""
    placed = not dataset.transform.is_identity
    if not placed and dataset.rpcs is not None:
        raise SatelliteError(
            f"{label}: it is not orthorectified (it carries only RPC camera coefficients); do that "
            f"first: gdalwarp -rpc -to RPC_DEM=heights.tif -t_srs EPSG:... {label} ortho.tif"
        )
    if not placed and dataset.gcps[0]:
        raise SatelliteError(
            f"{label}: only ground control points tell where it lies; warp it first: "
            f"gdalwarp -tps -t_srs EPSG:... {label} warped.tif"
        )
    if not placed or abs(dataset.transform.determinant) == 0:
        raise SatelliteError(
            f"{label}: it has no georeferencing, so its place is not known; use the image as it "
            f"was delivered, with its world file if it has one, or set its corners: "
            f"gdal_translate -a_srs EPSG:... -a_ullr WEST NORTH EAST SOUTH {label} placed.tif"
        )
    if dataset.crs is None:
        raise SatelliteError(
            f"{label}: it has no coordinate reference system; find out which it is in and set it: "
            f"gdal_edit.py -a_srs EPSG:... {label}"
        )


def _refuse_unreadable(dataset: DatasetReader, label: str) -> None:
    """Refuses an image without bands of numbers."""
    if dataset.count == 0:
        inner = ", ".join(dataset.subdatasets[:3]) or "none"
        raise SatelliteError(
            f"{label}: it is a container without bands of its own (images in it: {inner}); convert "
            f"the one you want: gdal_translate NAME image.tif"
        )
    kinds = {
        np.dtype(kind).kind if not kind.startswith("complex") else "c" for kind in dataset.dtypes
    }
    if "c" in kinds or len(set(dataset.dtypes)) > 1:
        raise SatelliteError(
            f"{label}: its bands are {', '.join(sorted(set(dataset.dtypes)))}; use an image whose "
            f"bands are all of one type, integers or floating point numbers"
        )
    if dataset.count == 1 and dataset.colorinterp[0].name == "palette":
        raise SatelliteError(
            f"{label}: its colours come from a palette; write them out: "
            f"gdal_translate -expand rgb {label} colours.tif"
        )


def _refuse_implausible_size(dataset: DatasetReader, raster: Raster) -> None:
    """Refuses an image whose claimed size is implausible or whose blocks are too large."""
    pixels = dataset.width * dataset.height
    size = f"{dataset.width} x {dataset.height} pixels"
    if pixels > _MOST_PIXELS:
        raise SatelliteError(
            f"{raster.label}: it claims {size}, more than any image has; it is damaged or "
            f"malicious (or, of tiles, they lie far apart): do not use it as it is"
        )
    item = np.dtype(dataset.dtypes[0]).itemsize
    bytes_there = 0 if raster.remote else sum(path.stat().st_size for path in files_of(dataset))
    claimed = pixels * dataset.count * item
    if bytes_there and claimed > bytes_there * _DENSEST:
        raise SatelliteError(
            f"{raster.label}: it claims {size}, but its {bytes_there} bytes cannot hold them; "
            f"it is damaged or malicious: do not use it"
        )
    together = dataset.count if str(dataset.interleaving).lower().endswith("pixel") else 1
    height, width = max(dataset.block_shapes, key=lambda block: block[0] * block[1])
    if height * width * item * together > _LARGEST_BLOCK:
        raise SatelliteError(
            f"{raster.label}: its blocks of {width} x {height} pixels are too large to be read in "
            f"pieces; convert it: gdal_translate -of COG {raster.label} image.tif"
        )


def files_of(dataset: DatasetReader) -> list[Path]:
    """The local files that an image consists of, sorted by name."""
    names = [str(name) for name in dataset.files]
    found = set()
    while names:
        name = names.pop()
        if name.startswith("<VRTDataset"):  # a VRT within another
            sources = ET.fromstring(name).iter("SourceFilename")
            names += [source.text for source in sources if source.text]
        elif not name.startswith("/vsi") and (path := Path(name)).is_file():
            found.add(path)
    return sorted(found)

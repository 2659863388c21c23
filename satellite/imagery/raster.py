"""Opening what GDAL reads: local or over the network, its errors told in the user's words."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader

from satellite.errors import SatelliteError

# What GDAL keeps of decoded blocks, bytes, for all images of the process together: a row of 512 px
# blocks of two images 40,000 px wide, and little enough for a small machine. GDAL's own choice is a
# share of the machine's memory.
CACHE_BYTES = 256 << 20
# The largest block that is decoded at once, bytes: one that fills the cache would have to be decoded
# anew for every window.
_LARGEST_BLOCK = CACHE_BYTES
# Bytes of pixels that a file can hold in one of its bytes: deflate packs 1,032, the codecs with
# run lengths, and sparse files, up to some 10,000.
_DENSEST = 1e6
# Pixels from which no image is real: Earth's land at 12 m.
_MOST_PIXELS = 2**40

_SETTINGS = {"GDAL_CACHEMAX": CACHE_BYTES}
_NETWORK_SETTINGS = {
    **_SETTINGS,
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no listings, no asking for side files
    "GDAL_HTTP_CONNECTTIMEOUT": 15,  # seconds
    "GDAL_HTTP_TIMEOUT": 120,  # seconds for one range
    "GDAL_HTTP_MAX_RETRY": 3,  # after answers that say "later"
    "GDAL_HTTP_RETRY_DELAY": 1,  # seconds, doubled each time
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": 32768,  # the header of most files at one go
}
_SCHEMES = {
    "http": "/vsicurl/http://",
    "https": "/vsicurl/https://",
    "s3": "/vsis3/",
    "gs": "/vsigs/",
}
# How GDAL names the file of a block that it cannot read, which may be one of many in a virtual image.
_BLOCK_OF = re.compile(r"(.+), band \d+: ")
_QUERY = re.compile(r"\?[^\s'\"]+")


@dataclass(frozen=True, slots=True)
class Raster:
    """One image as GDAL opens it.

    Attributes:
        address: Its path as GDAL names it, or the XML text of a virtual image.
        label: What its user calls it, for messages.
    """

    address: str
    label: str

    @classmethod
    def at(cls, source: str | Path) -> Raster:
        """The image at a path or an address (http, https, s3, gs, or a ``/vsi`` path of GDAL)."""
        address = str(source)
        if not is_remote(address):
            return cls(str(Path(address).resolve()), address)
        scheme, _, rest = address.partition("://")
        # What follows the question mark may be a signature that gives access: not for messages.
        return cls(
            _SCHEMES.get(scheme, scheme + "://") + rest if rest else address, without_query(address)
        )

    @property
    def remote(self) -> bool:
        """Whether some of it comes over the network."""
        return any(mark in self.address for mark in ("/vsicurl/", "/vsis3/", "/vsigs/"))

    @contextmanager
    def gdal(self, doing: str, advice: str) -> Iterator[None]:
        """Calls GDAL: its settings, and its errors as :class:`SatelliteError`.

        Args:
            doing: What is being done, such as ``"opened"``.
            advice: What to do when that fails.
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
        """Opens it and makes sure that it can be used.

        Raises:
            SatelliteError: It cannot be opened, or not be placed on the ground, or not be read in
                bounded memory.
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


def without_query(address: str) -> str:
    """An address as it may be shown: without what follows its question mark."""
    return address.partition("?")[0]


def _reason(error: BaseException, label: str) -> str:
    """The first cause, what GDAL said rather than what was made of it, and the file if it is another."""
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
    """Refuses an image of which GDAL does not know where its pixels lie."""
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
            f"{label}: it has no georeferencing, so nobody knows where it lies; use the image as it "
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
    """Refuses an image that claims more than it can hold, or that is not readable in pieces."""
    pixels = dataset.width * dataset.height
    size = f"{dataset.width} x {dataset.height} pixels"
    if pixels > _MOST_PIXELS:
        raise SatelliteError(
            f"{raster.label}: it claims {size}, more than any image has; it is damaged or made to "
            f"do harm (or, of tiles, they lie far apart): do not use it as it is"
        )
    item = np.dtype(dataset.dtypes[0]).itemsize
    bytes_there = 0 if raster.remote else sum(path.stat().st_size for path in files_of(dataset))
    claimed = pixels * dataset.count * item
    if bytes_there and claimed > bytes_there * _DENSEST:
        raise SatelliteError(
            f"{raster.label}: it claims {size}, but its {bytes_there} bytes cannot hold them; it is "
            f"damaged or made to do harm: do not use it"
        )
    together = dataset.count if str(dataset.interleaving).lower().endswith("pixel") else 1
    height, width = max(dataset.block_shapes, key=lambda block: block[0] * block[1])
    if height * width * item * together > _LARGEST_BLOCK:
        raise SatelliteError(
            f"{raster.label}: its blocks of {width} x {height} pixels are too large to be read in "
            f"pieces; convert it: gdal_translate -of COG {raster.label} image.tif"
        )


def files_of(dataset: DatasetReader) -> list[Path]:
    """The files on this machine that an image is made of, in order of their names."""
    names = [str(name) for name in dataset.files]
    found = set()
    while names:
        name = names.pop()
        if name.startswith("<VRTDataset"):  # one virtual image within another
            sources = ET.fromstring(name).iter("SourceFilename")
            names += [source.text for source in sources if source.text]
        elif not name.startswith("/vsi") and (path := Path(name)).is_file():
            found.add(path)
    return sorted(found)

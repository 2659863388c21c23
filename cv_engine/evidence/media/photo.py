"""Photos that people add to a case: checked, kept unchanged, their EXIF read."""

from __future__ import annotations

import hashlib
import io
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import ExifTags, UnidentifiedImageError
from PIL import Image as Pictures

from cv_engine.evidence.errors import EvidenceError

#: File endings by the formats that are kept; HEIF needs a decoder that Pillow has not by itself.
FORMATS: Mapping[str, str] = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "HEIF": "heic"}
_LARGEST_FILE = 64 * 1024 * 1024  # bytes; telephones write a tenth
_MOST_PIXELS = 220_000_000  # the largest sensors of telephones have 200 million
_MOST_PIXELS_OF_PNG = 60_000_000  # PNG has no smaller scale: 180 MB while it is decoded
_DRAFT_SIDE = 1024  # pixels; JPEG is decoded at a scale of about this, to find damage
_SECONDS_PER_DEGREE = (1, 60, 3600)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heif")
_TAGS = {"Make": "make", "Model": "model"}


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo as somebody gave it.

    Attributes:
        name: The file's own name.
        data: The file's content.
        suffix: Ending of a file of this format, such as ``"jpg"``.
        width: In pixels, as stored.
        height: In pixels, as stored.
        exif: What the camera wrote: ``taken`` (ISO 8601, without offset where the camera wrote
            none), ``latitude`` and ``longitude`` (degrees, WGS 84), ``make`` and ``model``; only
            what is there. Anybody can change it: it is a statement, not a proof.
    """

    name: str
    data: bytes
    suffix: str
    width: int
    height: int
    exif: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the content."""
        return hashlib.sha256(self.data).hexdigest()


def read_photo(path: Path) -> Photo:
    """Read a photo, and check that it is one, whole and of a possible size.

    Raises:
        EvidenceError: The file cannot be read, is no JPEG, PNG or readable HEIC, is damaged, or is
            larger than any photo.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise EvidenceError(f"{path}: the photo cannot be read ({error.strerror})") from error
    return photo_of(data, path)


def photo_of(data: bytes, path: Path) -> Photo:
    """The photo that a file holds; see :func:`read_photo`.

    Args:
        data: The file's content; of one that is too large, a byte more than is allowed suffices.
        path: The file's name, for the photo and for messages.

    Raises:
        EvidenceError: As for :func:`read_photo`.
    """
    if len(data) > _LARGEST_FILE:
        raise EvidenceError(
            f"{path}: the photo has more than {_LARGEST_FILE >> 20} MiB; give a smaller one"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of size, decided below, and of malformed EXIF
            return _photo(path, data)
    except EvidenceError:  # a ValueError, too
        raise
    except Pictures.DecompressionBombError as error:
        raise _too_large(path) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, OverflowError) as error:
        raise EvidenceError(f"{path}: {_explain(data)}") from error


def _photo(path: Path, data: bytes) -> Photo:
    with Pictures.open(io.BytesIO(data), formats=_readable()) as picture:
        suffix = FORMATS[picture.format or ""]
        width, height = picture.size
        most = _MOST_PIXELS_OF_PNG if suffix == "png" else _MOST_PIXELS
        if width * height > most:
            raise _too_large(path)
        exif = _exif(picture)
        picture.draft("RGB", (_DRAFT_SIDE, _DRAFT_SIDE))
        picture.load()  # finds a file that ends early or is damaged
    return Photo(path.name, data, suffix, width, height, exif)


def _readable() -> list[str]:
    """The formats of `FORMATS` that this installation decodes."""
    Pictures.init()
    return [name for name in FORMATS if name in Pictures.OPEN]


def _too_large(path: Path) -> EvidenceError:
    return EvidenceError(
        f"{path}: the picture claims more pixels than a photo has; give one that a camera took"
    )


def _explain(data: bytes) -> str:
    """What is wrong with a file that could not be decoded."""
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return "HEIC photos are not read here; export the photo as JPEG"
    if data.startswith((b"\xff\xd8", b"\x89PNG")):
        return "the photo is damaged or ends early; copy it again"
    return "this is no photo; give JPEG or PNG files"


def _exif(picture: Pictures.Image) -> dict[str, Any]:
    """The camera's statements; what cannot be read is left out."""
    try:
        exif = picture.getexif()
        details = exif.get_ifd(ExifTags.IFD.Exif)
        gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    except Exception:  # malformed EXIF raises whatever its parser meets; the picture still counts
        return {}
    found: dict[str, Any] = {
        "taken": _taken(
            details.get(ExifTags.Base.DateTimeOriginal),
            details.get(ExifTags.Base.OffsetTimeOriginal),
        ),
        "latitude": _degrees(gps, ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "S", 90),
        "longitude": _degrees(
            gps, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "W", 180
        ),
        "make": _text(exif.get(ExifTags.Base.Make)),
        "model": _text(exif.get(ExifTags.Base.Model)),
    }
    if found["latitude"] is None or found["longitude"] is None:
        found["latitude"] = found["longitude"] = None
    return {name: value for name, value in found.items() if value is not None}


def _taken(stamp: object, offset: object) -> str | None:
    try:
        at = datetime.strptime(_text(stamp) or "", "%Y:%m:%d %H:%M:%S")
        zone = _text(offset)
        return (
            at if zone is None else datetime.fromisoformat(f"{at.isoformat()}{zone}")
        ).isoformat()
    except ValueError:
        return None


def _degrees(
    gps: Mapping[int, Any], tag: int, reference: int, negative: str, most: int
) -> float | None:
    try:
        parts = [float(part) for part in gps[tag]]
        value = sum(part / unit for part, unit in zip(parts, _SECONDS_PER_DEGREE, strict=True))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    if not math.isfinite(value) or not 0 <= value <= most:
        return None
    return round(-value if _text(gps.get(reference)) == negative else value, 7)


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    text = "".join(sign for sign in value.strip("\0 ") if sign.isprintable())
    return text or None

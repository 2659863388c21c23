"""Writes JPEG pictures with place and time as EXIF."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from PIL import ExifTags
from PIL import Image as Pictures
from PIL.TiffImagePlugin import IFDRational

from cv_engine.evidence.media.still import Image

MAKER = "cv-engine"
_MICROSECONDS = 1_000_000
_SECOND_PARTS = 10_000  # of an arc second: 3 mm on the ground
_VERSION = b"0232"  # EXIF 2.32, the first common version with OffsetTimeOriginal (from 2.31)


@dataclass(frozen=True, slots=True)
class Position:
    """A point on the earth.

    Attributes:
        latitude: Degrees north, WGS 84.
        longitude: Degrees east, WGS 84.
        accuracy_m: Radius in metres within which the true place lies, ``None`` if unknown.
        basis: How the place was found (see `cv_engine.finding.Place`).
    """

    latitude: float
    longitude: float
    accuracy_m: float | None
    basis: str


def jpeg(
    image: Image,
    time: datetime,
    position: Position | None,
    description: str,
    *,
    quality: int,
) -> bytes:
    """Encodes a picture as JPEG with time, place and description as EXIF.

    Colour is kept at full resolution (4:4:4); no thumbnail is embedded.

    Args:
        image: uint8 (H, W, 3) BGR.
        time: When the picture was taken, timezone-aware; written as UTC with the offset.
        position: Where, if known; an unknown accuracy is left out.
        description: What the picture shows, in any script (stored as UTF-8, as in EXIF 3.0).
        quality: JPEG quality, 1 to 100.

    Returns:
        The file's bytes; equal input gives equal bytes.
    """
    rgb = np.ascontiguousarray(image[:, :, ::-1])
    buffer = io.BytesIO()
    Pictures.fromarray(rgb).save(
        buffer,
        "JPEG",
        quality=quality,
        subsampling=0,
        exif=_exif(time.astimezone(UTC), position, description),
    )
    return buffer.getvalue()


def _exif(time: datetime, position: Position | None, description: str) -> Pictures.Exif:
    exif = Pictures.Exif()
    exif[ExifTags.Base.Make] = MAKER
    exif[ExifTags.Base.Software] = MAKER
    exif[ExifTags.Base.ImageDescription] = description.encode()
    stamp = f"{time:%Y:%m:%d %H:%M:%S}"
    exif[ExifTags.Base.DateTime] = stamp
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.ExifVersion] = _VERSION
    details[ExifTags.Base.DateTimeOriginal] = stamp
    details[ExifTags.Base.OffsetTimeOriginal] = "+00:00"
    details[ExifTags.Base.OffsetTime] = "+00:00"
    details[ExifTags.Base.SubsecTimeOriginal] = f"{time.microsecond:06d}"
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps.update(_gps(time, position))
    return exif


def _gps(time: datetime, position: Position | None) -> dict[int, object]:
    seconds = time.second * _MICROSECONDS + time.microsecond
    gps: dict[int, object] = {
        ExifTags.GPS.GPSVersionID: b"\x02\x03\x00\x00",
        ExifTags.GPS.GPSDateStamp: f"{time:%Y:%m:%d}",
        ExifTags.GPS.GPSTimeStamp: (
            IFDRational(time.hour),
            IFDRational(time.minute),
            IFDRational(seconds, _MICROSECONDS),
        ),
    }
    if position is None:
        return gps
    gps[ExifTags.GPS.GPSLatitudeRef] = "N" if position.latitude >= 0 else "S"
    gps[ExifTags.GPS.GPSLatitude] = _sexagesimal(position.latitude)
    gps[ExifTags.GPS.GPSLongitudeRef] = "E" if position.longitude >= 0 else "W"
    gps[ExifTags.GPS.GPSLongitude] = _sexagesimal(position.longitude)
    gps[ExifTags.GPS.GPSMapDatum] = "WGS-84"
    gps[ExifTags.GPS.GPSProcessingMethod] = b"ASCII\x00\x00\x00" + position.basis.encode()
    if position.accuracy_m is not None:
        gps[ExifTags.GPS.GPSHPositioningError] = IFDRational(round(position.accuracy_m * 100), 100)
    return gps


def _sexagesimal(degrees: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    """Splits an angle into degrees, minutes and seconds, exact to `_SECOND_PARTS`."""
    parts = round(abs(degrees) * 3600 * _SECOND_PARTS)
    whole, rest = divmod(parts, 3600 * _SECOND_PARTS)
    minutes, seconds = divmod(rest, 60 * _SECOND_PARTS)
    return IFDRational(whole), IFDRational(minutes), IFDRational(seconds, _SECOND_PARTS)

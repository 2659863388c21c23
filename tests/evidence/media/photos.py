"""Photos made for the tests."""

from __future__ import annotations

import io
from typing import Any

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational


def photo(form: str = "JPEG", size: tuple[int, int] = (320, 240), exif: Any = None) -> bytes:
    """A picture of noise in a format of Pillow's."""
    buffer = io.BytesIO()
    given = {} if exif is None else {"exif": exif}
    Image.effect_noise(size, 60).convert("RGB").save(buffer, form, **given)
    return buffer.getvalue()


def exif_of(
    taken: str | None = "2026:05:01 10:15:00",
    offset: str | None = "+08:00",
    latitude: tuple[float, ...] = (29, 52, 5.9),
    south: bool = False,
) -> Image.Exif:
    """EXIF as a telephone writes it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "HUAWEI\0", "P60"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    if taken is not None:
        details[ExifTags.Base.DateTimeOriginal] = taken
    if offset is not None:
        details[ExifTags.Base.OffsetTimeOriginal] = offset
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSLatitudeRef] = "S" if south else "N"
    gps[ExifTags.GPS.GPSLatitude] = tuple(IFDRational(round(part * 10), 10) for part in latitude)
    gps[ExifTags.GPS.GPSLongitudeRef] = "W" if south else "E"
    gps[ExifTags.GPS.GPSLongitude] = tuple(IFDRational(part) for part in (121, 32, 38))
    return exif

"""Pictures carry place and time in a form that other programs read."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags
from PIL import Image as Pictures

from cv_engine.evidence.media.exif import Position, jpeg
from cv_engine.evidence.media.still import Image

PICTURE = np.full((16, 24, 3), (200, 30, 60), dtype=np.uint8)


def _read(data: bytes) -> tuple[Pictures.Exif, dict[int, object], dict[int, object]]:
    exif = Pictures.open(io.BytesIO(data)).getexif()
    return exif, dict(exif.get_ifd(ExifTags.IFD.Exif)), dict(exif.get_ifd(ExifTags.IFD.GPSInfo))


def _degrees(angle: object) -> float:
    assert isinstance(angle, tuple)
    whole, minutes, seconds = (float(part) for part in angle)
    assert minutes < 60 and seconds < 60
    return whole + minutes / 60 + seconds / 3600


def test_time_and_place_read_back() -> None:
    taken = datetime(2026, 5, 1, 8, 0, 7, 120_345, tzinfo=timezone(timedelta(hours=8)))
    place = Position(29.86831, 121.54402, 2.13, "homography")
    exif, details, gps = _read(jpeg(PICTURE, taken, place, "市场街", quality=97))
    assert exif[ExifTags.Base.Make] == exif[ExifTags.Base.Software] == "cv-engine"
    assert exif[ExifTags.Base.ImageDescription].encode("latin-1").decode() == "市场街"
    assert details[ExifTags.Base.DateTimeOriginal] == "2026:05:01 00:00:07"
    assert details[ExifTags.Base.OffsetTimeOriginal] == "+00:00"
    assert details[ExifTags.Base.SubsecTimeOriginal] == "120345"
    assert gps[ExifTags.GPS.GPSDateStamp] == "2026:05:01"
    assert [float(part) for part in gps[ExifTags.GPS.GPSTimeStamp]] == [0, 0, 7.120345]  # type: ignore[attr-defined]
    assert gps[ExifTags.GPS.GPSMapDatum] == "WGS-84"
    assert float(gps[ExifTags.GPS.GPSHPositioningError]) == 2.13  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.floats(-90, 90), st.floats(-180, 180), st.none() | st.floats(0, 500))
def test_every_place_on_earth(latitude: float, longitude: float, accuracy: float | None) -> None:
    place = Position(latitude, longitude, accuracy, "camera")
    _, _, gps = _read(jpeg(PICTURE, datetime(2026, 5, 1, tzinfo=UTC), place, "", quality=90))
    north = 1 if gps[ExifTags.GPS.GPSLatitudeRef] == "N" else -1
    east = 1 if gps[ExifTags.GPS.GPSLongitudeRef] == "E" else -1
    assert north * _degrees(gps[ExifTags.GPS.GPSLatitude]) == pytest.approx(latitude, abs=1e-7)
    assert east * _degrees(gps[ExifTags.GPS.GPSLongitude]) == pytest.approx(longitude, abs=1e-7)
    assert (ExifTags.GPS.GPSHPositioningError in gps) == (accuracy is not None)


def test_unknown_place_is_left_out() -> None:
    data = jpeg(PICTURE, datetime(2026, 5, 1, tzinfo=UTC), None, "x", quality=90)
    gps = _read(data)[2]
    assert ExifTags.GPS.GPSLatitude not in gps
    assert ExifTags.GPS.GPSTimeStamp in gps


def test_pixels_survive_and_bytes_repeat() -> None:
    ramp: Image = np.zeros((64, 64, 3), dtype=np.uint8)
    ramp[..., 2] = np.arange(64, dtype=np.uint8)[None, :] * 4
    time = datetime(2026, 5, 1, tzinfo=UTC)
    data = jpeg(ramp, time, None, "x", quality=97)
    assert data == jpeg(ramp, time, None, "x", quality=97)
    back = np.asarray(Pictures.open(io.BytesIO(data)))[:, :, ::-1]
    assert np.abs(back.astype(int) - ramp).max() <= 6

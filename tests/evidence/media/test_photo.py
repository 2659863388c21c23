from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.media.photo import Photo, read_photo
from tests.evidence.media.photos import exif_of, photo


def _read(tmp_path: Path, data: bytes, name: str = "after.jpg") -> Photo:
    path = tmp_path / name
    path.write_bytes(data)
    return read_photo(path)


@pytest.mark.parametrize(("form", "suffix"), [("JPEG", "jpg"), ("PNG", "png"), ("MPO", "jpg")])
def test_a_photo_is_kept_to_the_byte(tmp_path: Path, form: str, suffix: str) -> None:
    data = photo(form)
    found = _read(tmp_path, data, "IMG 1.dat")
    assert (found.data, found.suffix, found.name) == (data, suffix, "IMG 1.dat")
    assert (found.width, found.height) == (320, 240)
    assert found.exif == {}


def test_time_place_and_camera_are_read_from_exif(tmp_path: Path) -> None:
    found = _read(tmp_path, photo(exif=exif_of()))
    assert found.exif == {
        "taken": "2026-05-01T10:15:00+08:00",
        "latitude": 29.8683056,
        "longitude": 121.5438889,
        "make": "HUAWEI",
        "model": "P60",
    }
    southern = _read(tmp_path, photo(exif=exif_of(south=True))).exif
    assert (southern["latitude"], southern["longitude"]) == (-29.8683056, -121.5438889)


def test_a_time_without_offset_stays_without_one(tmp_path: Path) -> None:
    assert _read(tmp_path, photo(exif=exif_of(offset=None))).exif["taken"] == "2026-05-01T10:15:00"


@pytest.mark.parametrize(
    ("exif", "missing"),
    [
        (exif_of(taken="0000:00:00 00:00:00"), "taken"),
        (exif_of(taken=None), "taken"),
        (exif_of(offset="local"), "taken"),
        (exif_of(latitude=(99, 0, 0)), "longitude"),
        (exif_of(latitude=(29, 52)), "latitude"),
    ],
)
def test_what_a_camera_wrote_wrongly_is_left_out(
    tmp_path: Path, exif: Image.Exif, missing: str
) -> None:
    found = _read(tmp_path, photo(exif=exif)).exif
    assert missing not in found
    assert found["model"] == "P60"


def _png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "this is no photo; give JPEG or PNG files"),
        (b"hello" * 100, "this is no photo"),
        (b"%PDF-1.7\n", "this is no photo"),
        (photo("GIF"), "this is no photo"),
        (photo("TIFF"), "this is no photo"),
        (photo("JPEG")[:4000], "damaged or ends early"),
        (photo("PNG")[:4000], "damaged or ends early"),
        (_png_that_claims(9000, 9000), "claims more pixels than a photo has"),
        (_png_that_claims(60_000, 60_000), "claims more pixels than a photo has"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 100, "HEIC photos are not read here; export the photo"),
    ],
)
def test_what_is_no_photo_is_refused_with_the_reason(
    tmp_path: Path, data: bytes, said: str
) -> None:
    with pytest.raises(EvidenceError, match=rf"after.jpg: .*{said}"):
        _read(tmp_path, data)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=r"gone.jpg: the photo cannot be read \(No such file"):
        read_photo(tmp_path / "gone.jpg")
    with pytest.raises(EvidenceError, match="cannot be read"):
        read_photo(tmp_path)


def test_a_large_photo_of_a_telephone_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.new("RGB", (12_032, 9_024), (90, 90, 90)).save(path, quality=30)
    assert read_photo(path).width == 12_032


_WHOLE = photo(exif=exif_of())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(at=st.integers(0, 1500), value=st.integers(0, 255), size=st.integers(1, 8))
def test_no_change_of_a_photo_raises_anything_else(
    tmp_path: Path, at: int, value: int, size: int
) -> None:
    data = _WHOLE[:at] + bytes([value]) * size + _WHOLE[at + size :]
    try:
        assert _read(tmp_path, data).data == data
    except EvidenceError as error:
        assert "after.jpg: " in str(error)

"""The program's own reader."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from models.errors import ModelError
from models.plates.countries import COUNTRIES
from models.plates.countries.china import CHINA
from models.plates.countries.europe import EUROPE
from models.plates.detector import PlateDetector
from models.plates.quality import quality
from models.plates.reader import WEIGHTS, PlateReader, open_reader
from models.plates.recognise import PlateRecogniser
from models.plates.rectify import one_line
from models.plates.syntax import Country

Image = npt.NDArray[np.uint8]


def test_a_car_is_read(plate_detector: PlateDetector, reader: PlateReader, car: Image) -> None:
    (seen,) = PlateRecogniser(plate_detector, reader)(car, 640)
    assert seen.text.text == "鲁B995EQ"
    assert seen.text.layout == "blue"
    assert seen.text.confidence > 0.9


@pytest.mark.parametrize("country", COUNTRIES.values(), ids=lambda country: country.name)
def test_each_country_has_a_reader_of_less_than_2_mb(country: Country) -> None:
    path = WEIGHTS / country.reader
    assert path.stat().st_size < 2_000_000
    assert open_reader(country).country is country


def test_pictures_are_read_alike_alone_and_together(reader: PlateReader, car: Image) -> None:
    pictures = [car[k : k + 32, k : k + 128].copy() for k in range(0, 60, 3)]
    together = reader(pictures)
    for picture, reading in zip(pictures, together, strict=True):
        (alone,) = reader([picture])
        np.testing.assert_allclose(reading.places, alone.places, atol=1e-3)
        assert np.exp(reading.places).sum(axis=1) == pytest.approx(1, abs=1e-4)


def test_no_pictures_give_no_readings(reader: PlateReader) -> None:
    assert reader([]) == []


def test_a_picture_of_another_shape_is_refused(reader: PlateReader) -> None:
    with pytest.raises(ModelError, match=r"plate 0 has shape \(24, 94, 3\)"):
        reader([np.zeros((24, 94, 3), np.uint8)])


def test_a_reader_of_another_country_is_refused() -> None:
    with pytest.raises(ModelError, match="does not read the characters of europe"):
        open_reader(EUROPE, WEIGHTS / CHINA.reader)


def test_a_missing_reader_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx"):
        open_reader(CHINA, tmp_path / "none.onnx")


def test_a_blurred_or_washed_out_plate_is_worse(plate_detector: PlateDetector, car: Image) -> None:
    (plate,) = plate_detector(car, 640)
    sharp = quality(car, plate)
    blurred = np.asarray(cv2.GaussianBlur(car, (0, 0), 4), np.uint8)
    bright = np.clip(car.astype(int) + 150, 0, 255).astype(np.uint8)
    dark = (car // 12).astype(np.uint8)
    assert one_line(car, plate.corners).any()
    assert sharp > 2 * quality(blurred, plate)
    assert sharp > 2 * quality(bright, plate)
    assert sharp > 2 * quality(dark, plate)

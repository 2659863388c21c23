from __future__ import annotations

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cv_engine.video.frame import Sample, Turn, shrink


def scene() -> NDArray[np.uint8]:
    """BGR (240, 426, 3): smooth, with all grey levels and colours, and a width FFmpeg must pad."""
    y, x = np.mgrid[0:240, 0:426]
    blue, green, red = x * 255 // 425, y * 255 // 239, (x + y) * 255 // 664
    return np.ascontiguousarray(np.dstack([blue, green, red]).astype(np.uint8))


def sample(pixel_format: str, turn: Turn | None = None) -> Sample:
    frame = av.VideoFrame.from_ndarray(scene(), "bgr24").reformat(format=pixel_format)
    return Sample(0.0, True, frame, turn or Turn(), (426, 240))


FORMATS = ["yuv420p", "yuvj420p", "yuv444p", "nv12", "yuv420p10le", "gray", "bgr24", "yuyv422"]


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_luma_is_the_same_in_every_format(pixel_format: str) -> None:
    grey = cv2.cvtColor(scene(), cv2.COLOR_BGR2GRAY)
    expected = cv2.resize(grey, (160, 90), interpolation=cv2.INTER_AREA).astype(int)
    small = sample(pixel_format).small(160, 90)
    assert small.shape == (90, 160)
    assert small.flags.c_contiguous
    assert np.abs(small - expected).mean() < 2.5
    assert np.abs(small - expected)[2:-2, 2:-2].max() < 9


@pytest.mark.parametrize("pixel_format", [name for name in FORMATS if name != "gray"])
def test_colours_survive_conversion(pixel_format: str) -> None:
    image = sample(pixel_format).image()
    assert image.shape == (240, 426, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert np.abs(image.astype(int) - scene())[4:-4, 4:-4].mean() < 4
    expected = cv2.resize(scene(), (213, 120), interpolation=cv2.INTER_AREA)
    assert np.abs(sample(pixel_format).image_at(213, 120).astype(int) - expected).mean() < 4


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_turns(quarters: int, mirrored: bool) -> None:
    turned = sample("yuv444p", Turn(quarters, mirrored))
    expected = np.rot90(scene()[:, ::-1] if mirrored else scene(), -quarters)
    assert (turned.height, turned.width) == expected.shape[:2]
    assert np.abs(turned.image().astype(int) - expected).mean() < 4
    assert turned.small(60, 40).shape == (40, 60)
    assert turned.image_at(60, 40).shape == (40, 60, 3)


def test_a_picture_of_another_size_is_scaled_to_the_recordings_size() -> None:
    other = Sample(0.0, True, sample("yuv420p").frame, Turn(), (852, 480))
    assert other.image().shape == (480, 852, 3)


@pytest.mark.parametrize("size", [(320, 180), (400, 224), (640, 360), (1919, 1079), (1920, 1080)])
def test_shrink_is_close_to_area_averaging(size: tuple[int, int]) -> None:
    image = cv2.resize(cv2.cvtColor(scene(), cv2.COLOR_BGR2GRAY), (1920, 1080))
    grey = np.asarray(image, np.uint8)
    expected = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(int)
    assert shrink(grey, *size).shape == (size[1], size[0])
    assert np.abs(shrink(grey, *size) - expected).max() <= 3


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((10.2, 20.7, 50.0, 60.1), (20, 61), (10, 50)),
        ((-5.0, -5.0, 30.0, 30.0), (0, 30), (0, 30)),
        ((416.5, 10.0, 466.0, 40.0), (10, 40), (416, 426)),
    ],
)
def test_a_crop_is_a_part_of_the_image(
    box: tuple[float, ...], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    whole = sample("yuv420p")
    crop = whole.crop(np.array(box, np.float32))
    assert np.array_equal(crop, whole.image()[slice(*rows), slice(*columns)])
    assert crop.flags.c_contiguous

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.composed.backgrounds import empty_view, load_backgrounds
from benchmarks.harness.planted import film


def test_what_passes_is_not_in_the_empty_view() -> None:
    street = np.random.default_rng(1).integers(0, 255, (20, 90, 3)).astype(np.uint8)
    frames = []
    for left in range(0, 90, 10):
        frames.append(street.copy())
        frames[-1][:, left : left + 10] = 255
    assert np.array_equal(empty_view(frames), street)


def test_a_clip_gives_its_view_and_the_cache_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "video").mkdir()
    clip = tmp_path / "video" / "in_lane_bikes.mp4"
    x0, y0, x1, y1 = film(clip, seed=3, length_s=6, put_s=1, taken_s=2)
    (view,) = load_backgrounds(tmp_path, tmp_path / "cache")
    assert (view.name, view.is_camera) == ("in_lane_bikes.mp4", True)
    assert view.ground.height == view.image.shape[0]
    crate = view.image[y0:y1, x0:x1]
    assert crate.min() > 90  # paving is 95 to 155; the crate reaches from 10 to 245
    assert crate.max() < 165
    (again,) = load_backgrounds(tmp_path, tmp_path / "cache")
    assert np.array_equal(again.image, view.image)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="neither a clip nor a photograph"):
        load_backgrounds(tmp_path, tmp_path)

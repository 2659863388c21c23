"""The map of both dates: the later image lies on the earlier one, in its light."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from satellite.compare.result import Comparison, Found
from satellite.imagery.scene import open_scene
from satellite.registration.normalise import Gains
from satellite.registration.pair import Pair, Preparation
from satellite.registration.shift import ShiftField
from satellite.report.pictures import draw_pictures, map_path
from satellite.report.section import ReportSection
from tests.satellite.levir import Tiles, image
from tests.satellite.sites import month

_SHIFT_PX = 4


def _maps(
    images: tuple[Path, Path], shift: ShiftField | None, gains: Gains, folder: Path
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The maps of both dates, without their borders."""
    with open_scene(str(images[0])) as before, open_scene(str(images[1])) as after:
        pair = Pair(before, after)
        size = (pair.grid.width, pair.grid.height)
        prepared = Preparation("a", "b", size, shift, gains)
        found = Found((), (), "cascade", None)
        made = ReportSection(Comparison(folder, pair.grid, month(1), month(2), prepared, found), ())
        draw_pictures(made, pair)
    first, second = (cv2.imread(str(map_path(made, date))) for date in ("before", "after"))
    assert first is not None
    assert second is not None
    return first[100:-50, 50:-50].astype(np.float64), second[100:-50, 50:-50].astype(np.float64)


def test_the_later_map_is_aligned_with_the_earlier_one_and_in_its_light(
    shared_data: Path, tmp_path: Path
) -> None:
    picture = Tiles(shared_data).before("test_2_0000_0000")
    brighter = np.roll(picture, _SHIFT_PX, axis=2).astype(np.float64) * 1.2
    later = np.clip(brighter, 0, 255).astype(np.uint8)
    images = image(tmp_path, "20260101", picture), image(tmp_path, "20260201", later)
    none, shift = Gains.none(3), ShiftField.constant(256, 256, _SHIFT_PX, 0)
    before, after = _maps(images, shift, Gains((1 / 1.2,) * 3, (0.0,) * 3), tmp_path / "matched")
    _, plain = _maps(images, None, none, tmp_path / "plain")
    assert np.abs(after - before).mean() < 3
    assert np.abs(plain - before).mean() > 15

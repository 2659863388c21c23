"""Change types of buildings, on drawn ground and on real houses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.windows import Window

from benchmarks.imagery.tiles import Sample, load
from satellite.compare.comparison import compare
from satellite.compare.comparison_request import ComparisonRequest, Source
from satellite.detection.classical import MEASURED_F1, ClassicalDetector
from satellite.errors import SatelliteError
from satellite.imagery.views import Change, Picture, Quality, Views
from satellite.vector.change_types import ChangeType, Ground, _grouped, _Outline
from tests.satellite.levir import Tiles, image
from tests.satellite.village import GRASS, SAND, Village, views, within

Box = tuple[float, float, float, float]  # left, top, right, bottom; metres

HOUSE: Box = (60, 75, 74, 87)
ANNEX: Box = (74, 76, 82, 86)
RESOLUTIONS = [0.5, 1.0, 2.0]


def village() -> Village:
    place = Village().cover((0, 0, 128, 40), GRASS).pave((0, 56, 128, 63))
    for x, y in ((15, 20), (40, 12), (90, 25), (110, 90), (20, 100)):
        place.tree(x, y)
    return place


def built(*houses: Box) -> Village:
    place = village()
    for left, top, right, bottom in houses:
        place.house(left, top, right - left, bottom - top)
    return place


def cleared(box: Box) -> Village:
    return village().cover(box, SAND)


def said(region: NDArray[np.bool_], *, gone: bool = False) -> Change:
    """The result of a perfect detector."""
    sure, nothing = region.astype(np.float32), np.zeros(region.shape, np.float32)
    return Change(nothing, sure) if gone else Change(sure, nothing)


@pytest.mark.parametrize("resolution_m", RESOLUTIONS)
@pytest.mark.parametrize(
    ("before", "after", "box", "change_type"),
    [
        pytest.param(village(), built(HOUSE), HOUSE, "new", id="alone"),
        pytest.param(
            built((96, 75, 110, 87)), built((96, 75, 110, 87), HOUSE), HOUSE, "new", id="neighbour"
        ),
        pytest.param(built(HOUSE), built(HOUSE, ANNEX), ANNEX, "extension", id="annex"),
        pytest.param(village(), built(HOUSE, ANNEX), ANNEX, "new", id="both new"),
        pytest.param(village(), cleared((40, 70, 90, 120)), (40, 70, 90, 120), "bare_ground"),
        pytest.param(
            built(HOUSE), cleared((20, 90, 90, 120)), (20, 90, 90, 120), "bare_ground", id="beside"
        ),
    ],
)
def test_change_types_of_what_appeared(
    before: Village, after: Village, box: Box, change_type: ChangeType, resolution_m: float
) -> None:
    pair = views(before.seen(resolution_m, 0), after.seen(resolution_m, 1), resolution_m)
    whole = within((60, 75, 82, 87), pair.before, resolution_m)
    region = within(box, pair.before, resolution_m)
    appeared = region | whole if change_type == "new" and box == ANNEX else region
    assert Ground(pair, said(appeared)).change_type_of(region) == change_type


@pytest.mark.parametrize("resolution_m", RESOLUTIONS)
def test_a_house_that_is_gone_is_a_demolition(resolution_m: float) -> None:
    pair = views(built(HOUSE).seen(resolution_m), village().seen(resolution_m, 1), resolution_m)
    change = ClassicalDetector()(pair)
    assert (
        Ground(pair, change).change_type_of(within(HOUSE, pair.before, resolution_m))
        == "demolition"
    )


def test_a_house_that_becomes_a_sandy_plot_is_a_demolition() -> None:
    pair = views(built(HOUSE).seen(), cleared((40, 66, 90, 120)).seen(seed=1))
    house = within(HOUSE, pair.before)
    assert Ground(pair, said(house, gone=True)).change_type_of(house) == "demolition"


def test_a_building_under_clouds_is_not_extended() -> None:
    pair = views(built(HOUSE).seen(), built(HOUSE, ANNEX).seen(seed=1))
    annex = within(ANNEX, pair.before)
    hidden = np.where(annex, Quality.CLEAR, Quality.CLOUD).astype(np.uint8)
    clouded = Views(pair.before, pair.after, hidden, pair.resolution_m)
    assert Ground(pair, said(annex)).change_type_of(annex) == "extension"
    assert Ground(clouded, said(annex)).change_type_of(annex) == "new"


@pytest.mark.parametrize("shape", [(256, 256), (255, 256)])
def test_a_region_must_fit_its_window(shape: tuple[int, int]) -> None:
    pair = views(village().seen(), village().seen(seed=1))
    nothing = np.zeros(shape, np.bool_)
    nothing[:, :200] = shape != (256, 256)
    with pytest.raises(SatelliteError, match="give the building's pixels on the window's grid"):
        Ground(pair, said(np.zeros((256, 256), np.bool_))).change_type_of(nothing)


def test_the_detectors_result_must_fit_the_pictures() -> None:
    pair = views(village().seen(), village().seen(seed=1))
    with pytest.raises(SatelliteError, match="another window"):
        Ground(pair, said(np.zeros((255, 256), np.bool_)))


_places = st.tuples(st.integers(0, 3000), st.integers(0, 3000), st.integers(40, 900))


@given(places=st.lists(_places, max_size=40))
def test_neighbouring_buildings_share_a_window(
    places: list[tuple[int, int, int]],
) -> None:
    outlines = {}
    for number, (x, y, side) in enumerate(places):
        polygon = shapely.box(x + side * 0.4, y + side * 0.4, x + side * 0.6, y + side * 0.6)
        window = Window(x, y, side, side)
        outlines[number] = _Outline(polygon, polygon.representative_point(), window)
    found = list(_grouped(outlines, 500.0))
    assert sorted(number for _, numbers in found for number in numbers) == sorted(outlines)
    for whole, numbers in found:
        windows = [outlines[number].window for number in numbers]
        assert whole.width * whole.height <= sum(each.width * each.height for each in windows)
        assert max(whole.width, whole.height) <= 1000
        for number in numbers:
            own = outlines[number]
            alone = own.region(own.window)
            assert alone.any()
            assert own.region(whole).sum() == alone.sum()


@dataclass(frozen=True, slots=True)
class House:
    """A real new house, and the same place with half of the house already standing before."""

    pair: Views
    change: Change
    region: NDArray[np.bool_]
    half: NDArray[np.bool_]
    half_before: Picture


def houses(sample: Sample) -> Iterator[House]:
    """Labelled houses of 75 m² or more that lie whole within a tile."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(sample.truth.astype(np.uint8))
    height, width = sample.truth.shape
    for number in range(1, count):
        x, y, wide, high, pixels = (int(value) for value in stats[number])
        if pixels < 300 or min(x, y) == 0 or x + wide >= width or y + high >= height:
            continue
        region = np.asarray(labels == number, np.bool_)
        half = region & _one_side(region)
        local_mean = cv2.dilate(half.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        replaced = local_mean & ~(region & ~half)
        before = np.where(replaced[..., None], sample.before, sample.after)
        yield House(sample.views(), said(sample.truth), region, half, before)


def _one_side(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """One side of the line that cuts a region's length in half."""
    places = np.argwhere(region)
    middle = places.mean(axis=0)
    along = np.linalg.svd(places - middle, full_matrices=False)[2][0]
    return np.asarray((np.moveaxis(np.indices(region.shape), 0, 2) - middle) @ along > 0, np.bool_)


@pytest.fixture(scope="module")
def real(shared_data: Path) -> list[House]:
    samples = load(shared_data / "satellite/levir")
    return [house for sample in samples for house in houses(sample)][::4]


def test_real_new_houses_are_new(real: list[House]) -> None:
    found = Counter(Ground(house.pair, house.change).change_type_of(house.region) for house in real)
    assert found["new"] >= 0.95 * len(real)


def test_the_other_half_of_a_real_house_extends_it(real: list[House]) -> None:
    found: Counter[str] = Counter()
    for house in real:
        pair = Views(house.half_before, house.pair.after, house.pair.quality, 0.5)
        found[Ground(pair, said(house.half)).change_type_of(house.half)] += 1
    assert found["extension"] >= 0.75 * len(real)


def compared(folder: Path, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> dict[str, Any]:
    """The figures of a comparison of two images on disk, without a network."""
    request = ComparisonRequest(
        Source(str(image(folder, "20250301", before))),
        Source(str(image(folder, "20260301", after))),
        detector="classical",
        align=False,
    )
    return compare(request, folder / "out").summary


def test_sites_have_change_types_and_swapped_dates_make_demolitions(
    shared_data: Path, tmp_path: Path
) -> None:
    tiles = Tiles(shared_data)
    before, after = tiles.before("test_2_0000_0000"), tiles.after("test_2_0000_0000")
    built = compared(tmp_path / "on", before, after)
    razed = compared(tmp_path / "back", after, before)
    assert (built["detector"], built["detector_f1"]) == ("classical", MEASURED_F1)
    assert built["area_m2"]["new"] > 5 * built["area_m2"].get("demolition", 0)
    assert razed["area_m2"]["demolition"] > 5 * razed["area_m2"].get("new", 0)

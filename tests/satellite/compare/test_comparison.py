"""Two real images, from the files to polygons: once, and again after a kill."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from satellite.compare import comparison as module
from satellite.compare.comparison import compare
from satellite.compare.comparison_request import Order, Source
from satellite.compare.tile_executor import TileWork, alone
from satellite.errors import SatelliteError
from satellite.vector.buildings import OutlineSettings
from tests.satellite.levir import Tiles, image

_NAMES = ("test_2_0000_0000", "train_36_0512_0512")


@pytest.fixture
def tiles(shared_data: Path) -> Tiles:
    return Tiles(shared_data)


@pytest.fixture
def order(tiles: Tiles, tmp_path: Path) -> Order:
    """Two tiles side by side, at two dates, aligned as they are."""
    before, after = tiles.beside(_NAMES)
    return Order(
        Source(str(image(tmp_path, "20250301", before))),
        Source(str(image(tmp_path, "20260301", after))),
        model=tiles.weights,
        align=False,
    )


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TILE_PX", 256)


class Counting:
    """A crew that notes which tiles it is given, and is killed after some of them."""

    def __init__(self, killed_after: int | None = None) -> None:
        self.given: list[str] = []
        self._left = killed_after

    def __call__(self, work: TileWork, names: Sequence[str]) -> Iterator[str]:
        for name in alone(work, names):
            self.given.append(name)
            yield name
            if self._left is not None and len(self.given) >= self._left:
                raise KeyboardInterrupt


def test_new_buildings_become_polygons_and_layers(
    order: Order, tiles: Tiles, tmp_path: Path
) -> None:
    stages: set[str] = set()
    order = replace(order, align=True)
    found = compare(order, tmp_path / "out", progress=lambda stage, _: stages.add(stage))
    label = np.concatenate([tiles.label(name) for name in _NAMES], axis=1)
    with rasterio.open(tmp_path / "out/probability.tif") as file:
        appeared = file.read(1) > 127
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    shared = np.count_nonzero(appeared & label)
    assert 2 * shared / (np.count_nonzero(appeared) + np.count_nonzero(label)) > 0.85
    inside = sum(site.building.area_m2 for site in found.sites if site.building.appeared)
    assert inside == pytest.approx(0.25 * np.count_nonzero(label), rel=0.15)
    assert {"alignment", "tiles", "outlines"} <= stages
    written = json.loads((tmp_path / "out/changes.geojson").read_text())
    assert len(written["features"]) == len(found.sites)
    summary = json.loads((tmp_path / "out/comparison.json").read_text())["summary"]
    assert summary["covered_km2"] == pytest.approx(256 * 512 * 0.25 / 1e6, rel=0.01)
    assert summary["detector_f1"] == 0.93


def test_what_was_killed_goes_on_and_no_tile_is_judged_twice(
    order: Order, tmp_path: Path, small_tiles: None
) -> None:
    killed, after, again = Counting(killed_after=1), Counting(), Counting()
    with pytest.raises(KeyboardInterrupt):
        compare(order, tmp_path / "out", crew=killed)
    found = compare(order, tmp_path / "out", crew=after)
    assert sorted(killed.given + after.given) == ["r0000c0000", "r0000c0001"]
    assert compare(order, tmp_path / "out", crew=again).sites == found.sites
    assert again.given == []


def test_another_comparison_is_not_mixed_in(
    order: Order, tmp_path: Path, small_tiles: None
) -> None:
    """Who asks for one is told; a periodic run begins what is not finished anew, and keeps the rest."""
    other, out = replace(order, masks=False), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        compare(order, out, crew=Counting(killed_after=1))
    with pytest.raises(SatelliteError, match="choose another folder"):
        compare(other, out)
    anew, kept = Counting(), Counting()
    found = compare(other, out, keep=True, crew=anew)
    assert anew.given == ["r0000c0000", "r0000c0001"]
    assert compare(order, out, keep=True, crew=kept).sites == found.sites
    assert kept.given == []
    wider = OutlineSettings(min_area_m2=100)
    large = compare(order, out, keep=True, settings=wider, crew=kept)
    assert 0 < len(large.sites) < len(found.sites)


def test_the_earlier_image_comes_first(order: Order, tmp_path: Path) -> None:
    with pytest.raises(SatelliteError, match="give the earlier image first"):
        compare(replace(order, before=order.after, after=order.before), tmp_path / "out")

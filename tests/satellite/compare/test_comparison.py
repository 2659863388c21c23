"""Comparison of two real images, from the files to polygons; also resumed after a kill."""

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
from satellite.compare.comparison_request import ComparisonRequest, Source
from satellite.compare.tile_executor import TileWork, serial_executor
from satellite.errors import SatelliteError
from satellite.vector.buildings import OutlineSettings
from tests.satellite.images import write
from tests.satellite.levir import Tiles, image

_NAMES = ("test_2_0000_0000", "train_36_0512_0512")


@pytest.fixture
def tiles(shared_data: Path) -> Tiles:
    return Tiles(shared_data)


@pytest.fixture
def comparison_request(tiles: Tiles, tmp_path: Path) -> ComparisonRequest:
    """Two tiles side by side, at two dates, aligned as they are."""
    before, after = tiles.beside(_NAMES)
    return ComparisonRequest(
        Source(str(image(tmp_path, "20250301", before))),
        Source(str(image(tmp_path, "20260301", after))),
        model=tiles.weights,
        align=False,
    )


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TILE_PX", 256)


class Counting:
    """An executor that notes the tiles it judges, and is killed after some of them."""

    def __init__(self, killed_after: int | None = None) -> None:
        self.given: list[str] = []
        self._left = killed_after

    def __call__(self, work: TileWork, names: Sequence[str]) -> Iterator[str]:
        for name in serial_executor(work, names):
            self.given.append(name)
            yield name
            if self._left is not None and len(self.given) >= self._left:
                raise KeyboardInterrupt


def test_new_buildings_become_polygons_and_layers(
    comparison_request: ComparisonRequest, tiles: Tiles, tmp_path: Path
) -> None:
    stages: set[str] = set()
    comparison_request = replace(comparison_request, align=True)
    found = compare(
        comparison_request, tmp_path / "out", progress=lambda stage, _: stages.add(stage)
    )
    label = np.concatenate([tiles.label(name) for name in _NAMES], axis=1)
    with rasterio.open(tmp_path / "out/probability.tif") as file:
        appeared = file.read(1) > 127
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    shared = np.count_nonzero(appeared & label)
    assert 2 * shared / (np.count_nonzero(appeared) + np.count_nonzero(label)) > 0.85
    inside = sum(site.building.area_m2 for site in found.sites if site.building.appeared)
    assert inside == pytest.approx(0.25 * np.count_nonzero(label), rel=0.15)
    assert {"alignment", "tiles", "outlines"} <= stages
    summary = json.loads((tmp_path / "out/comparison.json").read_text())["summary"]
    assert summary["covered_km2"] == pytest.approx(256 * 512 * 0.25 / 1e6, rel=0.01)
    assert summary["detector_f1"] == 0.93


def test_a_killed_comparison_resumes_and_no_tile_is_judged_twice(
    comparison_request: ComparisonRequest, tmp_path: Path, small_tiles: None
) -> None:
    killed, after, again = Counting(killed_after=1), Counting(), Counting()
    with pytest.raises(KeyboardInterrupt):
        compare(comparison_request, tmp_path / "out", executor=killed)
    found = compare(comparison_request, tmp_path / "out", executor=after)
    assert sorted(killed.given + after.given) == ["r0000c0000", "r0000c0001"]
    assert compare(comparison_request, tmp_path / "out", executor=again).sites == found.sites
    assert again.given == []


def test_another_comparison_is_not_mixed_in(
    comparison_request: ComparisonRequest, tmp_path: Path, small_tiles: None
) -> None:
    """A single comparison is refused; a periodic run replaces unfinished ones, and keeps others."""
    other, out = replace(comparison_request, masks=False), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        compare(comparison_request, out, executor=Counting(killed_after=1))
    with pytest.raises(SatelliteError, match="choose another folder"):
        compare(other, out)
    replaced, kept = Counting(), Counting()
    found = compare(other, out, keep=True, executor=replaced)
    assert replaced.given == ["r0000c0000", "r0000c0001"]
    assert compare(comparison_request, out, keep=True, executor=kept).sites == found.sites
    assert kept.given == []
    wider = OutlineSettings(min_area_m2=100)
    large = compare(comparison_request, out, keep=True, settings=wider, executor=kept)
    assert 0 < len(large.sites) < len(found.sites)


def test_images_in_the_wrong_order_are_refused(
    comparison_request: ComparisonRequest, tmp_path: Path
) -> None:
    with pytest.raises(SatelliteError, match="give the earlier image first"):
        compare(
            replace(
                comparison_request, before=comparison_request.after, after=comparison_request.before
            ),
            tmp_path / "out",
        )


@pytest.mark.parametrize("exchanged", [False, True])
def test_a_guessed_order_of_bands_gives_way_to_that_of_the_other_date(
    tiles: Tiles, tmp_path: Path, exchanged: bool
) -> None:
    before, after = tiles.beside(("train_386_0512_0768", "val_27_0000_0256"))
    order = [2, 1, 0] if exchanged else [0, 1, 2]
    known = image(tmp_path, "20250301", before)
    guessed = write(tmp_path / "aerial-20260301.tif", after[order].astype(np.uint16) * 37)
    for first, second in ((known, guessed), (guessed, known)):
        with ComparisonRequest(Source(str(first)), Source(str(second))).pair() as pair:
            scenes = {scene.name: scene.roles for scene in (pair.before, pair.after)}
        assert scenes[known.stem]["red"] == 1
        assert scenes[guessed.stem]["red"] == (3 if exchanged else 1)

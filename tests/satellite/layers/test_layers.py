from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import MaskFlags
from rasterio.windows import Window

from satellite.errors import SatelliteError
from satellite.imagery.grid import Grid, Tile
from satellite.imagery.views import Change, Picture, Quality
from satellite.layers.layers import Layers, Rasters
from tests.satellite.vector.shapes import grid_of, room_for

GRID = grid_of(700, 500)
SIDE = 256
MARGIN = 16


def tiles(grid: Grid = GRID) -> list[Tile]:
    return list(grid.tiles(SIDE, MARGIN))


def result(tile: Tile) -> tuple[Change, Picture]:
    """A detector's result for a tile, computed from grid positions so that seams would show."""
    rows, cols = np.mgrid[: tile.padded.height, : tile.padded.width]
    x, y = cols + tile.padded.col_off, rows + tile.padded.row_off
    appeared = ((x * 7 + y * 3) % 256 / 255).astype(np.float32)
    gone = ((x + 5 * y) % 256 / 255).astype(np.float32)
    quality = np.where((x // 50 + y // 50) % 4 == 0, Quality.CLOUD, Quality.CLEAR)
    return Change(appeared, gone), quality.astype(np.uint8)


def expected(window: Window = GRID.window) -> Rasters:
    change, quality = result(Tile(0, 0, window, window))
    return Rasters.of(change, quality)


def same(one: Rasters, other: Rasters) -> bool:
    return (
        np.array_equal(one.appeared, other.appeared)
        and np.array_equal(one.gone, other.gone)
        and np.array_equal(one.quality, other.quality)
    )


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    """Layers with all tiles written, before finishing."""
    made = Layers.create(tmp_path / "layers", GRID, SIDE)
    for tile in tiles():
        made.write(tile, *result(tile))
    return made


def test_tiles_are_written_without_their_margins(layers: Layers) -> None:
    assert layers.done() == {tile.name for tile in tiles()}
    assert same(layers.read(GRID.window), expected())


@pytest.mark.parametrize(
    "window",
    [
        Window(0, 0, 10, 10),
        Window(250, 250, 20, 20),
        Window(511, 3, 2, 400),
        Window(699, 499, 1, 1),
    ],
)
def test_any_window_can_be_read_before_and_after_finishing(layers: Layers, window: Window) -> None:
    assert same(layers.read(window), expected(window))
    layers.finish()
    assert same(layers.read(window), expected(window))


def test_pixels_beyond_the_grid_have_no_data(layers: Layers) -> None:
    for _ in range(2):
        found = layers.read(Window(-20, 490, 50, 30))
        assert same(found.read(Window(20, 0, 30, 10)), expected(Window(0, 490, 30, 10)))
        assert (found.quality[:, :20] == Quality.NODATA).all()
        assert (found.quality[10:] == Quality.NODATA).all()
        assert found.appeared[10:].max() == found.gone[:, :20].max() == 0
        assert (layers.read(Window(800, 800, 5, 5)).quality == Quality.NODATA).all()
        layers.finish()


def test_masked_pixels_have_no_change() -> None:
    ones = np.ones((4, 4), np.float32)
    quality = np.array([[int(value)] * 4 for value in list(Quality)[:4]], np.uint8)
    found = Rasters.of(Change(ones, ones), quality)
    assert found.appeared[0].tolist() == [255] * 4
    assert found.appeared[1:].max() == found.gone[1:].max() == 0


def test_finished_files_are_cloud_optimised(layers: Layers) -> None:
    layers.finish()
    with rasterio.open(layers.probability) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (file.crs, file.transform, file.shape) == (GRID.crs, GRID.transform, (500, 700))
        assert file.descriptions == ("appeared", "gone")
        assert file.scales == pytest.approx((1 / 255, 1 / 255))
        assert file.tags(2)["meaning"] == "probability = value / 255"
        assert file.overviews(1) == [2]
        assert file.block_shapes[0] == (512, 512)
        assert file.mask_flag_enums[0] == [MaskFlags.per_dataset]
        assert np.array_equal(file.read_masks(1) > 0, expected().quality == Quality.CLEAR)
    with rasterio.open(layers.quality) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.nodata == Quality.NODATA
        assert file.tags(1)["value_2"] == "cloud"
        colours = file.colormap(1)
        assert len({colours[int(value)][:3] for value in Quality}) == len(Quality)
        with rasterio.open(layers.quality, overview_level=0) as coarse:
            assert coarse.shape == (250, 350)
            assert set(np.unique(coarse.read(1))) == {Quality.CLEAR, Quality.CLOUD}


def test_finishing_removes_the_tiles(layers: Layers) -> None:
    layers.finish()
    assert sorted(path.name for path in layers.folder.iterdir()) == [
        "layers.json",
        "probability.tif",
        "quality.tif",
    ]
    made = layers.probability.stat().st_mtime_ns
    layers.finish()
    assert layers.probability.stat().st_mtime_ns == made
    assert layers.done() == {tile.name for tile in tiles()}


def test_missing_tiles_finish_as_no_data(tmp_path: Path) -> None:
    layers = Layers.create(tmp_path, GRID, SIDE)
    tile = tiles()[4]
    layers.write(tile, *result(tile))
    assert layers.done() == {tile.name}
    for _ in range(2):
        found = layers.read(GRID.window)
        assert (found.quality[:SIDE] == Quality.NODATA).all()
        assert same(layers.read(tile.core), expected(tile.core))
        layers.finish()
    with rasterio.open(layers.probability) as file:
        assert file.read_masks(1)[:SIDE].max() == 0


def test_a_comparison_without_tiles_finishes_as_no_data(tmp_path: Path) -> None:
    layers = Layers.create(tmp_path, GRID, SIDE)
    layers.finish()
    assert (layers.read(GRID.window).quality == Quality.NODATA).all()


def test_a_comparison_is_resumed(tmp_path: Path) -> None:
    first = Layers.create(tmp_path, GRID, SIDE)
    for tile in tiles()[:3]:
        first.write(tile, *result(tile))
    (tmp_path / "tiles" / "r0001c0001.tif.partial-1234567").write_bytes(b"half a tile")
    again = Layers.create(tmp_path, GRID, SIDE)
    left = [tile for tile in tiles() if tile.name not in again.done()]
    assert len(left) == len(tiles()) - 3
    for tile in left:
        again.write(tile, *result(tile))
    again.finish()
    assert same(Layers.open(tmp_path).read(GRID.window), expected())


KILLED = """
import sys
from pathlib import Path
from satellite.layers.layers import Layers
from tests.satellite.layers.test_layers import GRID, SIDE, result, tiles
layers = Layers.create(Path(sys.argv[1]), GRID, SIDE)
for tile in tiles():
    layers.write(tile, *result(tile))
    print(tile.name, flush=True)
"""


def test_a_killed_process_keeps_its_written_tiles(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    reported = [process.stdout.readline().strip() for _ in range(3)]
    process.kill()
    reported += process.communicate()[0].split()
    layers = Layers.open(tmp_path)
    assert set(reported) <= layers.done()
    for tile in tiles():
        if tile.name in layers.done():
            assert same(layers.read(tile.core), expected(tile.core))


def noise(tile: Tile) -> tuple[Change, Picture]:
    """A result that hardly compresses."""
    shape = (tile.padded.height, tile.padded.width)
    random = np.random.default_rng(tile.row * 10 + tile.col).random(shape).astype(np.float32)
    return Change(random, random), np.zeros(shape, np.uint8)


def test_a_full_disk_while_writing_keeps_earlier_tiles(tmp_path: Path) -> None:
    layers = Layers.create(tmp_path, GRID, SIDE)
    first, second = tiles()[:2]
    layers.write(first, *noise(first))
    before = layers.read(first.core)
    with room_for(10_000), pytest.raises(SatelliteError, match=r"full.*what was done is kept"):
        layers.write(second, *noise(second))
    assert layers.done() == {first.name}
    assert same(layers.read(first.core), before)
    assert [path.name for path in (tmp_path / "tiles").iterdir()] == [f"{first.name}.tif"]
    layers.write(second, *noise(second))
    assert layers.done() == {first.name, second.name}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_full_disk_while_finishing_keeps_the_tiles(tmp_path: Path, share: float) -> None:
    layers = Layers.create(tmp_path / "full", GRID, SIDE)
    other = Layers.create(tmp_path / "other", GRID, SIDE)
    for tile in tiles():
        layers.write(tile, *noise(tile))
        other.write(tile, *noise(tile))
    before = layers.read(GRID.window)
    other.finish()
    size = other.probability.stat().st_size
    with room_for(int(share * size)), pytest.raises(SatelliteError, match="what was done is kept"):
        layers.finish()
    assert not layers.finished
    assert sorted(path.name for path in layers.folder.iterdir()) == ["layers.json", "tiles"]
    layers.finish()
    assert same(layers.read(GRID.window), before)


def test_a_folder_of_another_grid_is_refused(tmp_path: Path) -> None:
    Layers.create(tmp_path, GRID, SIDE)
    for grid, side in ((grid_of(700, 501), SIDE), (grid_of(700, 500, 1.0), SIDE), (GRID, 512)):
        with pytest.raises(SatelliteError, match="holds a comparison on another grid"):
            Layers.create(tmp_path, grid, side)


def test_a_folder_without_a_comparison_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SatelliteError, match="there is no comparison here"):
        Layers.open(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"crs": "no such thing"}', "{}"])
def test_a_damaged_description_is_reported(tmp_path: Path, text: str) -> None:
    Layers.create(tmp_path, GRID, SIDE)
    if text.startswith('{"crs"'):
        said = json.loads((tmp_path / "layers.json").read_text())
        text = json.dumps(said | json.loads(text))
    (tmp_path / "layers.json").write_text(text)
    with pytest.raises(SatelliteError, match="is damaged"):
        Layers.open(tmp_path)


def test_a_damaged_tile_is_reported(layers: Layers) -> None:
    path = layers.folder / "tiles" / "r0000c0000.tif"
    os.truncate(path, 300)
    with pytest.raises(SatelliteError, match="is damaged"):
        layers.read(Window(0, 0, 100, 100))
    with pytest.raises(SatelliteError, match="could not be written"):
        layers.finish()


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SatelliteError, match="cannot be written"):
        Layers.create(tmp_path / "file" / "layers", GRID, SIDE)


def test_arrays_of_another_tile_are_refused(tmp_path: Path) -> None:
    layers = Layers.create(tmp_path, GRID, SIDE)
    other = next(GRID.tiles(512, MARGIN))
    with pytest.raises(ValueError, match="is not of these layers"):
        layers.write(list(GRID.tiles(512, MARGIN))[1], *result(other))

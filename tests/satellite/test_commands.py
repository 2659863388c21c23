"""The group ``satellite`` at the terminal: what it prints, and how it refuses bad input."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.warp import Resampling, reproject

import cli
from cv_engine.cases import open_queue
from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import run
from cv_engine.evidence.verify import verify
from satellite.commands import read_roles
from tests.satellite.images import HALF_METRE, write
from tests.satellite.levir import Tiles
from tests.satellite.registration.scenes_with_clouds import overcast

_NAMES = ("test_121_0768_0256", "train_386_0512_0768")
_OTHER = ("val_27_0000_0256", "train_36_0512_0512")
_BLOCKS: dict[str, Any] = {"tiled": True, "blockxsize": 256, "blockysize": 256}
Picture = NDArray[np.uint8]


@pytest.fixture
def tiles(shared_data: Path) -> Tiles:
    return Tiles(shared_data)


@pytest.fixture
def folder(tiles: Tiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an image of January, and a configuration."""
    write(tmp_path / "a-20260101.tif", tiles.beside(_NAMES)[0], **_BLOCKS)
    (tmp_path / "my.yaml").write_text(
        f"satellite: {{model: {tiles.weights}, workers: 1, "
        "areas: [{name: west, images: images}]}\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _diff(*more: str) -> int:
    return run(cli.app, ["satellite", "diff", *more, "--config", "my.yaml", "--out", "out"])


def _said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def _elsewhere(tiles: Tiles, path: Path) -> None:
    away = Affine(0.5, 0, 510_000, 0, -0.5, 3_300_000)
    write(path, tiles.beside(_NAMES)[1], transform=away, **_BLOCKS)


def _other_ground(tiles: Tiles, path: Path) -> None:
    write(path, tiles.beside(_OTHER)[1], **_BLOCKS)


def _nowhere(tiles: Tiles, path: Path) -> None:
    write(path, tiles.beside(_NAMES)[1], crs=None, **_BLOCKS)


def _two_bands(tiles: Tiles, path: Path) -> None:
    write(path, tiles.beside(_NAMES)[1][:2], **_BLOCKS)


def _bomb(tiles: Tiles, path: Path) -> None:
    """Claims a huge number of pixels and contains none."""
    size = {"width": 300_000, "height": 300_000, "count": 3, "dtype": "uint8"}
    layout = {"tiled": True, "blockxsize": 16_384, "blockysize": 16_384, "sparse_ok": True}
    place = {"crs": "EPSG:32650", "transform": HALF_METRE}
    with rasterio.open(path, "w", driver="GTiff", bigtiff="yes", **size, **layout, **place):
        pass


def _cut_short(tiles: Tiles, path: Path) -> None:
    write(path, tiles.beside(_NAMES)[1], compress="deflate", **_BLOCKS)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _all_cloud(tiles: Tiles, path: Path) -> None:
    picture = np.ascontiguousarray(np.moveaxis(tiles.beside(_NAMES)[1], 0, 2))
    hidden = overcast(picture, 0.5, [(64.0, 64.0, 2000.0)]).picture
    write(path, np.ascontiguousarray(np.moveaxis(hidden, 2, 0)), **_BLOCKS)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_elsewhere, "a-20260101 and b-20260301 do not overlap: they lie 9.7 km apart"),
        (_other_ground, "a-20260101, b-20260301: the two images do not show the same ground"),
        (_nowhere, "b-20260301.tif: it has no coordinate reference system"),
        (_two_bands, "b-20260301.tif: it has 2 bands and does not say which of them show red"),
        (_bomb, "b-20260301.tif: it claims 300000 x 300000 pixels"),
        (_cut_short, "b-20260301.tif: it cannot be read"),
        (_all_cloud, "under cloud"),
    ],
)
def test_an_image_that_cannot_be_used(
    folder: Path,
    tiles: Tiles,
    make: Callable[[Tiles, Path], None],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(tiles, folder / "b-20260301.tif")
    assert _diff("a-20260101.tif", "b-20260301.tif") == 2
    assert words in _said(capsys)


def test_an_image_without_a_date_names_the_option_of_its_date(
    folder: Path, tiles: Tiles, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder / "undated.tif", tiles.beside(_NAMES)[1], **_BLOCKS)
    assert _diff("a-20260101.tif", "undated.tif") == 2
    words = "give --after-date 2026-05-01, or write the date into its name as YYYYMMDD"
    assert words in _said(capsys)
    assert _diff("undated.tif", "a-20260101.tif") == 2
    assert "--before-date" in _said(capsys)
    assert _diff("undated.tif", "undated.tif") == 2
    assert "give --before-date 2025-05-01 and --after-date 2026-05-01" in _said(capsys)


def test_an_image_under_too_much_cloud_is_refused(
    folder: Path, tiles: Tiles, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = np.ascontiguousarray(np.moveaxis(tiles.beside(_NAMES)[1], 0, 2))
    hidden = overcast(picture, 0.5, [(60.0, 64.0, 200.0), (180.0, 64.0, 90.0)]).picture
    write(folder / "b-20260301.tif", np.ascontiguousarray(np.moveaxis(hidden, 2, 0)), **_BLOCKS)
    (folder / "my.yaml").write_text("satellite: {max_cloud: 0.4, workers: 1, detector: classical}")
    assert _diff("a-20260101.tif", "b-20260301.tif", "--no-align") == 2
    said = _said(capsys)
    assert "b-20260301: " in said
    assert "of it is under cloud, more than the 40% that are allowed" in said
    assert "satellite.max_cloud" in said


_ACROSS = [[179.9, 10], [-179.9, 10], [-179.9, 11], [179.9, 11], [179.9, 10]]
_METRES = [[500000, 3299000], [500100, 3299000], [500100, 3299100], [500000, 3299000]]


@pytest.mark.parametrize(
    ("ring", "crs", "words"),
    [
        (_ACROSS, None, "around the world; where it crosses the antimeridian, cut it there"),
        (_METRES, None, "is no place on Earth"),
        (_METRES, "urn:ogc:def:crs:EPSG::32650", "export it in WGS 84"),
    ],
)
def test_records_that_cannot_be_used(
    folder: Path,
    tiles: Tiles,
    ring: list[list[float]],
    crs: str | None,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(folder / "b-20260301.tif", tiles.beside(_NAMES)[1], **_BLOCKS)
    geometry = {"type": "Polygon", "coordinates": [ring]}
    properties = {"permit": "2026-0117", "valid_from": "2026-01-01"}
    feature = {"type": "Feature", "properties": properties, "geometry": geometry}
    land: dict[str, object] = {"type": "FeatureCollection", "features": [feature]}
    if crs is not None:
        land["crs"] = {"type": "name", "properties": {"name": crs}}
    (folder / "permits.geojson").write_text(json.dumps(land))
    assert _diff("a-20260101.tif", "b-20260301.tif", "--land", "permits.geojson") == 2
    said = _said(capsys)
    assert words in said
    assert "permits.geojson:1" in said


def test_without_a_network_in_the_cache_the_message_says_how_to_get_one(
    folder: Path,
    tiles: Tiles,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing answers there
    (folder / "my.yaml").write_text("satellite: {workers: 1}\n")
    write(folder / "b-20260301.tif", tiles.beside(_NAMES)[1], **_BLOCKS)
    assert _diff("a-20260101.tif", "b-20260301.tif") == 1
    said = _said(capsys)
    assert "'tinycd' cannot be downloaded" in said
    assert "run `cv-engine models pull tinycd` on one that has it" in said
    assert f"copy the files to {folder / 'cache'}" in said.replace(" /", " /")
    assert "--detector classical" in said
    assert "--model FILE" in said


@pytest.mark.parametrize("command", ["diff", "run"])
def test_permits_of_another_city_are_refused(
    folder: Path, tiles: Tiles, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "images").mkdir()
    write(folder / "images/b-20260301.tif", tiles.beside(_NAMES)[1], **_BLOCKS)
    (folder / "a-20260101.tif").rename(folder / "images/a-20260101.tif")
    ring = [[121.47, 31.23], [121.48, 31.23], [121.48, 31.24], [121.47, 31.23]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    properties = {"permit": "2026-0117", "valid_from": "2026-01-01"}
    feature = {"type": "Feature", "properties": properties, "geometry": geometry}
    land = {"type": "FeatureCollection", "features": [feature]}
    (folder / "permits.geojson").write_text(json.dumps(land))
    (folder / "my.yaml").write_text(
        "satellite: {areas: [{name: west, images: images, land: [permits.geojson]}]}\n"
    )
    if command == "diff":
        images = ("images/a-20260101.tif", "images/b-20260301.tif")
        assert _diff(*images, "--land", "permits.geojson") == 2
    else:
        assert run(cli.app, ["satellite", "run", "--config", "my.yaml", "--data", "data"]) == 2
    said = _said(capsys)
    assert "permits.geojson: its records (longitude 121.4700 to 121.4800" in said
    assert "so none of them applies" in said


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("gone.tif",), "gone.tif: there is no such file or folder"),
        (("a-20260101.tif",), "give the earlier image first"),
        (("a-20260101.tif", "--after-date", "yesterday"), "--after-date yesterday: not a date"),
        (("a-20260101.tif", "--roles", "red=0"), "--roles red=0: write bands"),
        (("a-20260101.tif", "--detector", "magic"), "--detector magic: write one of"),
    ],
)
def test_arguments_that_cannot_be_used(
    folder: Path, more: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _diff("a-20260101.tif", *more) == 2
    assert words in _said(capsys)


def test_bands_are_read() -> None:
    assert read_roles("red=3, green=2,blue=1") == (("red", 3), ("green", 2), ("blue", 1))
    assert read_roles(None) == ()
    with pytest.raises(InputError, match="known: red, green, blue, nir, swir"):
        read_roles("infrared=4")


def test_a_missing_tile_is_reported_and_not_compared(
    folder: Path, tiles: Tiles, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tiles.beside(_NAMES)[1]
    (folder / "b-20260301").mkdir()
    for col in range(4):
        for row in range(2):
            part = np.ascontiguousarray(picture[:, row * 128 :, col * 128 :][:, :128, :128])
            place = HALF_METRE @ Affine.translation(col * 128, row * 128)
            if (col, row) != (1, 0):
                write(folder / f"b-20260301/{col}{row}.tif", part, transform=place)
    more = ("--no-align", "--detector", "network")
    assert _diff("a-20260101.tif", "b-20260301", *more) == 0
    said = _said(capsys)
    assert said.count("tiles are missing") == 1
    missing = json.loads((folder / "out/not_compared.geojson").read_text())["features"]
    nodata = [each["properties"] for each in missing if each["properties"]["reason"] == "nodata"]
    assert 64 * 64 <= sum(each["area_m2"] for each in nodata) < 1.2 * 64 * 64  # in cells of 5 m
    page = (folder / "out/report.html").read_text()
    assert "no data 0.005 km²" in page


def test_other_coordinates_across_the_antimeridian(
    folder: Path, tiles: Tiles, capsys: pytest.CaptureFixture[str]
) -> None:
    """One image in the zone west of the antimeridian, the other in that east of it."""
    before, after = tiles.beside(_NAMES)
    x, y = Transformer.from_crs(4326, 32660, always_xy=True).transform(180.0, 30.0)
    west = Affine(0.5, 0, x - 40, 0, -0.5, y + 64)  # the large building lies around x
    write(folder / "a-20260101.tif", before, crs="EPSG:32660", transform=west, **_BLOCKS)
    x, y = Transformer.from_crs(4326, 32601, always_xy=True).transform(180.0, 30.0)
    east = Affine(0.5, 0, x - 60, 0, -0.5, y + 84)
    moved = np.zeros((3, 360, 620), np.uint8)
    places = {"src_transform": west, "src_crs": "EPSG:32660"}
    places |= {"dst_transform": east, "dst_crs": "EPSG:32601"}
    reproject(after, moved, resampling=Resampling.bilinear, **places)
    path = folder / "b-20260301.tif"
    write(path, moved, crs="EPSG:32601", transform=east, nodata=0, **_BLOCKS)
    assert _diff("a-20260101.tif", "b-20260301.tif", "--format", "jsonl") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    largest = max(rows, key=lambda row: row["area_m2"])
    assert largest["area_m2"] == pytest.approx(1100, rel=0.15)
    assert abs(abs(largest["longitude"]) - 180) < 0.001
    written = json.loads((folder / "out/changes.geojson").read_text())["features"]
    shape = max(written, key=lambda each: each["properties"]["area_m2"])["geometry"]
    assert shape["type"] == "MultiPolygon", "cut at the antimeridian"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of its own, too small at first."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("making a small disk takes root")
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=340k", "none", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not allow mounting a tmpfs")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.mark.slow
def test_a_full_disk_loses_nothing(
    folder: Path, tiles: Tiles, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Room for less than a tile, than a case's evidence, than the report; then for all."""
    (folder / "images").mkdir()
    (folder / "a-20260101.tif").rename(folder / "images/a-20260101.tif")
    write(folder / "images/b-20260301.tif", tiles.beside(_NAMES)[1], **_BLOCKS)
    arguments = ["satellite", "run", "--config", "my.yaml", "--data", str(disk / "data")]
    refused = 0
    for size_kb in (340, 700, 2000, 5000, 9000, 64000):
        subprocess.run(["mount", "-o", f"remount,size={size_kb}k", str(disk)], check=True)
        code = run(cli.app, arguments)
        said = _said(capsys)
        if code == 0:
            break
        assert code == 1, said
        assert "disk is full" in said or "cannot be written" in said
        refused += 1
    assert refused >= 3
    with open_queue(disk / "data/queue.db") as queue:
        cases = list(queue.cases())
        assert cases
        for case in cases:
            for name in queue.evidence(case.id):
                assert verify(disk / "data/evidence" / name) == []
    assert not list(disk.rglob("*.part*"))


def test_an_area_that_fails_does_not_stop_the_others(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "images").mkdir()
    (folder / "one").mkdir()
    (folder / "a-20260101.tif").rename(folder / "one/a-20260101.tif")
    write(folder / "images/aerial.tif", np.zeros((3, 256, 256), np.uint8))
    (folder / "my.yaml").write_text(
        "satellite: {areas: [{name: west, images: images}, {name: east, images: one}]}\n"
    )
    assert run(cli.app, ["satellite", "run", "--config", "my.yaml", "--data", "data"]) == 1
    out, err = capsys.readouterr()
    assert "west:" in err
    assert "does not say when it was taken" in " ".join(err.split())
    assert "east: only one image" in out


@pytest.mark.parametrize(
    ("area", "words"),
    [
        ("north", "there is no area 'north'; there are: west"),
        ("west", "images: cannot be read"),
    ],
)
def test_areas_that_cannot_be_run(
    folder: Path, area: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(cli.app, ["satellite", "run", area, "--config", "my.yaml", "--data", "data"]) == 2
    assert words in _said(capsys)

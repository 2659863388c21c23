from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from structlog.testing import capture_logs

from satellite.errors import SatelliteError
from satellite.imagery.scene import open_scene
from satellite.imagery.stac import is_item
from tests.satellite.images import HALF_METRE, served, texture, write

_TIFF = "image/tiff; application=geotiff; profile=cloud-optimized"


def _item(folder: Path, assets: dict[str, dict[str, Any]], **properties: Any) -> Path:
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "S2A_51RUN_20240517",
        "geometry": None,
        "properties": {"datetime": "2024-05-17T02:33:10.5Z"} | properties,
        "links": [],
        "assets": assets,
    }
    path = folder / "item.json"
    path.write_text(json.dumps(item))
    return path


def _band(folder: Path, name: str, values: Any, scale: float = 1, **options: Any) -> dict[str, Any]:
    transform = HALF_METRE @ Affine.scale(scale)
    write(folder / f"{name}.tif", values[None], transform=transform, **options)
    return {"href": f"./{name}.tif", "type": _TIFF, "roles": ["data"]}


def test_bands_in_separate_files_are_stacked(tmp_path: Path) -> None:
    values = texture(40, 40, bands=5).astype(np.uint16) * 40
    names = ("B08", "B04", "B03", "B02")
    common = ("nir", "red", "green", "blue")
    assets = {
        name: _band(tmp_path, name, plane, nodata=0) | {"eo:bands": [{"common_name": role}]}
        for name, role, plane in zip(names, common, values, strict=False)
    }
    assets["swir16"] = _band(tmp_path, "B11", values[4, :20, :20], scale=2)
    assets["thumbnail"] = {"href": "./t.png", "type": "image/png", "roles": ["thumbnail"]}
    assets["visual"] = {"href": "./none.tif", "type": _TIFF, "roles": ["visual"]}
    item = _item(tmp_path, assets)
    with open_scene(item) as scene:
        assert scene.name == "S2A_51RUN_20240517"
        assert scene.acquired is not None
        assert scene.acquired.isoformat() == "2024-05-17T02:33:10.500000+00:00"
        assert set(scene.roles) == {"red", "green", "blue", "nir", "swir"}
        found, valid = scene.read(
            scene.native, scene.native.window, ["nir", "red", "green", "blue"]
        )
        swir, _ = scene.read(scene.native, scene.native.window, ["swir"])
    assert valid.all()
    assert np.array_equal(found, values[:4])
    assert np.array_equal(swir[0], np.kron(values[4, :20, :20], np.ones((2, 2))))
    with open_scene(item, nodata=int(values[0, 0, 0])) as scene:
        valid = scene.read(scene.native, scene.native.window, ["nir"])[1]
        first = scene.fingerprint()
    assert np.array_equal(valid, values[0] != values[0, 0, 0])
    _band(tmp_path, "B04", values[2], nodata=0)
    with open_scene(item, nodata=int(values[0, 0, 0])) as scene:
        assert scene.fingerprint() != first


def test_one_file_with_all_bands_is_used(tmp_path: Path) -> None:
    values = texture(20, 20, bands=4).astype(np.uint16)
    write(tmp_path / "analytic.tif", values)
    names = [{"eo:common_name": name} for name in ("blue", "green", "red", "nir")]
    assets = {"analytic": {"href": "./analytic.tif", "type": _TIFF, "bands": names}}
    with capture_logs() as log, open_scene(_item(tmp_path, assets)) as scene:
        assert scene.roles == {"red": 3, "green": 2, "blue": 1, "nir": 4}
        found, _ = scene.read(scene.native, scene.native.window, ["red"])
    assert np.array_equal(found[0], values[2])
    assert log == []


def test_the_visual_asset_is_used_without_bands(tmp_path: Path) -> None:
    values = texture(20, 20)
    write(tmp_path / "visual.tif", values)
    assets = {
        "visual": {"href": "./visual.tif", "type": _TIFF, "roles": ["visual"]},
        "scl": {"href": "./scl.tif", "type": _TIFF, "roles": ["data"]},
    }
    item = _item(
        tmp_path,
        assets,
        datetime=None,
        start_datetime="2024-05-17T00:00:00Z",
        end_datetime="2024-05-19T00:00:00Z",
    )
    with open_scene(item, nodata=255) as scene:
        picture, valid = scene.picture(scene.native, scene.native.window)
        assert scene.acquired is not None
        assert scene.acquired.day == 18
    assert valid.all()
    assert np.array_equal(picture, np.moveaxis(values, 0, 2))


def test_an_item_is_read_over_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    values = texture(40, 40)
    assets = {
        name: _band(tmp_path, name, plane)
        for name, plane in zip(("red", "green", "blue"), values, strict=True)
    }
    _item(tmp_path, assets)
    with served(tmp_path) as server:
        with open_scene(f"{server.address}/item.json") as scene:
            picture, _ = scene.picture(scene.native, scene.native.window)
        assert set(server.asked) == {"item.json", "red.tif", "green.tif", "blue.tif"}
        with pytest.raises(SatelliteError, match="cannot be read: HTTP Error 404"):
            open_scene(f"{server.address}/other.json")
    assert np.array_equal(picture, np.moveaxis(values, 0, 2))


def test_bands_that_do_not_match_are_refused_or_ignored(tmp_path: Path) -> None:
    values = texture(40, 40)
    assets = {
        "red": _band(tmp_path, "red", values[0]),
        "green": _band(tmp_path, "green", values[1]),
        "blue": _band(tmp_path, "blue", values[2]),
        "nir": _band(tmp_path, "nir", values[0], scale=3),
    }
    with capture_logs() as log, open_scene(_item(tmp_path, assets)) as scene:
        assert not scene.has_nir
    assert log[0]["band"] == "nir"
    assets["blue"] = _band(tmp_path, "blue", values[2], scale=3)
    with pytest.raises(SatelliteError, match="bands red and blue differ in place"):
        open_scene(_item(tmp_path, assets))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no STAC item"),
        ("[1]", "no STAC item"),
        ('{"type": "FeatureCollection", "features": []}', "no STAC item"),
        ('{"type": "Feature", "properties": {}, "geometry": null}', "no STAC item"),
    ],
)
def test_invalid_items_are_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "item.json"
    path.write_text(text)
    with pytest.raises(SatelliteError, match=r"item\.json: .*" + says):
        open_scene(path)


def test_items_without_an_image_are_refused(tmp_path: Path) -> None:
    assets = {"thumbnail": {"href": "./t.png", "type": "image/png", "roles": ["thumbnail"]}}
    with pytest.raises(SatelliteError, match="none of its assets show red, green and blue"):
        open_scene(_item(tmp_path, assets))
    gone = {"visual": {"href": "./gone.tif", "type": _TIFF}}
    with pytest.raises(SatelliteError, match=r"gone\.tif"):
        open_scene(_item(tmp_path, gone))


def test_a_missing_pystac_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pystac", None)
    with pytest.raises(SatelliteError, match="pip install pystac"):
        open_scene(_item(tmp_path, {}))


@pytest.mark.parametrize(
    ("source", "item"),
    [
        ("a/item.json", True),
        ("https://host/collections/s2/items/S2A_51RUN", True),
        ("https://host/items/red.tif", False),
        ("https://host/a.json?token=b.tif", True),
        ("items/a.tif", False),
    ],
)
def test_items_are_recognised_by_their_names(source: str, item: bool) -> None:
    assert is_item(source) is item

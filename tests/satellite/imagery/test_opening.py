"""Images over the network: from a server on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.windows import Window

from satellite.errors import SatelliteError
from satellite.imagery.scene import open_scene
from tests.satellite.images import served, texture, write


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_only_the_needed_part_is_downloaded(tmp_path: Path) -> None:
    values = texture(2048, 2048)
    path = write(tmp_path / "gf_20240517.tif", values, driver="COG", blocksize=256)
    with served(tmp_path) as server:
        with open_scene(f"{server.address}/gf_20240517.tif?sig=1") as scene:
            picture, valid = scene.picture(scene.native, Window(300, 300, 100, 100))
            assert scene.name == "gf_20240517"
            assert scene.acquired is not None
        assert set(server.asked) == {"gf_20240517.tif"}  # no listings, no side files
        assert server.sent < path.stat().st_size / 3
    assert valid.all()
    assert np.array_equal(picture, np.moveaxis(values, 0, 2)[300:400, 300:400])


def test_a_missing_file_on_the_server_is_reported(tmp_path: Path) -> None:
    with served(tmp_path) as server, pytest.raises(SatelliteError, match=r"b\.tif: .*404"):
        open_scene(f"{server.address}/b.tif")


def test_a_damaged_file_on_the_server_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", texture(600, 600), driver="COG", blocksize=256)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(content)
    with served(tmp_path) as server, open_scene(f"{server.address}/a.tif") as scene:  # noqa: SIM117
        with pytest.raises(SatelliteError, match=r"a\.tif: it cannot be read: .*again"):
            scene.picture(scene.native, scene.native.window)


def test_a_missing_server_is_reported() -> None:
    with pytest.raises(SatelliteError, match="check the address"):
        open_scene("http://127.0.0.1:1/a.tif")


@pytest.mark.parametrize("source", ["nothing.json", "no/such/folder"])
def test_a_missing_path_is_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(SatelliteError, match="there is no such file or folder; check the path"):
        open_scene(tmp_path / source)


@pytest.mark.parametrize(
    ("driver", "suffix", "options"),
    [
        ("GTiff", "tif", {}),
        ("COG", "tif", {}),
        ("HFA", "img", {}),
        ("JP2OpenJPEG", "jp2", {"QUALITY": 100, "REVERSIBLE": "YES"}),
    ],
)
def test_common_formats_are_read(
    tmp_path: Path, driver: str, suffix: str, options: dict[str, Any]
) -> None:
    values = texture(64, 64)
    path = write(tmp_path / f"a.{suffix}", values, driver=driver, **options)
    with open_scene(path, roles={"red": 1, "green": 2, "blue": 3}) as scene:
        picture, valid = scene.picture(scene.native, scene.native.window)
    assert valid.all()
    assert np.array_equal(picture, np.moveaxis(values, 0, 2))

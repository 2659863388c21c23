"""Addresses in STAC items, and items that are made to take long."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

import cli
from cv_engine.commands.exit_codes import run
from satellite.errors import SatelliteError
from satellite.imagery import stac
from satellite.imagery.scene import open_scene
from satellite.imagery.stac import read_item
from tests.satellite.images import served, texture, write


def _item(path: Path, href: str = "", **more: Any) -> Path:
    assets = {"visual": {"href": href, "type": "image/tiff"}}
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "S2A",
        "geometry": None,
    }
    item |= {"properties": {"datetime": "2024-05-17T02:33:10Z"}, "links": [], "assets": assets}
    path.write_text(json.dumps(item | more))
    return path


@pytest.mark.parametrize(
    "form", ["file://{folder}/a%20b/%E5%9B%BE.tif", "file://localhost{folder}/a%20b/%E5%9B%BE.tif"]
)
@pytest.mark.parametrize("relative", [False, True])
def test_file_urls_are_decoded(tmp_path: Path, form: str, relative: bool) -> None:
    (tmp_path / "a b").mkdir()
    values = texture(20, 20)
    write(tmp_path / "a b" / "图.tif", values)
    href = "./a%20b/%E5%9B%BE.tif" if relative else form.format(folder=tmp_path)
    item = _item(tmp_path / "item.json", href)
    for source in (item, form.format(folder=tmp_path), f"file://{item}"):
        with open_scene(source) as scene:
            picture, _ = scene.picture(scene.native, scene.native.window)
        assert np.array_equal(picture, np.moveaxis(values, 0, 2))


def test_a_path_that_is_no_url_is_used_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "100%25 b.tif", texture(20, 20))
    with open_scene(_item(tmp_path / "item.json", "./100%25 b.tif")) as scene:
        assert scene.width == 20


def test_a_file_on_another_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SatelliteError, match="a file on the machine fileserver"):
        open_scene(_item(tmp_path / "item.json", "file://fileserver/a.tif"))


@pytest.mark.parametrize("scheme", ["http", "vsicurl"])
def test_images_elsewhere_are_fetched_only_with_consent(
    tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    write(tmp_path / "a.tif", texture(20, 20))
    with served(tmp_path) as server:
        prefix = "/vsicurl/" if scheme == "vsicurl" else ""
        item = _item(tmp_path / "item.json", f"{prefix}{server.address}/a.tif?token=secret")
        with pytest.raises(
            SatelliteError, match=r"--allow-remote, satellite\.allow_remote"
        ) as caught:
            open_scene(item)
        assert "secret" not in str(caught.value)
        assert server.asked == []
        if scheme == "http":
            with open_scene(item, allow_remote=True) as scene:
                assert scene.width == 20
            assert "a.tif" in server.asked


def test_consent_is_asked_for_at_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    item = _item(tmp_path / "item.json", "http://127.0.0.1:9/a.tif")
    arguments = ["satellite", "diff", str(item), str(item)]
    assert run(cli.app, arguments) == 2
    assert "--allow-remote" in capsys.readouterr().err
    assert run(cli.app, [*arguments, "--allow-remote"]) == 2
    assert "cannot be opened as an image" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("href", ["file:///etc/a.tif", "/vsizip//etc/a.zip"])
def test_an_item_elsewhere_names_no_file_here(
    tmp_path: Path, href: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    _item(tmp_path / "item.json", href)
    with (
        served(tmp_path) as server,
        pytest.raises(SatelliteError, match="names a file on this machine"),
    ):
        open_scene(f"{server.address}/item.json")


@contextmanager
def _dripping() -> Iterator[str]:
    """A server that sends a byte now and then, for ever."""
    done = Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
                while not done.wait(0.02):
                    client.sendall(b" ")

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/item.json"
        done.set()
        thread.join()


def test_a_server_that_answers_byte_by_byte_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(stac, "_TOTAL_S", 0.3)
    with (
        _dripping() as address,
        pytest.raises(SatelliteError, match=r"no whole answer within 0\.3"),
    ):
        read_item(address)


_HEAVY: dict[str, dict[str, Any]] = {
    "assets": {"assets": {f"a{i}": {"href": f"{i}.tif"} for i in range(28_000)}},
    "links": {"links": [{"rel": "item", "href": str(i)} for i in range(30_000)]},
    "bands": {"assets": {"a": {"href": "a.tif", "bands": [{"name": "x"}] * 60_000}}},
    "outline": {"geometry": {"type": "Polygon", "coordinates": [[[0, 0]] * 110_000]}},
    "extensions": {"stac_extensions": [f"https://a.b/{i}" for i in range(40_000)]},
    "long text": {"assets": {"visual": {"href": "../" * 300_000, "type": ";" * 90_000}}},
    "no bands": {"assets": {"a": {"href": "a.tif", "type": "image/tiff", "bands": 5}}},
    "no roles": {"assets": {"a": {"href": "a.tif", "roles": [[]]}}},
    "no time": {"properties": {"datetime": None, "start_datetime": "a", "end_datetime": "."}},
    "no path": {"assets": {"visual": {"href": "a\0.tif", "type": "image/tiff"}}},
}


@pytest.mark.parametrize("name", _HEAVY)
def test_items_below_1_mb_are_refused_soon(tmp_path: Path, name: str) -> None:
    item = _item(tmp_path / "item.json", **_HEAVY[name])
    assert item.stat().st_size < 1_250_000
    started = time.process_time()
    with pytest.raises(SatelliteError) as caught:
        open_scene(item)
    assert time.process_time() - started < 2
    assert len(str(caught.value)) < 2_000


def test_deep_items_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "item.json"
    for text in ("[" * 900_000, '{"a":' * 190_000, '{"bbox": [' + "9" * 900_000 + "]}"):
        path.write_text(text)
        with pytest.raises(SatelliteError, match="it is no STAC item"):
            read_item(str(path))

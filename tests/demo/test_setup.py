from __future__ import annotations

from pathlib import Path

import pytest

from cv_engine.config import load_config
from cv_engine.demo import setup
from cv_engine.demo.errors import DemoError
from cv_engine.rules import registry
from zones.check import check


def test_the_configuration_and_zones_of_the_demo_are_valid(tmp_path: Path) -> None:
    clip = tmp_path / f"street-v{setup._CLIP_VERSION}.mp4"
    clip.write_bytes(b"made before")
    found = setup.set_up(tmp_path)
    assert found.clip.read_bytes() == b"made before"
    config = load_config(found.config)
    camera = config.camera(setup.CAMERA)
    assert camera.zones is not None
    assert check(camera.zones, 810, 1080, camera.camera(), kinds=registry.kinds()) == []


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(DemoError, match="choose another folder"):
        setup.set_up(blocked / "sample")

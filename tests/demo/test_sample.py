from __future__ import annotations

from pathlib import Path

import pytest

from cv_engine.config import load_config
from cv_engine.demo import sample
from cv_engine.rules import registry
from zones.check import check


def test_the_samples_configuration_and_zones_are_sound(tmp_path: Path) -> None:
    clip = tmp_path / f"street-v{sample._CLIP_VERSION}.mp4"
    clip.write_bytes(b"made before")
    found = sample.set_up(tmp_path)
    assert found.clip.read_bytes() == b"made before"
    config = load_config(found.config)
    camera = config.camera(sample.CAMERA)
    assert camera.zones is not None
    assert check(camera.zones, 810, 1080, camera.camera(), kinds=registry.kinds()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(sample.DemoError, match="choose another folder"):
        sample.set_up(blocked / "sample")

"""A camera as it is set up, and what a result depends on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import supervision as sv

from cv_engine.config import Config
from cv_engine.evidence.filing import CaseFiler
from cv_engine.pipeline.camera_setup import CameraSetup, detect
from cv_engine.video.frame import Image, Sample
from cv_engine.video.source import open_video
from models.detector import Detector
from tests.tracking.scenes import TRUTH
from tests.video.recordings import HEIGHT, WIDTH, record, times
from zones.errors import ZoneError

_KERB = (
    '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"zone": "kerb", '
    '"kinds": ["clutter"], "frame": "image"}, "geometry": {"type": "Polygon", "coordinates": '
    "[[[10, 10], [90, 10], [90, 80], [10, 80], [10, 10]]]}}]}"
)


class _Corner:
    """A detector that sees the lower right quarter of every picture."""

    digest = "a detector"
    input_size = 96

    def __init__(self) -> None:
        self.shown: list[tuple[int, ...]] = []

    def __call__(self, images: Sequence[Image]) -> list[sv.Detections]:
        self.shown += [image.shape for image in images]
        boxes = [(w / 2, h / 2, w, h) for h, w in (image.shape[:2] for image in images)]
        return [sv.Detections(np.array([box], np.float32)) for box in boxes]


def _config(**camera: Any) -> Config:
    return Config.model_validate({"cameras": [{"name": "market", **camera}]})


def _conditions(config: Config) -> tuple[str, ...]:
    return CameraSetup.of(config.camera("market")).conditions(config, cast(Detector, _Corner()))


def test_without_zones_the_whole_picture_is_one() -> None:
    config = _config()
    setup = CameraSetup.of(config.camera("market"))
    (zone,) = setup.zones_on(WIDTH, HEIGHT)
    assert list(zone.polygon.bounds) == [0, 0, WIDTH, HEIGHT]
    detector, cases = cast(Detector, _Corner()), cast(CaseFiler, None)
    view = setup.view((WIDTH, HEIGHT), config, detector, TRUTH, cases, first_s=0.0)
    assert view.size == (WIDTH, HEIGHT)
    assert {dwell.zone.name for dwell in view.observer.zone_dwells} == {zone.name}
    assert [each.name for each in view.filer.zones] == [zone.name]


def test_zones_are_those_named_or_those_given(tmp_path: Path) -> None:
    kerb, gate = tmp_path / "kerb.geojson", tmp_path / "gate.geojson"
    kerb.write_text(_KERB)
    gate.write_text(_KERB.replace('"kerb"', '"gate"'))
    settings = _config(zones=str(kerb)).camera("market")
    assert [zone.name for zone in CameraSetup.of(settings).zones_on(WIDTH, HEIGHT)] == ["kerb"]
    assert [zone.name for zone in CameraSetup.of(settings, gate).zones_on(WIDTH, HEIGHT)] == [
        "gate"
    ]
    with pytest.raises(ZoneError, match="kerb"):
        CameraSetup.of(settings).zones_on(5, 5)


def test_how_a_stream_is_reached_changes_no_result() -> None:
    plain = _conditions(_config())
    reached = _config(
        url="rtsp://u:s3cret@10.0.0.5/x", user="viewer", password="hunter2", transport="udp"
    )
    assert _conditions(reached) == plain
    assert _conditions(_config(url="rtsp://10.0.0.5/x", password_env="PW")) == plain
    assert _conditions(_config(latitude=29.87, longitude=121.55)) != plain


def test_editing_a_zone_changes_results(tmp_path: Path) -> None:
    kerb = tmp_path / "kerb.geojson"
    kerb.write_text(_KERB)
    config = _config(zones=str(kerb))
    before = _conditions(config)
    kerb.write_text(_KERB.replace("80]", "70]"))
    assert _conditions(config) != before


def test_each_camera_has_a_folder_of_its_own() -> None:
    names = ["market", "Market", "../market", "a/b", "市场"]
    folders = {
        CameraSetup.of(Config.model_validate({"cameras": [{"name": name}]}).cameras[0]).folder
        for name in names
    }
    assert len(folders) == len(names)
    assert all(folder.isalnum() for folder in folders)


def test_boxes_are_in_pixels_of_each_frame(tmp_path: Path) -> None:
    """However much smaller the detector's picture is."""
    path = record(tmp_path / "a.mp4", times(4), gop=1)
    samples: list[Sample] = list(open_video(path).read([0.0, 0.1]))
    detector = _Corner()
    found = detect(cast(Detector, detector), samples)
    assert detector.shown == [(48, 96, 3)] * 2
    for detections in found:
        assert detections.xyxy.dtype == np.float32
        assert detections.xyxy.tolist() == [[WIDTH / 2, HEIGHT / 2, WIDTH, HEIGHT]]

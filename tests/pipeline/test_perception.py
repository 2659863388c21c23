"""What rules may read of a sample: crops at full resolution, and models run only on request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

import numpy as np
import pytest
import supervision as sv
from numpy.typing import NDArray

from cv_engine.pipeline import perception
from cv_engine.pipeline.observer import Observer
from cv_engine.rules import registry
from cv_engine.rules.parking import MotorParkingRule
from cv_engine.rules.rule import Model, Perceived
from cv_engine.rules.stays import Candidate, ZoneDwell
from cv_engine.scene.pose import Pose
from tests.pipeline.observing import BEGAN, CAR, EVERY_S, Frame, config
from tests.tracking.scenes import HEIGHT, TRUTH, WIDTH, Scene, Thing
from zones.zone import whole_frame


class ColourRule(MotorParkingRule):
    """Parked cars, with the mean of their pixels as a model sees it."""

    kind = "coloured_vehicle_parked"
    models: ClassVar[Mapping[str, Callable[[], Model]]] = {}

    def candidates(self, seen: Perceived, dwell: ZoneDwell) -> Iterable[Candidate]:
        for each in super().candidates(seen, dwell):
            colour = seen.run("colour", each.box)
            yield Candidate(each.thing, each.box, each.began, each.present, 1.0, {"colour": colour})


@pytest.fixture
def _only_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "all_rules", lambda: (ColourRule,))
    monkeypatch.setattr(ColourRule, "models", {})


@pytest.mark.usefixtures("_only_colours")
def test_a_model_runs_on_full_resolution_crops_only_where_a_rule_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crops: list[tuple[int, ...]] = []
    opened: list[float] = []

    def colour(crop: NDArray[np.uint8]) -> float:
        crops.append(crop.shape)
        return float(crop.mean())

    def open_colour() -> Model:
        opened.append(time_s)
        return colour

    monkeypatch.setattr(ColourRule, "models", {"colour": open_colour})
    scene = Scene([Thing("car", CAR, 7, first_s=29.0)])
    zones = [whole_frame(WIDTH, HEIGHT, [ColourRule.kind])]
    settings = config(60.0)
    observer, other = (
        Observer(WIDTH, HEIGHT, zones, settings, sample_s=EVERY_S, verify=TRUTH, drawn=False)
        for _ in range(2)
    )
    due: list[Any] = []
    for time_s in np.arange(0.0, 121.0, EVERY_S).tolist():
        at = BEGAN + timedelta(seconds=time_s)
        detections: sv.Detections = scene.detections(time_s)
        frame = Frame(scene.picture(time_s))
        for each in (other, observer):
            seen = each.observe(time_s, at, frame, lambda seen=detections: seen)  # type: ignore[misc]
        assert not crops or time_s >= 30.0, "no crop is made while nothing stands"
        due += seen.stays.due
    assert len(opened) == 1, "opened once for all cameras, at the first use"
    assert opened[0] >= 30.0
    (violation,) = due
    assert violation.kind == ColourRule.kind
    assert 0 < violation.attributes["colour"] < 255
    x1, y1, x2, y2 = CAR
    assert all(abs(h - (y2 - y1)) <= 4 and abs(w - (x2 - x1)) <= 4 for h, w, _ in crops)


@pytest.mark.usefixtures("_only_colours")
def test_a_model_that_is_not_declared_is_an_error() -> None:
    scene = Scene([Thing("car", CAR, 7)])
    zones = [whole_frame(WIDTH, HEIGHT, [ColourRule.kind])]
    observer = Observer(WIDTH, HEIGHT, zones, config(), sample_s=EVERY_S, verify=TRUTH, drawn=False)
    with pytest.raises(KeyError, match="colour"):
        for time_s in np.arange(0.0, 61.0, EVERY_S).tolist():
            at = BEGAN + timedelta(seconds=time_s)
            frame = Frame(scene.picture(time_s))
            observer.observe(time_s, at, frame, lambda: scene.detections(0.0))


def test_the_crop_is_where_the_frame_shows_the_box() -> None:
    frame = Frame(Scene([Thing("car", CAR, 7)]).picture(0.0))
    seen = perception.Perceived(0.0, BEGAN, None, (), frame, {}, {}, Pose(dx=9.0, dy=-4.0))
    there = np.array(CAR, np.float32) + np.array([9, -4, 9, -4], np.float32)
    assert np.array_equal(seen.crop(np.array(CAR, np.float32)), frame.crop(there))

"""What rules may read of a sample: crops at full resolution, and models run only on request."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import supervision as sv
from numpy.typing import NDArray

from cv_engine.pipeline.observer import Observer
from cv_engine.rules import registry
from cv_engine.rules.parking import MotorParkingRule
from cv_engine.rules.rule import Perceived
from cv_engine.rules.stays import Candidate, ZoneDwell
from tests.pipeline.observing import BEGAN, CAR, EVERY_S, Frame, config
from tests.tracking.scenes import HEIGHT, WIDTH, Scene, Thing
from zones.zone import whole_frame


class ColourRule(MotorParkingRule):
    """Parked cars, with the mean of their pixels as a model sees it."""

    kind = "coloured_vehicle_parked"
    models = ("colour",)

    def candidates(self, seen: Perceived, dwell: ZoneDwell) -> Iterable[Candidate]:
        for each in super().candidates(seen, dwell):
            colour = seen.run("colour", each.box)
            yield Candidate(each.thing, each.box, each.began, each.present, 1.0, {"colour": colour})


@pytest.fixture
def _only_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "all_rules", lambda: (ColourRule,))


@pytest.mark.usefixtures("_only_colours")
def test_a_model_runs_on_full_resolution_crops_only_where_a_rule_asks() -> None:
    crops: list[tuple[int, ...]] = []

    def colour(crop: NDArray[np.uint8]) -> float:
        crops.append(crop.shape)
        return float(crop.mean())

    scene = Scene([Thing("car", CAR, 7, first_s=29.0)])
    zones = [whole_frame(WIDTH, HEIGHT, [ColourRule.kind])]
    settings = config(60.0)
    observer = Observer(
        WIDTH, HEIGHT, zones, settings, sample_s=EVERY_S, drawn=False, models={"colour": colour}
    )
    due: list[Any] = []
    for time_s in np.arange(0.0, 121.0, EVERY_S).tolist():
        at = BEGAN + timedelta(seconds=time_s)
        detections: sv.Detections = scene.detections(time_s)
        frame = Frame(scene.picture(time_s))
        seen = observer.observe(time_s, at, frame, lambda seen=detections: seen)  # type: ignore[misc]
        assert not crops or time_s >= 30.0, "no crop is made while nothing stands"
        due += seen.stays.due
    (violation,) = due
    assert violation.kind == ColourRule.kind
    assert 0 < violation.attributes["colour"] < 255
    x1, y1, x2, y2 = CAR
    assert all(abs(h - (y2 - y1)) <= 4 and abs(w - (x2 - x1)) <= 4 for h, w, _ in crops)


@pytest.mark.usefixtures("_only_colours")
def test_a_model_that_was_not_given_is_an_error() -> None:
    scene = Scene([Thing("car", CAR, 7)])
    zones = [whole_frame(WIDTH, HEIGHT, [ColourRule.kind])]
    observer = Observer(WIDTH, HEIGHT, zones, config(), sample_s=EVERY_S, drawn=False)
    with pytest.raises(KeyError, match="colour"):
        for time_s in np.arange(0.0, 61.0, EVERY_S).tolist():
            at = BEGAN + timedelta(seconds=time_s)
            frame = Frame(scene.picture(time_s))
            observer.observe(time_s, at, frame, lambda: scene.detections(0.0))

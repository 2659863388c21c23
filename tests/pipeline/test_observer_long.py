"""Half a day at one place: what stays is reported once, whatever passes, in any light."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pytest
import shapely
import supervision as sv
from numpy.typing import NDArray

from cv_engine.pipeline.observer import Observer
from cv_engine.rules.stays import Violation
from tests.pipeline.observing import BEGAN, Frame, config
from tests.tracking.scenes import TRUTH, Corners, Gray, Seen, detections, put, texture
from zones.zone import Zone

WIDTH, HEIGHT = 192, 128
HOURS = 12
EVERY_S = 20.0
CAR: Corners = (60, 50, 108, 82)
BAG: Corners = (130, 84, 152, 106)
CAR_S, BAG_S = 100.0, 300.0


@dataclass
class HalfDay:
    """A street from a bright hour through a dark one to the next bright one.

    Attributes:
        dark: Light in the middle of the night, part of that at noon.
        seen_share: Share of what stands there that the detector sees, by day.
        seed: Of who passes and what the detector misses.
    """

    dark: float = 0.3
    seen_share: float = 0.7
    seed: int = 11

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self._ground = texture(5, WIDTH, HEIGHT, 60, 180, grain=10)
        self._noise = [self.rng.normal(0, 2.0, (HEIGHT, WIDTH)) for _ in range(32)]
        self._across = np.linspace(0.0, 1.0, WIDTH)[None, :]

    def light(self, time_s: float) -> NDArray[np.float64]:
        """Noon, night, noon; a soft shadow crosses the street; a cloud at times."""
        part = time_s / (HOURS * 3600)
        level = self.dark + (1 - self.dark) * abs(np.cos(np.pi * part))
        shadow = 1.0 - 0.3 / (1.0 + np.exp(-(self._across - 2 * part + 0.5) / 0.1))
        cloud = 0.75 if int(time_s / 700) % 5 == 2 else 1.0
        return np.asarray(np.broadcast_to(level * shadow * cloud, (HEIGHT, WIDTH)))

    def samples(self) -> Iterator[tuple[float, Gray, sv.Detections]]:
        """Time, picture and the detector's result of each sample."""
        for time_s in np.arange(0, HOURS * 3600, EVERY_S).tolist():
            drawn, seen = self._ground.copy(), list[Seen]()
            TRUTH.boxes = []
            for name, corners, seed, first_s in (("car", CAR, 7, CAR_S), ("", BAG, 9, BAG_S)):
                if time_s >= first_s:
                    put(drawn, corners, seed)
                    TRUTH.boxes.append(corners)
                    seen += [(name, corners)] if name else []
            if self.rng.random() < 0.35:
                passer = self._passer()
                put(drawn, passer[1], int(self.rng.integers(100, 400)))
                seen.append(passer)
            picture = drawn * self.light(time_s) + self._noise[self.rng.integers(32)]
            yield time_s, np.clip(picture, 0, 255).astype(np.uint8), self._word(seen, time_s)

    def _passer(self) -> Seen:
        if self.rng.random() < 0.5:
            x = int(self.rng.integers(0, WIDTH - 14))
            return ("person", (x, 45, x + 14, 95))
        x = int(self.rng.integers(-20, WIDTH - 30))
        return ("car", (x, 60, x + 50, 96))

    def _word(self, seen: list[Seen], time_s: float) -> sv.Detections:
        """A detector that misses, with jittering boxes, and that takes cars for lorries."""
        night = 1.0 - abs(np.cos(np.pi * time_s / (HOURS * 3600)))
        told: list[Seen] = []
        for name, (x1, y1, x2, y2), *_ in seen:
            if self.rng.random() < self.seen_share * (1 - 0.5 * night):
                dx1, dy1, dx2, dy2 = self.rng.normal(0, 1.0, 4).round().astype(int).tolist()
                box = (x1 + dx1, y1 + dy1, x2 + dx2, y2 + dy2)
                called = "truck" if name == "car" and self.rng.random() < 0.2 else name
                told.append((called, box, float(self.rng.uniform(0.3, 0.9))))
        return detections(told)


def _watch(day: HalfDay) -> tuple[list[Violation], list[Violation]]:
    kinds = frozenset(["motor_vehicle_parked", "clutter"])
    zone = Zone("street", kinds, shapely.box(0, 0, WIDTH, HEIGHT))
    observer = Observer(
        WIDTH, HEIGHT, [zone], config(300.0), sample_s=EVERY_S, verify=TRUTH, drawn=True
    )
    due, ended = list[Violation](), list[Violation]()
    for time_s, picture, word in day.samples():
        at = BEGAN + timedelta(seconds=time_s)
        seen = observer.begin(time_s, at, Frame(picture)) or observer.conclude(word)
        due += seen.stays.due
        ended += seen.stays.ended
    return due, ended


@pytest.mark.slow
def test_what_stays_for_half_a_day_is_reported_once() -> None:
    due, ended = _watch(HalfDay(dark=0.3, seed=13))
    assert [(case.kind, case.began) for case in due] == [
        ("motor_vehicle_parked", CAR_S),
        ("clutter", BAG_S),
    ]
    assert not ended

"""One camera watched sample by sample, with a detector that counts how often it was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import supervision as sv

from cv_engine.config import Config
from cv_engine.pipeline.observer import Observation, Observer
from cv_engine.rules.registry import kinds
from cv_engine.rules.stays import Box, Violation
from cv_engine.scene.view_health import ViewState
from tests.tracking.scenes import HEIGHT, TRUTH, WIDTH, Corners, Gray, Scene
from zones.zone import Zone, whole_frame

BEGAN = datetime(2026, 5, 1, 8, tzinfo=UTC)  # a Friday
CAR: Corners = (120, 80, 190, 125)
BAG: Corners = (230, 120, 260, 150)
DWELL_S = 60.0
REFRESH_S = 60.0
LOST_S = 20.0
EVERY_S = 2.0


def config(dwell_s: float = DWELL_S) -> Config:
    """Limits of a minute; two for bicycles."""
    rules = {
        "parking": {"dwell_s": dwell_s, "non_motor_dwell_s": 2 * dwell_s},
        "clutter": {"dwell_s": dwell_s},
    }
    return Config.model_validate(
        {
            "rules": rules,
            "video": {"sample_s": EVERY_S},
            "change": {"refresh_s": REFRESH_S},
            "tracking": {"lost_s": LOST_S},
        }
    )


def observer(
    *zones: Zone, drawn: bool = False, every_s: float = EVERY_S, dwell_s: float = DWELL_S
) -> Observer:
    """Of the whole frame, where no zones are named."""
    watched = list(zones) or [whole_frame(WIDTH, HEIGHT, kinds())]
    return Observer(
        WIDTH, HEIGHT, watched, config(dwell_s), sample_s=every_s, verify=TRUTH, drawn=drawn
    )


@dataclass(frozen=True)
class Frame:
    """A sample with nothing but the small grey picture."""

    picture: Gray

    def small(self, width: int, height: int) -> Gray:
        """The picture, which has that size already."""
        assert self.picture.shape == (height, width)
        return self.picture

    def crop(self, box: Box) -> Gray:
        """The part under a box, in three equal colours."""
        x1, y1, x2, y2 = box.round().astype(int).tolist()
        return np.repeat(self.picture[y1:y2, x1:x2, None], 3, axis=2)


@dataclass
class Watch:
    """What an observer said, and when it asked the detector."""

    observer: Observer
    scene: Scene
    asked: list[float] = field(default_factory=list)
    seen: list[tuple[float, Observation]] = field(default_factory=list)
    busy: list[bool] = field(default_factory=list)
    picture: Callable[[float], Gray] | None = None

    def until(self, last_s: float, first_s: float = 0.0, every_s: float = EVERY_S) -> Watch:
        """Observes until ``last_s``."""
        show = self.picture or self.scene.picture
        for time_s in np.arange(first_s, last_s + every_s / 2, every_s).tolist():
            at = BEGAN + timedelta(seconds=time_s)

            def detect(time_s: float = time_s) -> sv.Detections:
                self.asked.append(time_s)
                return self.scene.detections(time_s)

            self.seen.append(
                (time_s, self.observer.observe(time_s, at, Frame(show(time_s)), detect))
            )
            self.busy.append(self.observer.busy)
        return self

    def after(self, gap_s: float, last_s: float) -> Watch:
        """Observes until ``last_s``, after a time in which there is no sample."""
        self.observer.skip(gap_s)
        return self.until(last_s, first_s=self.seen[-1][0] + gap_s)

    @property
    def due(self) -> list[tuple[float, Violation]]:
        """What reached its limit, and when."""
        return [(t, violation) for t, seen in self.seen for violation in seen.stays.due]

    @property
    def ended(self) -> list[tuple[float, Violation]]:
        """What left after that, and when that was known."""
        return [(t, violation) for t, seen in self.seen for violation in seen.stays.ended]

    @property
    def view(self) -> list[tuple[float, ViewState]]:
        """Changes of the camera's state."""
        return [(t, seen.view.state) for t, seen in self.seen if seen.view]

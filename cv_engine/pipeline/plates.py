"""The number plate of a vehicle that has stayed too long, voted over the best frames of the stay.

The vehicle stands still, so its plate is at one place in all frames: plates found elsewhere in its
box are those of vehicles in front of it or behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import structlog
import supervision as sv
from numpy.typing import NDArray

from cv_engine.config.plates import PlatesConfig
from cv_engine.evidence.media.still import Still
from cv_engine.pipeline.footage import Footage, Shot
from cv_engine.rules import registry
from cv_engine.rules.stays import Violation
from cv_engine.video.errors import VideoError
from cv_engine.video.frame import Sample
from models.errors import ModelError
from models.plates.countries import COUNTRIES
from models.plates.detector import open_plate_detector
from models.plates.quality import quality
from models.plates.reader import open_reader
from models.plates.recognise import PlateRecogniser, SeenPlate
from models.plates.voting import Knowledge, PlateText

Image = NDArray[np.uint8]
Box = tuple[float, float, float, float]

# Frames that are looked at for each one that is read: some are blurred, some hidden.
_LOOKED_AT = 2
# Closest frames: nothing changes in less.
_LEAST_STEP = timedelta(seconds=1)
# Longer side of a vehicle's crop as the detector gets it, pixels. Plates are an eighth to a third
# of a vehicle's width; at 640 those of lorries are found with half the confidence.
_VEHICLE_SIDE_PX = 960
# Share of the vehicle's box added on each side: boxes cut bumpers.
_MARGIN = 0.05
# Plates below this confidence are noise; the syntax and the vote judge the rest.
_FOUND_CONFIDENCE = 0.3
# Distance, in widths of the plate, up to which plates of two frames are one plate.
_SAME_PLACE = 0.6
# A text less likely than this says nothing to an officer either.
_LEAST_CONFIDENCE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class StayPlate:
    """The plate of a vehicle over its stay.

    Attributes:
        text: The plate as voted.
        box: Where the plate is in the best frame, pixels of the frame.
        shot: The best frame.
        frames: Number of frames that were read.
        sure: Whether the text is as likely right as the settings want.
    """

    text: PlateText
    box: Box
    shot: Shot
    frames: int
    sure: bool

    def as_json(self) -> dict[str, Any]:
        """The plate as an attribute of a finding."""
        text = self.text
        value = {
            "text": text.text,
            "confidence": round(text.confidence, 4),
            "layout": text.layout,
        }
        return value if self.sure else value | {"unsure": True}

    def stills(self, detect: Callable[[Sample], sv.Detections]) -> list[Still]:
        """The close-up of the plate, from the best frame.

        Args:
            detect: The detector on a sample, for the people and vehicles beside the plate.
        """
        sample = self.shot.sample
        return [Still("plate", self.shot.taken, sample.image(), self.box, detect(sample))]


@dataclass(frozen=True, slots=True, eq=False)
class _Sighting:
    """A plate in one frame of the stay, in pixels of the frame."""

    seen: SeenPlate
    box: Box
    shot: Shot
    quality: float


def open_recogniser(config: PlatesConfig) -> PlateRecogniser:
    """Open the networks that the settings name.

    Raises:
        ModelError: The networks are not available.
    """
    return PlateRecogniser(
        open_plate_detector(confidence=_FOUND_CONFIDENCE), open_reader(COUNTRIES[config.country])
    )


class StayPlates:
    """Reads the plates of stays.

    The networks are opened when the first plate is asked for. Where they are not available, cases
    are filed without plates, and a warning says so.

    Args:
        config: Settings.
        knowledge: What is known of plates beside the settings; the own province is theirs.
        opener: Opens the networks.

    Attributes:
        knowledge: What is known of plates, with the own province.
    """

    def __init__(
        self,
        config: PlatesConfig,
        knowledge: Knowledge | None = None,
        *,
        opener: Callable[[PlatesConfig], PlateRecogniser] = open_recogniser,
    ) -> None:
        self._config = config
        self._opener = opener
        self.knowledge = replace(knowledge or Knowledge(), own_province=config.own_province)

    @cached_property
    def recogniser(self) -> PlateRecogniser | None:
        """The networks, ``None`` where they are not available."""
        try:
            return self._opener(self._config)
        except ModelError as error:
            structlog.get_logger(__name__).warning("plates are not read", reason=str(error))
            return None

    def of(
        self, violation: Violation, footage: Footage, utc: Callable[[float], datetime]
    ) -> StayPlate | None:
        """Read the plate of a violation, where its kind asks for it.

        Args:
            violation: The stay.
            footage: Recordings that show the stay.
            utc: From the observer's times to UTC.

        Returns:
            The plate, ``None`` where none could be read.

        Raises:
            VideoError: The present recording cannot be read.
        """
        if not footage.recordings or not registry.reads_plates(violation.kind):
            return None
        began, observed = utc(violation.began), utc(violation.observed)
        try:
            return self.read(footage, violation.box, began, observed)
        except VideoError:
            if not footage.stream:
                raise
            return None  # filing meets the same error and warns of it

    def read(
        self, footage: Footage, box: Box, began: datetime, observed: datetime
    ) -> StayPlate | None:
        """Read the plate of a vehicle that stands still.

        Args:
            footage: Recordings that show the stay.
            box: The vehicle, ``(x1, y1, x2, y2)`` in pixels of the frame.
            began: Start of the stay, UTC.
            observed: When the vehicle was last seen, UTC.

        Returns:
            The plate, ``None`` where none could be read.

        Raises:
            VideoError: The present recording cannot be read.
        """
        recogniser = self.recogniser
        if recogniser is None:
            return None
        shots = footage.stills(self.moments(began, observed))
        sightings = [each for shot in shots for each in _sightings(recogniser, shot, box)]
        best = _best(_at_one_place(sightings), self._config.frames)
        voted = recogniser.vote([each.seen.reading for each in best], self.knowledge)
        if voted is None or voted.confidence < _LEAST_CONFIDENCE:
            return None
        sure = voted.confidence >= self._config.sure
        return StayPlate(voted, best[0].box, best[0].shot, len(best), sure)

    def moments(self, began: datetime, observed: datetime) -> list[datetime]:
        """When frames are looked at: evenly spread over the stay, both ends included."""
        length = observed - began
        count = min(_LOOKED_AT * self._config.frames, int(length / _LEAST_STEP) + 1)
        if count < 2:
            return [observed]
        return [began + length * k / (count - 1) for k in range(count)]


def _sightings(recogniser: PlateRecogniser, shot: Shot, box: Box) -> Iterable[_Sighting]:
    """The plates in a vehicle's box in one frame."""
    image = shot.sample.image()
    left, top, right, bottom = _window(box, image)
    if left >= right or top >= bottom:
        return
    crop = np.ascontiguousarray(image[top:bottom, left:right])
    for seen in recogniser(crop, _VEHICLE_SIDE_PX):
        x1, y1, x2, y2 = seen.found.box
        yield _Sighting(
            seen,
            (x1 + left, y1 + top, x2 + left, y2 + top),
            shot,
            quality(crop, seen.found),
        )


def _window(box: Box, image: Image) -> tuple[int, int, int, int]:
    height, width = image.shape[:2]
    x1, y1, x2, y2 = box
    across, down = _MARGIN * (x2 - x1), _MARGIN * (y2 - y1)
    return (
        max(0, int(x1 - across)),
        max(0, int(y1 - down)),
        min(width, int(x2 + across)),
        min(height, int(y2 + down)),
    )


def _at_one_place(sightings: Sequence[_Sighting]) -> list[_Sighting]:
    """The sightings of the plate that is seen most and largest: one in each frame at most."""
    groups: list[list[_Sighting]] = []
    for sighting in sightings:
        for group in groups:
            if _same_place(group[0].box, sighting.box):
                group.append(sighting)
                break
        else:
            groups.append([sighting])
    if not groups:
        return []
    best = max(groups, key=lambda group: sum(_weight(each) for each in group))
    by_frame: dict[datetime, _Sighting] = {}
    for each in sorted(best, key=_weight):
        by_frame[each.shot.taken] = each
    return list(by_frame.values())


def _same_place(one: Box, other: Box) -> bool:
    width = max(one[2] - one[0], other[2] - other[0])
    across = (one[0] + one[2] - other[0] - other[2]) / 2
    down = (one[1] + one[3] - other[1] - other[3]) / 2
    return float(np.hypot(across, down)) <= _SAME_PLACE * width


def _weight(sighting: _Sighting) -> float:
    return sighting.seen.found.confidence * sighting.seen.found.width_px


def _best(sightings: Sequence[_Sighting], count: int) -> list[_Sighting]:
    return sorted(sightings, key=lambda each: -each.quality)[:count]

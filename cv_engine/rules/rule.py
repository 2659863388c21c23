"""What a rule is: the kind that it reports, its settings, what it reads, and the stays it finds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from cv_engine.rules.dwell import Limits
from cv_engine.rules.stays import Box, Candidate, Stays, ZoneDwell
from cv_engine.rules.vehicles import Vehicles
from cv_engine.section import FrameShare, Metres, Seconds, Section, Switch
from zones.settings import NumberSetting
from zones.size import OLD_KEY, MinSize, share_of_pixels

if TYPE_CHECKING:
    import supervision as sv
    from shapely.geometry.base import BaseGeometry

    from cv_engine.tracking.still import Still
    from cv_engine.tracking.thing import Settled
    from zones.camera import Camera
    from zones.zone import Zone


#: A model that reads a crop, BGR uint8 (h, w, 3).
Model = Callable[[NDArray[np.uint8]], Any]


# Default of `min_size`. On the small picture on which change is detected (240 to 360 lines) this is
# 6 pixels or more: what is narrower has too few pixels inside its outline to be judged by
# (`models/verifier`), or to be compared with what stood there (`tracking/still.py`).
SMALLEST_SHARE = 0.025


class Perceived(Protocol):
    """What one sample shows, as rules read it.

    Attributes:
        time_s: Media time of the sample, seconds.
        at: The same moment, UTC.
        persons: Persons that the detector found, pixels of the frame; ``None`` where the detector
            was not asked.
        settled: Unexplained things at rest.
    """

    @property
    def time_s(self) -> float:
        """Media time of the sample, seconds."""
        ...

    @property
    def at(self) -> datetime:
        """Time of the sample, UTC."""
        ...

    @property
    def persons(self) -> sv.Detections | None:
        """Persons that the detector found; ``None`` where the detector was not asked."""
        ...

    @property
    def settled(self) -> Sequence[Settled]:
        """Unexplained things at rest."""
        ...

    def standing(self, vehicles: Vehicles) -> Sequence[Still]:
        """The vehicles of a group that stand still, those hidden at the moment included."""
        ...

    def crop(self, box: Box) -> NDArray[np.uint8]:
        """The part of the frame under a box at full resolution, BGR uint8 (h, w, 3)."""
        ...

    def run(self, model: str, box: Box) -> Any:
        """The result of one of the rule's own models on the crop under a box.

        Raises:
            KeyError: The rule does not declare the model.
        """
        ...


class RuleSettings(Section):
    """What every rule can be set to; a rule's own class gives the defaults and adds its keys."""

    renamed: ClassVar[Mapping[str, Callable[[Any], str]]] = {
        OLD_KEY: lambda value: (
            "sizes are shares of the frame's height now; "
            f"write min_size: {share_of_pixels(value, None)}"
        )
    }

    enabled: Switch = True
    dwell_s: Seconds
    min_size: FrameShare = SMALLEST_SHARE
    min_size_m: Metres | None = None


def smallest(
    settings: RuleSettings, zone: Zone, height: int, camera: Camera | None = None
) -> MinSize:
    """The smallest thing that a rule counts in a zone.

    A zone that has a size of its own, in whichever unit, has none of the rule's metres.

    Args:
        settings: The rule's settings.
        zone: The zone.
        height: Height of the frame, pixels.
        camera: The camera, whose ground control points give metres.
    """
    share = settings.min_size if zone.min_size is None else zone.min_size
    has_own = zone.min_size is not None or zone.min_size_m is not None
    metres = zone.min_size_m if has_own else settings.min_size_m
    return MinSize(share * height, metres, camera)


class Rule(ABC):
    """One kind of violation, for one camera: finds its candidates and keeps their stays.

    A rule is one file in this package. The registry finds the class by its ``kind``; configuration,
    zones, checkpoints and evidence take what they need from the class attributes.

    Args:
        zones: Zones on the image; those that do not watch for the kind are left out.
        settings: An instance of ``settings_type``.
        gap_s: Absence that does not interrupt a stay, seconds.
        height: Height of the frame, pixels.
        camera: The camera, whose ground control points give sizes in metres.

    Attributes:
        kind: Name of the violation, as in the taxonomy.
        section: Key under ``rules:`` in the configuration; several rules may share one.
        settings_type: Model of that section.
        vehicles: Group of vehicles that the rule reads with ``Perceived.standing``, if any.
        reads_settled: Whether the rule reads ``Perceived.settled``.
        models: Models that the rule runs on crops, by name, each as what opens it.
        zone_settings: Properties that the rule adds to zones, by name.
        middle_still: Whether evidence has a still between start and end, as proof that it stood.
        reads_plates: Whether the thing is a vehicle whose number plate is read.
        settings: The rule's settings.
        dwells: The stays of the rule, one per zone: all of its state.
    """

    kind: ClassVar[str]
    section: ClassVar[str]
    settings_type: ClassVar[type[RuleSettings]]
    vehicles: ClassVar[Vehicles | None] = None
    reads_settled: ClassVar[bool] = False
    models: ClassVar[Mapping[str, Callable[[], Model]]] = {}
    zone_settings: ClassVar[Mapping[str, NumberSetting]] = {}
    middle_still: ClassVar[bool] = False
    reads_plates: ClassVar[bool] = False

    def __init__(
        self,
        zones: Sequence[Zone],
        settings: RuleSettings,
        gap_s: float,
        height: int,
        camera: Camera | None = None,
    ) -> None:
        self.settings = settings
        watched = [zone for zone in zones if settings.enabled and self.kind in zone.kinds]
        longest_s = self.longest_s(settings)
        self.dwells = [
            ZoneDwell(
                self.kind,
                zone,
                Limits(longest_s if zone.dwell_s is None else zone.dwell_s, gap_s),
                self.inside,
                smallest(settings, zone, height, camera),
            )
            for zone in watched
        ]

    @classmethod
    def longest_s(cls, settings: RuleSettings) -> float:
        """Longest stay allowed where a zone names none, seconds."""
        return settings.dwell_s

    @staticmethod
    @abstractmethod
    def inside(box: Box, polygon: BaseGeometry) -> bool:
        """Whether something with this box is in a zone, both in pixels of the frame."""

    @abstractmethod
    def candidates(self, seen: Perceived, dwell: ZoneDwell) -> Iterable[Candidate]:
        """Everything of the rule's kind in a sample that may be staying in a zone.

        Args:
            seen: The sample.
            dwell: The zone and the stays in it so far.
        """

    def step(self, seen: Perceived) -> Stays:
        """Processes one sample.

        Returns:
            Stays that reached their limit, and stays that had reached it and are over.
        """
        stays = Stays()
        for dwell in self.dwells:
            stays += dwell.step(seen.time_s, seen.at, self.candidates(seen, dwell))
        return stays

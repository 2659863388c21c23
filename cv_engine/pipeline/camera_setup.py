"""One camera as it is set up: what is watched in its picture, and what every result depends on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import supervision as sv

from cv_engine.config import CameraConfig, Config
from cv_engine.config.camera import STREAM_KEYS
from cv_engine.evidence.filing import CaseFiler
from cv_engine.pipeline.filing import Filer, utc_of
from cv_engine.pipeline.observer import Observer
from cv_engine.pipeline.perception import EXPLAINING_CONFIDENCE
from cv_engine.pipeline.plates import StayPlates
from cv_engine.privacy.finders import finders_of
from cv_engine.rules import registry
from cv_engine.tracking.look import Verify
from cv_engine.video.frame import Image, Sample
from models.detector import Detector, open_detector
from zones.camera import Camera
from zones.check import check
from zones.errors import Problem
from zones.zone import Zone, load_zones, visible_zones, whole_frame


class CameraView(NamedTuple):
    """A camera's picture at one size, with what watches it.

    Attributes:
        size: Width and height, pixels.
        observer: Turns samples into violations.
        filer: Files the violations.
    """

    size: tuple[int, int]
    observer: Observer
    filer: Filer


@dataclass(frozen=True, slots=True)
class CameraSetup:
    """A camera with its place and its zones.

    Attributes:
        settings: The camera's entry in the configuration.
        camera: Where the camera stands.
        zones: The zones as drawn, ``None`` where there are none.
    """

    settings: CameraConfig
    camera: Camera
    zones: Sequence[Zone] | None

    @classmethod
    def of(cls, settings: CameraConfig, zones: Path | None = None) -> CameraSetup:
        """The setup of a camera.

        Args:
            settings: The camera's entry in the configuration.
            zones: GeoJSON file of the zones, in place of the one that the entry names.

        Raises:
            ZoneError: The zones or the place make no sense.
        """
        path = zones or settings.zones
        camera = settings.camera()
        drawn = read_zones(path, settings.timezone, camera) if path else None
        return cls(settings, camera, drawn)

    @property
    def name(self) -> str:
        """The camera's name."""
        return self.settings.name

    @property
    def folder(self) -> str:
        """Name of the camera's own folder: a digest of its name, fit for any file system."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:32]

    def conditions(self, config: Config, detector: Detector) -> tuple[str, ...]:
        """Everything besides the pictures that a result depends on."""
        return (
            self.settings.model_dump_json(exclude={"zones", *STREAM_KEYS}),
            self._own(config).digest,
            detector.digest,
            *(f"{zone.name} {zone.frame} {zone.polygon.wkt} {zone}" for zone in self.zones or ()),
        )

    def _own(self, config: Config) -> Config:
        """The settings without other cameras, which change no result of this one."""
        return config.model_copy(update={"cameras": (self.settings,)})

    def zones_on(self, width: int, height: int) -> list[Zone]:
        """The zones on a picture of a size in pixels; the whole picture where none are drawn.

        Raises:
            ZoneError: No zone lies in the picture.
        """
        if self.zones is None:
            return [whole_frame(width, height, registry.kinds())]
        return visible_zones(self.zones, self.camera, width, height)

    def view(
        self,
        size: tuple[int, int],
        config: Config,
        detector: Detector,
        verify: Verify,
        cases: CaseFiler,
        *,
        first_s: float,
        utc: Callable[[float], datetime] = utc_of,
        plates: StayPlates | None = None,
    ) -> CameraView:
        """A new view, without any sample yet.

        Args:
            size: Width and height of the picture, pixels.
            config: Settings.
            detector: Detects persons and vehicles for evidence.
            verify: Judges whether settled regions show things.
            cases: Files findings with their evidence.
            first_s: Observer's time of the first sample, see :class:`Filer`.
            utc: From the observer's times to UTC.
            plates: Reads the number plates of vehicles, see :class:`Filer`.

        Raises:
            ZoneError: No zone lies in the picture.
        """
        zones = self.zones_on(*size)
        sample_s, drawn = config.video.sample_s, self.zones is not None
        observer = Observer(
            *size,
            zones,
            config,
            sample_s=sample_s,
            verify=verify,
            drawn=drawn,
            camera=self.camera,
        )
        filer = self.filer(
            config, detector, cases, zones=zones, first_s=first_s, utc=utc, plates=plates
        )
        return CameraView(size, observer, filer)

    def filer(
        self,
        config: Config,
        detector: Detector,
        cases: CaseFiler,
        *,
        zones: Sequence[Zone] = (),
        first_s: float = 0.0,
        utc: Callable[[float], datetime] = utc_of,
        plates: StayPlates | None = None,
    ) -> Filer:
        """Files what an observer of these zones reports; without zones, the camera's own cases."""
        return Filer(
            camera=self.camera,
            zones=zones,
            detect=partial(detect_in, detector),
            cases=cases,
            config=self._own(config),
            model=detector.digest,
            timezone=self.settings.timezone,
            first_s=first_s,
            utc=utc,
            plates=plates,
            finders=partial(finders_of, detector) if config.evidence.redact else None,
        )


def read_zones(path: Path, timezone: str, camera: Camera | None = None) -> list[Zone]:
    """The zones of a file, with the kinds and properties that the rules know.

    Raises:
        ZoneError: Something in the file is wrong, or cannot be used with the camera.
    """
    numbers = registry.zone_settings()
    return load_zones(
        path, kinds=registry.kinds(), numbers=numbers, timezone=timezone, camera=camera
    )


def check_zones(
    path: Path, camera: CameraConfig | None, width: int | None = None, height: int | None = None
) -> list[Problem]:
    """The problems of a zones file, with the kinds and properties that the rules know.

    Args:
        path: The file.
        camera: The camera that the zones are for.
        width: Width of the camera's frame in pixels; ``None`` skips the comparison with a frame.
        height: Height of the camera's frame in pixels.
    """
    return check(
        path,
        width,
        height,
        None if camera is None else camera.camera(),
        kinds=registry.kinds(),
        numbers=registry.zone_settings(),
        timezone="UTC" if camera is None else camera.timezone,
    )


def detector_of(config: Config) -> Detector:
    """The configured detector, with results down to the confidence that explains settled things.

    Raises:
        ModelError: The detector cannot be opened.
    """
    detector = config.detector
    return open_detector(
        detector.model,
        backend=detector.backend,
        precision=detector.precision,
        threads=detector.threads,
        confidence=min(EXPLAINING_CONFIDENCE, detector.confidence),
        input_size=detector.input_size,
    )


def detect(detector: Detector, samples: Sequence[Sample]) -> list[sv.Detections]:
    """Detections in samples, in pixels of each frame; frames are scaled as they are converted."""
    images = [_fitted(sample, detector.input_size) for sample in samples]
    found = detector(images)
    for sample, image, detections in zip(samples, images, found, strict=True):
        height, width = image.shape[:2]
        factor = np.array([sample.width / width, sample.height / height] * 2, np.float32)
        detections.xyxy = (detections.xyxy * factor).astype(np.float32)
    return found


def detect_in(detector: Detector, sample: Sample) -> sv.Detections:
    """Detections in one sample, in pixels of its frame."""
    return detect(detector, [sample])[0]


def _fitted(sample: Sample, side: int) -> Image:
    scale = min(1.0, side / max(sample.width, sample.height))
    return sample.image_at(
        max(1, round(sample.width * scale)), max(1, round(sample.height * scale))
    )

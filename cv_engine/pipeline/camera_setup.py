"""One camera as it is set up: what is watched in its picture, and what every result depends on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import supervision as sv

from cv_engine.cases import Queue
from cv_engine.config.settings import STREAM_KEYS, CameraConfig, Config
from cv_engine.evidence.signing import SigningKey
from cv_engine.pipeline.filing import Filer, utc_of
from cv_engine.pipeline.observer import EXPLAINING_CONFIDENCE, Observer
from cv_engine.video.frame import Image, Sample
from models.detector import Detector, open_detector
from zones.camera import Camera
from zones.zone import Zone, in_sight, load_zones, whole_frame


@dataclass(frozen=True, slots=True)
class CameraSetup:
    """A camera in its place.

    Attributes:
        settings: Its entry in the configuration.
        camera: Where it stands.
        zones: Its zones as drawn, ``None`` where there are none.
    """

    settings: CameraConfig
    camera: Camera
    zones: Sequence[Zone] | None

    @classmethod
    def of(cls, settings: CameraConfig, zones: Path | None = None) -> CameraSetup:
        """The post of a camera.

        Args:
            settings: Its entry in the configuration.
            zones: GeoJSON file of its zones, in place of the one that the entry names.

        Raises:
            ZoneError: The zones or the place make no sense.
        """
        path = zones or settings.zones
        drawn = load_zones(path, timezone=settings.timezone) if path else None
        return cls(settings, settings.camera(), drawn)

    @property
    def name(self) -> str:
        """The camera's name."""
        return self.settings.name

    @property
    def folder(self) -> str:
        """The camera's name in a form that is fit for a folder, and no other camera's."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:32]

    def conditions(self, config: Config, detector: Detector) -> tuple[str, ...]:
        """All on which a result depends besides the pictures."""
        return (
            self.settings.model_dump_json(exclude={"zones", *STREAM_KEYS}),
            self._own(config).digest,
            detector.digest,
            *(f"{zone.name} {zone.frame} {zone.polygon.wkt} {zone}" for zone in self.zones or ()),
        )

    def _own(self, config: Config) -> Config:
        """The settings without those of other cameras, on which nothing here depends."""
        return config.model_copy(update={"cameras": (self.settings,)})

    def zones_on(self, width: int, height: int) -> list[Zone]:
        """The zones on a picture of a size in pixels; the whole of it where none are drawn.

        Raises:
            ZoneError: None of them lies in the picture.
        """
        if self.zones is None:
            return [whole_frame(width, height)]
        return in_sight(self.zones, self.camera, width, height)

    def observer(self, width: int, height: int, config: Config) -> Observer:
        """A new observer of pictures of a size, of which nothing is known yet."""
        zones = self.zones_on(width, height)
        sample_s = config.video.sample_s
        return Observer(
            width, height, zones, config, sample_s=sample_s, drawn=self.zones is not None
        )

    def filer(
        self,
        zones: Sequence[Zone],
        config: Config,
        detector: Detector,
        queue: Queue,
        key: SigningKey,
        *,
        first_s: float,
        utc: Callable[[float], datetime] = utc_of,
    ) -> Filer:
        """Files what an observer of these zones reports; see :class:`Filer`."""
        return Filer(
            camera=self.camera,
            zones=zones,
            detect=lambda sample: detect(detector, [sample])[0],
            queue=queue,
            config=self._own(config),
            key=key,
            root=config.evidence_root,
            model=detector.digest,
            timezone=self.settings.timezone,
            first_s=first_s,
            utc=utc,
        )


def detector_of(config: Config) -> Detector:
    """The configured detector, heard down to the confidence that explains what has come to rest.

    Raises:
        ModelError: It cannot be opened.
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
    """The detector on looks, each scaled on the way out of the decoder, in pixels of its frame."""
    images = [_fitted(sample, detector.input_size) for sample in samples]
    found = detector(images)
    for sample, image, detections in zip(samples, images, found, strict=True):
        height, width = image.shape[:2]
        factor = np.array([sample.width / width, sample.height / height] * 2, np.float32)
        detections.xyxy = (detections.xyxy * factor).astype(np.float32)
    return found


def _fitted(sample: Sample, side: int) -> Image:
    scale = min(1.0, side / max(sample.width, sample.height))
    return sample.image_at(
        max(1, round(sample.width * scale)), max(1, round(sample.height * scale))
    )

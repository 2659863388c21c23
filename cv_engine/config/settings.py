"""All settings of a run: a field per section of ``config.yaml``, with units in the names."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import field_validator

from cv_engine.config.camera import STREAM_KEYS, CameraConfig
from cv_engine.config.cases import CasesConfig
from cv_engine.config.detector import DetectorConfig
from cv_engine.config.errors import ConfigError
from cv_engine.config.evidence import EvidenceConfig
from cv_engine.config.live import LiveConfig
from cv_engine.config.notices import NoticesConfig
from cv_engine.config.outlets import OutletsConfig
from cv_engine.config.plates import PlatesConfig
from cv_engine.config.registry import RegistryConfig
from cv_engine.config.rules import RulesModel
from cv_engine.config.satellite import SatelliteConfig
from cv_engine.config.sensors import SensorsConfig
from cv_engine.config.service import ServiceConfig
from cv_engine.config.tracking import ChangeConfig, TrackingConfig
from cv_engine.config.video import VideoConfig
from cv_engine.section import FilePath, Section, Text

_OTHER_SOURCES = (
    "satellite",
    "sensors",
    "registry",
)  # no result of a camera depends on these sections
# Written as a path, the password of such an address would become the name of a folder.
_NEARLY_AN_ADDRESS = re.compile(r"(?i)(postgres|sqlite|mysql)[^/\\]*[:@/]")


class Config(Section):
    """All settings of a run."""

    data: FilePath = Path("cv-engine-data")
    store: Text | None = None
    detector: DetectorConfig = DetectorConfig()
    video: VideoConfig = VideoConfig()
    change: ChangeConfig = ChangeConfig()
    tracking: TrackingConfig = TrackingConfig()
    rules: RulesModel = RulesModel()
    plates: PlatesConfig = PlatesConfig()
    evidence: EvidenceConfig = EvidenceConfig()
    cases: CasesConfig = CasesConfig()
    live: LiveConfig = LiveConfig()
    outlets: OutletsConfig = OutletsConfig()
    notices: NoticesConfig = NoticesConfig()
    satellite: SatelliteConfig = SatelliteConfig()
    sensors: SensorsConfig = SensorsConfig()
    registry: RegistryConfig = RegistryConfig()
    service: ServiceConfig = ServiceConfig()
    cameras: tuple[CameraConfig, ...] = ()

    @field_validator("store")
    @classmethod
    def _path_or_address(cls, store: str | None) -> str | None:
        if store is not None and "://" not in store and _NEARLY_AN_ADDRESS.match(store):
            raise ValueError(
                "this is neither a path nor an address; write one such as "
                "postgresql+psycopg://user@host/name"
            )
        return store

    @field_validator("cameras")
    @classmethod
    def _names_once(cls, cameras: tuple[CameraConfig, ...]) -> tuple[CameraConfig, ...]:
        seen: set[str] = set()
        for camera in cameras:
            if camera.name in seen:
                raise ValueError(f"two cameras are named {camera.name!r}; each needs its own name")
            seen.add(camera.name)
        return cameras

    def camera(self, name: str) -> CameraConfig:
        """The camera called ``name``.

        Raises:
            ConfigError: There is none; the text lists the known ones.
        """
        for camera in self.cameras:
            if camera.name == name:
                return camera
        known = ", ".join(sorted(camera.name for camera in self.cameras)) or "none"
        raise ConfigError(
            f"camera {name!r} is not in the configuration (known: {known}); "
            "add it under cameras: or correct the name"
        )

    def without_scale(self, cameras: Sequence[CameraConfig]) -> list[tuple[str, str]]:
        """The rules' sizes in metres that cannot be measured in all of some cameras' pictures.

        Returns:
            Section of the rule and message, for each.
        """
        blind = [camera.name for camera in cameras if not camera.ground_control_points]
        if cameras and not blind:
            return []
        who = f"camera {blind[0]} has no" if blind else "no camera of the configuration has"
        text = (
            f"{who} ground control points, which give metres; add ground_control_points to every "
            "camera, or give min_size_m to zones of cameras that have them, or min_size"
        )
        return [
            (section, f"rules.{section}.min_size_m: {text}")
            for section, settings in self.rules.sections().items()
            if settings.enabled and settings.min_size_m is not None
        ]

    @property
    def queue(self) -> str | Path:
        """Where the case queue lies: ``store``, or a SQLite file in the data folder."""
        return self.store if self.store is not None else self.data / "queue.db"

    @property
    def evidence_root(self) -> Path:
        """The folder that evidence packages are written to, and wait in for the store, if any."""
        return self.data / "evidence"

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of every value that can change a result.

        Where results are kept (``data``, ``store``, ``evidence.store``) is left out, and so is how
        packages are signed and judged, how cases are named and timed, how live streams are reached
        and received, who receives events and is served, what is seen from above or by sensors, and
        what the registries know. A zones file enters with its content, so that moving it changes
        nothing and editing it does.
        """
        elsewhere = {"data", "store", "cases", "live", "outlets", "notices", "service"}
        elsewhere |= set(_OTHER_SOURCES)
        values = self.model_dump(mode="json", exclude=elsewhere)
        for key in ("store", "timestamp", "credentials", "profiles"):
            del values["evidence"][key]
        for camera, entry in zip(self.cameras, values["cameras"], strict=True):
            for key in STREAM_KEYS:
                del entry[key]
            if camera.zones is not None and camera.zones.is_file():
                entry["zones"] = hashlib.sha256(camera.zones.read_bytes()).hexdigest()
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

"""The typed view of ``config.yaml``: one model per section, no unknown keys, units in names."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from cv_engine.config.messages import describe
from cv_engine.config.satellite import SatelliteConfig
from cv_engine.config.section import (
    Count,
    FilePath,
    Fraction,
    Latitude,
    Longitude,
    Megabytes,
    Metres,
    PixelPosition,
    Pixels,
    Port,
    Seconds,
    SecondsOrZero,
    Section,
    Switch,
    Text,
    Unit,
)
from cv_engine.config.yaml_document import YamlError, read_yaml
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.storage.address import read_address
from zones.camera import Camera, GroundControlPoint


class ConfigError(ValueError):
    """The configuration cannot be used.

    The text has one line per problem: file, line, key, what is wrong, what to do.
    """


_DATE_AND_TIME = ({"Y", "m", "d", "H", "M"}, {"Y", "j", "H", "M"}, {"y", "m", "d", "H", "M"})
_UNIX_TIME = "s"  # seconds since 1970; not strptime's, but recorders name files so
# How a camera's stream is reached: no result depends on it, and nobody shall read it anywhere.
STREAM_KEYS = frozenset({"url", "user", "password", "password_env", "transport"})
STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https")
_STREAM_URL = re.compile(rf"(?i)({'|'.join(STREAM_SCHEMES)})://[^\s/?#]+")
_DIRECTIVES = set("YymdjHIMSfpbBzZaA%")


class DetectorConfig(Section):
    """The object detector."""

    model: Text = "yolov8n"
    backend: Literal["auto", "onnxruntime", "openvino"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    threads: Count = 1
    confidence: Fraction = 0.25
    input_size: Count | None = None


class VideoConfig(Section):
    """Which frames of a video are looked at."""

    sample_s: Seconds = 2.0
    decode: Literal["auto", "key", "nonref", "all"] = "auto"


class ChangeConfig(Section):
    """When the detector is asked although nothing has come to rest or gone."""

    refresh_s: Seconds = 120.0


class TrackingConfig(Section):
    """How one thing is followed from look to look."""

    lost_s: Seconds = 20.0


class ParkingConfig(Section):
    """Vehicles that stand in a zone."""

    enabled: Switch = True
    dwell_s: Seconds = 300.0
    non_motor_dwell_s: Seconds = 600.0
    min_size_px: Pixels = 16.0


class ClutterConfig(Section):
    """Goods, bags and rubbish left standing in a zone."""

    enabled: Switch = True
    dwell_s: Seconds = 600.0
    min_size_px: Pixels = 12.0


class RulesConfig(Section):
    """One entry per violation rule."""

    parking: ParkingConfig = ParkingConfig()
    clutter: ClutterConfig = ClutterConfig()


class EvidenceConfig(Section):
    """What is kept with a case."""

    before_s: SecondsOrZero = 5.0
    after_s: SecondsOrZero = 5.0
    jpeg_quality: Annotated[
        int,
        Field(ge=1, le=100, strict=True),
        Unit("a whole number from 1 to 100", "92"),
    ] = 92
    redact: Switch = True
    store: Text | None = None

    @field_validator("store")
    @classmethod
    def _in_object_storage(cls, store: str | None) -> str | None:
        if store is not None:
            try:
                read_address(store)
            except EvidenceError as error:
                raise ValueError(f"{error}; null keeps evidence in the data folder") from None
        return store


class LiveConfig(Section):
    """Live streams: how they are looked at, and what is kept of them."""

    workers: Count | None = None
    calm_sample_s: Seconds = 4.0
    stall_s: Seconds = 10.0
    retry_s: Seconds = 60.0
    gap_s: Seconds = 1800.0
    blind_s: Seconds = 600.0
    batch_wait_s: SecondsOrZero = 0.2
    ring_s: Seconds = 20.0
    ring_mb: Megabytes = 8.0
    checkpoint_s: Seconds = 60.0
    metrics_host: Text = "127.0.0.1"
    metrics_port: Port | None = 9108


class GroundControlPointConfig(Section):
    """A spot on the ground that is known both in the picture and on the map."""

    x: PixelPosition
    y: PixelPosition
    latitude: Latitude
    longitude: Longitude


class CameraConfig(Section):
    """One camera: where it stands, what it sees, which zones are watched in it."""

    name: Text
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    ground_control_points: tuple[GroundControlPointConfig, ...] = ()
    position_radius_m: Metres = 100.0
    max_fit_error_m: Metres = 2.0
    zones: FilePath | None = None
    timezone: Text = "UTC"
    file_time: Text | None = None
    url: SecretStr | None = None
    user: Text | None = None
    password: SecretStr | None = None
    password_env: Text | None = None
    transport: Literal["tcp", "udp"] = "tcp"

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
            raise ValueError(
                f"{name!r} is no time zone; take a name of the IANA list, such as Asia/Shanghai"
            ) from None
        return name

    @field_validator("file_time")
    @classmethod
    def _complete_pattern(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        used = set(re.findall(r"%(.)", pattern))
        if used == {_UNIX_TIME} and pattern.count(f"%{_UNIX_TIME}") == 1:
            return pattern
        if _UNIX_TIME in used:
            raise ValueError(
                "%s, seconds since 1970, stands once and without other parts of a time"
            )
        unknown = sorted(used - _DIRECTIVES)
        if unknown:
            raise ValueError(
                f"%{unknown[0]} is no part of a time; use %Y %m %d %H %M %S as in Python's strptime"
            )
        if not any(needed <= used for needed in _DATE_AND_TIME):
            raise ValueError(
                "the pattern does not give a full date and time; "
                'write one such as "cam1_%Y%m%d_%H%M%S"'
            )
        return pattern

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _STREAM_URL.match(url.get_secret_value()):
            raise ValueError(
                "this is no stream's address; write one such as rtsp://10.0.0.5/stream1 "
                f"({', '.join(STREAM_SCHEMES)} are known)"
            )
        return url

    @model_validator(mode="after")
    def _one_password(self) -> CameraConfig:
        if self.password is not None and self.password_env is not None:
            raise ValueError("password and password_env are both there; one of them is enough")
        return self

    @model_validator(mode="after")
    def _usable_place(self) -> CameraConfig:
        if (self.latitude is None) != (self.longitude is None):
            missing = "longitude" if self.longitude is None else "latitude"
            raise ValueError(f"{missing} is missing; a place needs latitude and longitude")
        self.camera()
        return self

    def camera(self) -> Camera:
        """The camera as the zones package knows it.

        Raises:
            zones.problem.ZoneError: The ground control points give no homography.
        """
        position = None
        if self.latitude is not None and self.longitude is not None:
            position = (self.latitude, self.longitude)
        points = tuple(
            GroundControlPoint(p.x, p.y, p.latitude, p.longitude)
            for p in self.ground_control_points
        )
        return Camera(
            name=self.name,
            position=position,
            ground_control_points=points,
            position_radius_m=self.position_radius_m,
            max_fit_error_m=self.max_fit_error_m,
        )


class Config(Section):
    """All settings of a run."""

    data: FilePath = Path("cv-engine-data")
    store: Text | None = None
    detector: DetectorConfig = DetectorConfig()
    video: VideoConfig = VideoConfig()
    change: ChangeConfig = ChangeConfig()
    tracking: TrackingConfig = TrackingConfig()
    rules: RulesConfig = RulesConfig()
    evidence: EvidenceConfig = EvidenceConfig()
    live: LiveConfig = LiveConfig()
    satellite: SatelliteConfig = SatelliteConfig()
    cameras: tuple[CameraConfig, ...] = ()

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

    @property
    def queue(self) -> str | Path:
        """Where the case queue lies: ``store``, or a SQLite file in the data folder."""
        return self.store if self.store is not None else self.data / "queue.db"

    @property
    def evidence_root(self) -> Path:
        """The folder that evidence packages are written to, and wait in where a store keeps them."""
        return self.data / "evidence"

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of every value that can change a result.

        Where results are kept (``data``, ``store``, ``evidence.store``) is left out, and so is how
        live streams are reached and received, and what is seen from above. A zones file enters with
        its content, so that moving it changes nothing and editing it does.
        """
        values = self.model_dump(mode="json", exclude={"data", "store", "live", "satellite"})
        del values["evidence"]["store"]
        for camera, entry in zip(self.cameras, values["cameras"], strict=True):
            for key in STREAM_KEYS:
                del entry[key]
            if camera.zones is not None and camera.zones.is_file():
                entry["zones"] = hashlib.sha256(camera.zones.read_bytes()).hexdigest()
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def default_config_path() -> Path:
    """Where the documented ``config.yaml`` lies: in the package of a wheel, else in the project's root."""
    package = Path(__file__).parents[1]
    packaged = package / "config.yaml"
    return packaged if packaged.is_file() else package.parent / "config.yaml"


def load_config(path: Path | None = None) -> Config:
    """Read the configuration; relative paths in it start at the folder it lies in.

    Args:
        path: The file; ``None`` means the documented defaults, whose relative paths start at the
            working folder.

    Raises:
        ConfigError: The file is missing or has errors; all of them are told at once.
    """
    config = read_config(default_config_path() if path is None else path)
    base = Path.cwd() if path is None else path.resolve().parent
    return _with_absolute_paths(config, base)


def read_config(path: Path) -> Config:
    """Like :func:`load_config`, with the paths left as they are written.

    Raises:
        ConfigError: The file is missing or has errors; all of them are told at once.
    """
    try:
        document = read_yaml(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; correct the path") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except YamlError as error:
        raise ConfigError(f"{path}:{error.line}: {error}".replace(":0:", ":")) from None
    problems = [
        (line, f"{key}: written twice, first on line {first}; remove one of the two")
        for key, line, first in document.duplicates()
    ]
    config = None
    try:
        config = Config.model_validate(document.value)
    except ValidationError as error:
        problems += describe(error, Config, document)
    if config is None or problems:
        lines = [f"{path}:{line}: {text}" for line, text in sorted(problems)]
        raise ConfigError("\n".join(lines))
    return config


def _with_absolute_paths(config: Config, base: Path) -> Config:
    cameras = tuple(
        camera
        if camera.zones is None
        else camera.model_copy(update={"zones": base / camera.zones.expanduser()})
        for camera in config.cameras
    )
    store = config.store
    if store is not None and "://" not in store:
        store = str(base / Path(store).expanduser())
    data = base / config.data.expanduser()
    satellite = config.satellite.based(base)
    values = {"cameras": cameras, "satellite": satellite, "store": store, "data": data}
    return config.model_copy(update=values)

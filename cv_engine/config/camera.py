"""One entry of the ``cameras`` section: where a camera stands, what it sees, how it is reached."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import SecretStr, field_validator, model_validator

from cv_engine.section import (
    ClockErrorSeconds,
    FilePath,
    Latitude,
    Longitude,
    Metres,
    Name,
    PicturesPerSecond,
    PixelPosition,
    Section,
    Switch,
    Text,
)
from cv_engine.stream_url import STREAM_SCHEMES, split_url
from zones.camera import Camera, GroundControlPoint
from zones.errors import ScheduleError
from zones.schedule import time_zone

_DATE_AND_TIME = ({"Y", "m", "d", "H", "M"}, {"Y", "j", "H", "M"}, {"y", "m", "d", "H", "M"})
_UNIX_TIME = "s"  # seconds since 1970; not strptime's, but recorders name files so
# How a camera's stream is reached: no result depends on these keys, and no text may show them.
STREAM_KEYS = frozenset(
    {
        *("url", "user", "password", "password_env", "transport", "allow_hosts"),
        *("tls_verify", "tls_fingerprint", "tls_ca"),
    }
)
_STREAM_URL = re.compile(rf"(?i)({'|'.join(STREAM_SCHEMES)})://")
_FINGERPRINT = re.compile(r"(?i)sha-?256:? *((?:[0-9a-f]{2}:?){31}[0-9a-f]{2})")
_DIRECTIVES = set("YymdjHIMSfpbBzZaA%")


class GroundControlPointConfig(Section):
    """A spot on the ground that is known both in the picture and on the map."""

    x: PixelPosition
    y: PixelPosition
    latitude: Latitude
    longitude: Longitude


class CameraConfig(Section):
    """One camera: where it stands, what it sees, which zones are watched in it."""

    name: Name
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    ground_control_points: tuple[GroundControlPointConfig, ...] = ()
    position_radius_m: Metres = 100.0
    max_fit_error_m: Metres = 2.0
    zones: FilePath | None = None
    timezone: Text = "UTC"
    clock_error_s: ClockErrorSeconds | None = None
    file_time: Text | None = None
    fps: PicturesPerSecond | None = None
    url: SecretStr | None = None
    user: Text | None = None
    password: SecretStr | None = None
    password_env: Text | None = None
    transport: Literal["tcp", "udp", "http"] = "tcp"
    allow_hosts: tuple[Text, ...] = ()
    tls_verify: Switch = True
    tls_fingerprint: Text | None = None
    tls_ca: FilePath | None = None

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, name: str) -> str:
        try:
            time_zone(name)
        except ScheduleError:
            raise ValueError(
                f"{name!r} is no time zone; take a name of the IANA list, such as Asia/Shanghai, "
                "or a fixed offset, such as UTC+08:00"
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
    def _usable_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _STREAM_URL.match(url.get_secret_value()):
            raise ValueError(
                "this is no stream's address; write one such as rtsp://10.0.0.5/stream1 "
                f"({', '.join(STREAM_SCHEMES)} are known)"
            )
        if url is not None:
            split_url(url.get_secret_value())
        return url

    @field_validator("tls_fingerprint")
    @classmethod
    def _sha256(cls, written: str | None) -> str | None:
        if written is None:
            return None
        match = _FINGERPRINT.fullmatch(written.strip())
        if match is None:
            raise ValueError(
                "this is no SHA-256 fingerprint; write sha256: and 64 hexadecimal digits, as "
                "watch reports them of a certificate that is not trusted"
            )
        return f"sha256:{match[1].replace(':', '').lower()}"

    @model_validator(mode="after")
    def _one_trust(self) -> CameraConfig:
        if self.tls_fingerprint is not None and self.tls_ca is not None:
            raise ValueError(
                "tls_fingerprint and tls_ca are both there; a certificate that is pinned needs no "
                "authority"
            )
        given = self.tls_fingerprint is not None or self.tls_ca is not None
        if given and not self.tls_verify:
            raise ValueError("tls_verify: false trusts any certificate; remove one of the two keys")
        url = None if self.url is None else self.url.get_secret_value().lower()
        if given and url is not None and not url.startswith(("rtsps://", "https://")):
            raise ValueError(
                "tls_fingerprint and tls_ca have no effect on this url; TLS is used where it "
                "begins with rtsps:// or https://"
            )
        return self

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

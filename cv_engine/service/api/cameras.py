"""Cameras: where they are, whether they are being watched, and their zones."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cv_engine.cases.lifecycle import Role
from cv_engine.config import CameraConfig, ConfigError
from cv_engine.live.control.status_snapshot import CameraEntry, read_snapshot
from cv_engine.service.access import Caller, need
from cv_engine.service.accounts.tokens import Scope
from cv_engine.service.api.values import Name, Sharing
from cv_engine.service.errors import missing
from cv_engine.service.shared import Shared

router = APIRouter(prefix="/api", tags=["cameras"])
_Reader = Annotated[Caller, need(Role.VIEWER, Scope.CAMERAS)]
_Side = Annotated[int | None, Query(ge=1, le=100_000)]


class CameraRow(BaseModel):
    """A camera of the configuration, with its state where it is being watched."""

    name: str = Field(examples=["market-street"])
    latitude: float | None
    longitude: float | None
    timezone: str = Field(examples=["Asia/Shanghai"])
    has_stream: bool
    has_zones: bool
    state: str | None = Field(
        examples=["live"], description="Of the stream; null where it is not being watched."
    )
    since: float | None = Field(description="When that state began, seconds since 1970.")
    message: str | None = Field(description="Why it is not live.")
    view: str | None = Field(examples=["good"], description="Good, moved, covered, dark, frozen.")
    samples: int | None
    cases: int | None


class CameraList(BaseModel):
    """All cameras."""

    at: float | None = Field(description="When the states were written, seconds since 1970.")
    stale: bool = Field(description="Whether the program that writes them is gone.")
    cameras: list[CameraRow]


class ZoneProblem(BaseModel):
    """Something in a zones file that is wrong or doubtful."""

    severity: str = Field(examples=["error"])
    where: str = Field(examples=["line 7: zone pavement"])
    what: str
    advice: str


class Checked(BaseModel):
    """Whether zones can be used."""

    usable: bool
    problems: list[ZoneProblem]


@router.get("/cameras")
def list_cameras(shared: Sharing, by: _Reader) -> CameraList:
    """The cameras of the configuration, and those that are being watched."""
    snapshot = read_snapshot(shared.config.data)
    states = {} if snapshot is None else {each.status.camera: each for each in snapshot.cameras}
    return CameraList(
        at=None if snapshot is None else snapshot.at,
        stale=snapshot is not None and snapshot.is_stale(shared.clock().timestamp()),
        cameras=[_row(camera, states.get(camera.name)) for camera in shared.config.cameras],
    )


@router.get("/cameras/{name}/zones")
def get_zones(name: Name, shared: Sharing, by: _Reader) -> dict[str, Any]:
    """The zones of a camera as GeoJSON; no features where it has no file of its own."""
    camera = _camera(shared, name)
    if camera.zones is None:
        return {"type": "FeatureCollection", "features": []}
    try:
        found = json.loads(camera.zones.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise missing(f"the zones file of camera {name} is not there") from None
    return found if isinstance(found, dict) else {"type": "FeatureCollection", "features": []}


@router.post("/zones/check")
def check_zones(
    zones: dict[str, Any],
    shared: Sharing,
    by: _Reader,
    camera: Annotated[Name | None, Query(description="The camera that they are for.")] = None,
    width: _Side = None,
    height: _Side = None,
) -> Checked:
    """Check zones (GeoJSON) as `cv-engine zones check` does, without keeping them."""
    from cv_engine.pipeline.camera_setup import check_zones as check

    entry = None if camera is None else _camera(shared, camera)
    with tempfile.TemporaryDirectory(prefix="cv-engine-") as folder:
        path = Path(folder) / "zones.geojson"
        # In lines, as the messages count them: one value each.
        path.write_text(json.dumps(zones, indent=1, ensure_ascii=False), encoding="utf-8")
        found = check(path, entry, width, height)
        problems = [
            ZoneProblem(
                severity=each.severity,
                where=each.where.replace(str(path), "zones"),
                what=each.what.replace(str(path), "zones"),
                advice=each.advice,
            )
            for each in found
        ]
    usable = all(each.severity != "error" for each in problems)
    return Checked(usable=usable, problems=problems)


def _camera(shared: Shared, name: str) -> CameraConfig:
    try:
        return shared.config.camera(name)
    except ConfigError as error:
        raise missing(str(error)) from None


def _row(camera: CameraConfig, entry: CameraEntry | None) -> CameraRow:
    status = None if entry is None else entry.status
    return CameraRow(
        name=camera.name,
        latitude=camera.latitude,
        longitude=camera.longitude,
        timezone=camera.timezone,
        has_stream=camera.url is not None,
        has_zones=camera.zones is not None,
        state=None if status is None else status.state,
        since=None if status is None else status.since,
        message=None if status is None else status.message,
        view=None if status is None else status.view,
        samples=None if status is None else status.samples,
        cases=None if status is None else status.cases,
    )

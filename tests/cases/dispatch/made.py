"""Organisations made for the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cv_engine.cases.dispatch import Organisation, read_organisation

KINDS = ("motor_vehicle_parked", "clutter", "camera_blind")

CITY = """\
departments:
  - {id: street, name: street management, name_zh: 街面秩序科, teams: [north, south]}
  - {id: sanitation, name: sanitation office}
officers:
  - {name: Li Wei, department: street, team: north}
  - {name: Chen Jie, role: supervisor}
  - {name: Guest, role: viewer}
areas: areas.geojson
"""


def square(west: float, south: float, side: float = 1.0) -> dict[str, Any]:
    """A square in degrees, from its south-western corner."""
    east, north = west + side, south + side
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def feature(geometry: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


#: Market Street lies in the north of the old town; the river's bank is the sanitation office's.
AREAS = (
    feature(square(121.0, 29.0), name="Old Town", department="street", team="south"),
    feature(square(121.4, 29.4, 0.2), name="Market Street", department="street", team="north"),
    feature(
        square(121.0, 29.0, 2.0),
        name="River Bank",
        department="sanitation",
        kinds=["clutter"],
        zones=["quay"],
        cameras=["bridge-2"],
    ),
)


def write_city(folder: Path, text: str = CITY, areas: tuple[dict[str, Any], ...] = AREAS) -> Path:
    """Write an organisation with its areas; return the organisation's file."""
    path = folder / "organisation.yaml"
    path.write_text(text, encoding="utf-8")
    collection = {"type": "FeatureCollection", "features": list(areas)}
    (folder / "areas.geojson").write_text(json.dumps(collection, indent=1), encoding="utf-8")
    return path


def city(folder: Path, text: str = CITY, areas: tuple[dict[str, Any], ...] = AREAS) -> Organisation:
    """Write and read an organisation."""
    return read_organisation(write_city(folder, text, areas), KINDS)

"""The files that a city keeps: taxonomy, working calendar, organisation, areas; all made up."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

TIME_ZONE = "Asia/Shanghai"
WEST, SOUTH, STREET_DEG = 121.50, 29.80, 0.01  # a street is a square of about 1 km
STREETS = ("Harbour Street", "Market Street", "Station Road", "Canal Street")

_TAXONOMY = """
version: "made up"
default_standard: Town 1
standards:
  - {id: Town 1, digits: 3, major_digits: 1, provisional: true, provenance: made up, majors: {
      "1": {name: street order, name_zh: 街面秩序},
      "2": {name: city appearance, name_zh: 市容环境}}}
reasons:
  - {id: no_violation, name: no violation, name_zh: 不属于违规, actions: [reject]}
  - {id: not_done, name: not done, name_zh: 未整改, actions: [return]}
  - {id: not_ours, name: another department, name_zh: 非本单位, actions: [return]}
classes:
  - kind: motor_vehicle_parked
    name: motor vehicle parked disorderly
    codes: {Town 1: "101"}
    department: traffic
    limits: {confirm: 2 working hours, close: 1 working day}
    recurrence: {may_return: false}
  - kind: street_vendor
    name: unlicensed street vendor
    codes: {Town 1: "102"}
    department: market
    limits: {confirm: 2 working hours, dispatch: 2 working hours, handle: 1 working day,
             verify: 4 working hours, close: 3 working days}
  - kind: clutter
    name: piled goods and materials
    codes: {Town 1: "201"}
    department: sanitation
    limits: {confirm: 4 working hours, dispatch: 2 working hours, handle: 2 working days,
             verify: 4 working hours, close: 5 working days}
    urgent_limits: {handle: 12 hours, close: 24 hours}
    recurrence: {join_within: 30 minutes, reopen_within: 1 day}
  - kind: exposed_rubbish
    name: exposed rubbish
    codes: {Town 1: "202"}
    department: sanitation
    limits: {confirm: 4 working hours, handle: 24 hours, close: 3 days}
    recurrence: {join_within: 30 minutes, reopen_within: 1 day}
"""

_CALENDAR = f"""
timezone: {TIME_ZONE}
office_hours:
  monday: [08:30-12:00, 13:30-17:30]
  tuesday: [08:30-12:00, 13:30-17:30]
  wednesday: [08:30-12:00, 13:30-17:30]
  thursday: [08:30-12:00, 13:30-17:30]
  friday: [08:30-12:00, 13:30-17:30]
holidays: [2026-10-01/2026-10-07]
working_days: {{2026-10-10: wednesday}}
"""

_ORGANISATION = """
departments:
  - {id: traffic, name: traffic police, name_zh: 交警, teams: [east, west]}
  - {id: sanitation, name: sanitation office, name_zh: 环卫处, teams: [east, west]}
  - {id: market, name: market inspection, name_zh: 市场监管}
officers:
  - {name: Li, role: officer}
  - {name: Wang, role: officer}
  - {name: Zhao, role: officer, department: sanitation, team: east}
  - {name: Chen, role: supervisor}
areas: areas.geojson
"""


@dataclass(frozen=True, slots=True)
class CityFiles:
    """Paths of the files of a made-up city."""

    taxonomy: Path
    calendar: Path
    organisation: Path


def write_city(folder: Path) -> CityFiles:
    """Write the files of the city into a folder."""
    files = CityFiles(
        *(folder / f"{name}.yaml" for name in ("taxonomy", "calendar", "organisation"))
    )
    texts = (_TAXONOMY, _CALENDAR, _ORGANISATION)
    for path, text in zip((files.taxonomy, files.calendar, files.organisation), texts, strict=True):
        path.write_text(text, encoding="utf-8")
    features = [_area(number, name) for number, name in enumerate(STREETS)]
    areas = {"type": "FeatureCollection", "features": features}
    (folder / "areas.geojson").write_text(json.dumps(areas), encoding="utf-8")
    return files


def _area(number: int, name: str) -> dict[str, object]:
    """A street: the first two are the eastern teams', the others the western teams'."""
    west, east = WEST + number * STREET_DEG, WEST + (number + 1) * STREET_DEG
    ring = [[west, SOUTH], [east, SOUTH], [east, SOUTH + STREET_DEG], [west, SOUTH + STREET_DEG]]
    return {
        "type": "Feature",
        "properties": {"name": name},
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
    }

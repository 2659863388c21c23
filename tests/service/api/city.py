"""A city's cases for the tests of the API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cv_engine.cases import Filed, Queue
from cv_engine.finding import Finding
from tests.cases.made import at, finding, located


def file_some(queue: Queue, count: int = 3) -> list[int]:
    """Cars that stand in different places, a minute apart."""
    return [queue.file(car(number)).case_id for number in range(count)]


def car(number: int, **more: Any) -> Finding:
    """One of many cars, each at a place and a time of its own."""
    return located(121.5 + number / 100, 29.5, number * 60, number * 60 + 30, **more)


def two_areas(folder: Path) -> Path:
    """A configuration with the areas north and south, which meet at 29 degrees."""

    def area(name: str, south: float) -> dict[str, Any]:
        ring = [[121, south], [122, south], [122, south + 1], [121, south + 1], [121, south]]
        return {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"name": name, "department": "street"},
        }

    features = [area("north", 29.0), area("south", 28.0)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "areas.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": features})
    )
    path = folder / "organisation.yaml"
    path.write_text("departments: [{id: street, name: Street}]\nareas: areas.geojson\n")
    return path


__all__ = ["Filed", "at", "car", "file_some", "finding", "two_areas"]

"""An area over three dates: a site that grows is one case, which a permit closes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from cv_engine.cases import Queue, State, open_queue
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.verify import verify
from satellite.areas.area import Area
from satellite.areas.run import AreaRun, Office, run
from satellite.compare.tile_executor import TileWork
from satellite.errors import SatelliteError
from satellite.records.judge import Judge
from satellite.records.permits import read_land
from tests.satellite.levir import Tiles, image

_AT = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    key = SigningKey.load_or_create(tmp_path / "key.pem")
    with open_queue(tmp_path / "queue.db") as queue:
        yield Office(queue, key, tmp_path / "evidence", tmp_path / "satellite", 5.0)


@pytest.fixture
def area(shared_data: Path, tmp_path: Path) -> Area:
    """Half of a large building first, all of it and its neighbours a month later."""
    tiles = Tiles(shared_data)
    images = tmp_path / "images"
    for day, picture in zip(("20260101", "20260201", "20260301"), tiles.growing(), strict=True):
        image(images, day, picture)
    return Area("west", images, model=tiles.weights)


def _run(area: Area, office: Office, judge: Judge | None = None) -> AreaRun:
    return run(area, judge or Judge(), office, _AT)


def _nobody(work: TileWork, names: Sequence[str]) -> Iterator[str]:
    raise AssertionError(f"all tiles are judged, but {names} are given out")


def _later(area: Area, name: str) -> Path:
    """Takes the last image away until it is to come."""
    path = area.images / name
    away = area.images.parent / name
    path.rename(away)
    return away


def test_a_site_that_grows_is_one_case_and_a_permit_closes_it(
    area: Area, office: Office, tmp_path: Path
) -> None:
    third = _later(area, "aerial-20260301.tif")
    first = _run(area, office)
    assert first.filed
    known = {case.id: case for case in office.queue.cases()}
    third.rename(area.images / third.name)
    second = _run(area, office)
    grown = [number for number in second.joined if number in known]
    assert grown, "the site goes on beside what stood there in February"
    for case in office.queue.cases():
        assert case.evidence is not None
        assert verify(office.evidence / case.evidence) == []
    _check_report(second)
    # Run again, it files nothing.
    count = office.queue.count()
    again = run(area, Judge(), office, _AT, crew=_nobody)
    assert (again.filed, office.queue.count()) == ((), count)
    permits = tmp_path / "permits.geojson"
    permits.write_text(_permit(office.queue))
    land = read_land(permits)
    closed = _run(area, office, Judge(land.permits))
    assert set(closed.permitted) == {case.id for case in office.queue.cases()}
    for case in office.queue.cases():
        assert case.state is State.WITHDRAWN
        assert "2026-0117" in office.queue.history(case.id)[-1].note


def test_an_image_without_a_date_is_told(area: Area, office: Office) -> None:
    (area.images / "aerial-20260301.tif").rename(area.images / "aerial.tif")
    with pytest.raises(SatelliteError, match=r"aerial\.tif: does not tell when it was taken"):
        _run(area, office)


def _check_report(done: AreaRun) -> None:
    """It shows every comparison and every site, and all of its pictures are there."""
    page = done.report.read_text()
    assert page.count("<h2>2026") == 2
    assert page.count("<figure id=") == sum(len(each.sites) for each in done.comparisons)
    for comparison in done.comparisons:
        assert len(list(comparison.folder.glob("pictures/map-*.jpg"))) == 1
    for link in re.findall(r'src="([^"]+)"', page):
        assert (done.report.parent / link).is_file()


def _permit(queue: Queue) -> str:
    """A permit for a plot that holds all cases."""
    boxes = []
    for case in queue.cases():
        assert case.place.geometry is not None
        boxes.append(np.array(case.place.geometry["coordinates"][0]).reshape(-1, 2))
    points = np.concatenate(boxes)
    (west, south), (east, north) = points.min(axis=0) - 1e-4, points.max(axis=0) + 1e-4
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    feature = {
        "type": "Feature",
        "properties": {"permit": "2026-0117", "valid_from": "2026-05-01"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    return json.dumps({"type": "FeatureCollection", "features": [feature]})

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
from cv_engine.evidence.filing import CaseFiler
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.verify import verify
from satellite.areas.area import Area
from satellite.areas.run import AreaRun, FilingContext, folder_name, run
from satellite.compare.comparison_request import ComparisonRequest, Source
from satellite.compare.tile_executor import TileWork
from satellite.errors import SatelliteError
from satellite.records.judge import Judge
from satellite.records.permits import read_land
from tests.satellite.levir import Tiles, image

_AT = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def context(tmp_path: Path) -> Iterator[FilingContext]:
    key = SigningKey.load_or_create(tmp_path / "key.pem")
    with open_queue(tmp_path / "queue.db") as queue:
        cases = CaseFiler(queue, key, tmp_path / "evidence")
        yield FilingContext(cases, tmp_path / "satellite", 5.0)


@pytest.fixture
def area(shared_data: Path, tmp_path: Path) -> Area:
    """Half of a large building first, all of it and its neighbours a month later."""
    tiles = Tiles(shared_data)
    images = tmp_path / "images"
    for day, picture in zip(("20260101", "20260201", "20260301"), tiles.growing(), strict=True):
        image(images, day, picture)
    return Area("west", images, model=tiles.weights)


def _run(area: Area, context: FilingContext, judge: Judge | None = None) -> AreaRun:
    return run(area, judge or Judge(), context, _AT)


def _no_executor(work: TileWork, names: Sequence[str]) -> Iterator[str]:
    raise AssertionError(f"all tiles are judged already, but {names} are judged again")


def _move_away(area: Area, name: str) -> Path:
    """Moves an image out of the area's folder until a later run."""
    path = area.images / name
    away = area.images.parent / name
    path.rename(away)
    return away


def test_a_site_that_grows_is_one_case_and_a_permit_closes_it(
    area: Area, context: FilingContext, tmp_path: Path
) -> None:
    third = _move_away(area, "aerial-20260301.tif")
    first = _run(area, context)
    assert first.filed
    known = {case.id: case for case in context.cases.queue.cases()}
    third.rename(area.images / third.name)
    second = _run(area, context)
    grown = [number for number in second.joined if number in known]
    assert grown, "the site grows beside the building of February"
    for case in context.cases.queue.cases():
        assert case.evidence is not None
        assert verify(context.cases.root / case.evidence) == []
    _check_report(second)
    # A second run files nothing.
    count = context.cases.queue.count()
    again = run(area, Judge(), context, _AT, executor=_no_executor)
    assert (again.filed, context.cases.queue.count()) == ((), count)
    permits = tmp_path / "permits.geojson"
    permits.write_text(_permit(context.cases.queue))
    land = read_land(permits)
    closed = _run(area, context, Judge(land.permits))
    assert set(closed.permitted) == {case.id for case in context.cases.queue.cases()}
    for case in context.cases.queue.cases():
        assert case.state is State.WITHDRAWN
        assert "2026-0117" in context.cases.queue.history(case.id)[-1].note


def test_an_image_without_a_date_is_refused(area: Area, context: FilingContext) -> None:
    (area.images / "aerial-20260301.tif").rename(area.images / "aerial.tif")
    message = r"aerial\.tif: the image does not say when it was taken"
    with pytest.raises(SatelliteError, match=message):
        _run(area, context)


def test_folders_of_comparisons_made_before_are_found_again() -> None:
    """The digest in a folder's name is that of version 0.1.0."""
    before, after = (
        Source(
            f"images/aerial-2026{month:02d}01.tif", acquired=datetime(2026, month, 1, tzinfo=UTC)
        )
        for month in (1, 2)
    )
    assert folder_name(ComparisonRequest(before, after)) == "20260101-20260201-fe6fa170"


def _check_report(done: AreaRun) -> None:
    """The report shows every comparison and every site, and all of its pictures exist."""
    page = done.report.read_text()
    assert page.count("<h2>2026") == 2
    assert page.count("<figure id=") == sum(len(each.sites) for each in done.comparisons)
    for comparison in done.comparisons:
        assert len(list(comparison.folder.glob("pictures/map-*.jpg"))) == 2
        layer = json.loads((comparison.folder / "changes.geojson").read_text())["features"]
        assert [each["properties"]["site"] for each in layer] == list(range(1, len(layer) + 1))
        assert all(each["properties"]["case"] for each in layer)
    for link in re.findall(r'src="([^"]+)"', page):
        assert (done.report.parent / link).is_file()


def _permit(queue: Queue) -> str:
    """A permit for a plot that contains all cases."""
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

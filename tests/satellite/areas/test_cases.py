"""From changed buildings to cases: filed once, grown, gone and permitted later."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from PIL import Image as Pictures
from rasterio.io import MemoryFile
from shapely.geometry import Polygon, shape

from cv_engine.cases import Action, Assignment, Event, Filed, Queue, State, open_queue
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.verify import verify
from satellite.areas.cases import KIND, SiteFiler, close_permitted
from satellite.errors import SatelliteError
from satellite.imagery.acquisition import Acquisition
from satellite.records.judge import Judge
from satellite.records.permits import Exemption, Permit, PlanningZone
from satellite.report.chips import Chips
from satellite.vector.change_types import ChangeType
from tests.satellite.sites import CRS_, building, chips, filer, ground, lonlat, month

_ROOT = Path(__file__).resolve().parents[3]
_HOUSE = ground(0, 0, 20, 10)
_YEAR = (date(2026, 1, 1), date(2026, 12, 31))


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with open_queue(tmp_path / "queue.sqlite") as queue:
        yield queue


@pytest.fixture
def sites(queue: Queue, tmp_path: Path) -> SiteFiler:
    return filer(queue, tmp_path)


def _file(
    sites: SiteFiler,
    polygon: Polygon,
    change_type: ChangeType = "new",
    before: Acquisition | None = None,
    judge: Judge | None = None,
) -> Filed | None:
    """Files a building that appeared in the month after ``before`` (January)."""
    first = before or month(1)
    second = month(first.time.month + 1)
    found = building(polygon)
    verdict = (judge or Judge()).judge(
        lonlat(polygon), change_type, first.time, second.time, area_m2=found.area_m2
    )
    return sites.file(found, change_type, verdict, first, second, chips(polygon))


def _no_chips() -> Chips:
    raise AssertionError("the pictures are not needed")


def test_a_building_without_permit_is_a_case(queue: Queue, sites: SiteFiler) -> None:
    judge = Judge(
        [Permit("2026-0117", lonlat(ground(0, 0, 8, 10)), *_YEAR)],
        [PlanningZone("A1", lonlat(ground(-50, -50, 200, 200)), "forbidden")],
    )
    assert _file(sites, _HOUSE, judge=judge) == Filed(1, "new")
    case = queue.get(1)
    assert (case.kind, case.code, case.source, case.zone) == (KIND, "08016", "west", "A1")
    assert (case.began, case.observed) == (month(2).time, month(2).time)
    assert (case.place.basis, case.place.accuracy_m, case.confidence) == ("raster", 4.0, 0.9)
    assert case.place.geometry is not None
    footprint = shape(dict(case.place.geometry))
    assert footprint.symmetric_difference(lonlat(_HOUSE)).area < 1e-3 * footprint.area
    assert case.attributes == {
        "sort": "new",
        "area_m2": 200.0,
        "width_m": 10.0,
        "before": "2026-01-05T00:00:00+00:00",
        "after": "2026-02-05T00:00:00+00:00",
        "resolution_m": 2.1,
        "uncertain_share": 0.0,
        "detector": "tinycd",
        "detector_f1": 0.93,
        "detector_accuracy": "F1 0.93 on nine pairs of LEVIR-CD, aerial images of suburbs in Texas "
        "in pixels of 0.5 m; it does not hold for pixels of 2.1 m, expect far less",
        "permits": ["2026-0117"],
        "expired_permits": [],
        "outside_permit_m2": pytest.approx(120, abs=0.2),
        "planning_zone": "A1",
        "planning_building": "forbidden",
        "seen_by": [],
        "may_be_seen_by": [],
        "blind_spot": True,
    }


def test_evidence_is_complete_and_signed(queue: Queue, sites: SiteFiler) -> None:
    _file(sites, _HOUSE)
    (name,) = queue.evidence(1)
    package = sites.cases.root / name
    assert name.startswith("building_without_permit-west-20260205T000000Z-")
    assert verify(package, sites.cases.key.fingerprint) == []
    files = {str(path.relative_to(package)) for path in package.rglob("*.*")}
    assert files == {
        *("manifest.json", "manifest.sig"),
        *(f"original/{date}.{form}" for date in ("before", "after") for form in ("tif", "jpg")),
        *(f"shareable/{view}.jpg" for view in ("before", "after", "overlay", "before-after")),
        "shareable/before-after.gif",
    }
    manifest = json.loads((package / "manifest.json").read_bytes())
    assert manifest["finding"]["kind"] == KIND
    assert manifest["provenance"]["before"]["name"] == "zy3-01.tif"
    assert manifest["provenance"]["detector"] == {"name": "tinycd", "f1": 0.93}
    plain = chips(_HOUSE)().after
    data = (package / "original/after.tif").read_bytes()
    with MemoryFile(data) as memory, memory.open() as window:
        assert window.crs == CRS_
        assert np.array_equal(np.moveaxis(window.read(), 0, 2), plain)
    with Pictures.open(io.BytesIO((package / "original/before.jpg").read_bytes())) as picture:
        assert picture.size == (40, 40)
        exif = picture.getexif()
        assert exif.get_ifd(0x8769)[0x9003] == "2026:01:05 00:00:00"
        assert exif.get_ifd(0x8825)[3] == "E"
    with (package / "shareable/overlay.jpg").open("ab") as file:
        file.write(b"x")
    assert [problem.where for problem in verify(package)] == ["shareable/overlay.jpg"]


def test_filing_twice_is_filing_once(queue: Queue, sites: SiteFiler) -> None:
    _file(sites, _HOUSE)
    before = queue.get(1), queue.history(1)
    packages = _written(sites.cases.root)
    house = building(_HOUSE)
    turned = building(Polygon([*_HOUSE.exterior.coords[2:], *_HOUSE.exterior.coords[1:3]]))
    verdict = Judge().judge(
        lonlat(_HOUSE), "new", month(1).time, month(2).time, area_m2=house.area_m2
    )
    for again in (house, turned):
        filed = sites.file(again, "new", verdict, month(1), month(2), _no_chips)
        assert filed == Filed(1, "known")
    assert (queue.get(1), queue.history(1)) == before
    assert _written(sites.cases.root) == packages


def _written(root: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in root.rglob("*")}


def test_killed_between_evidence_and_filing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.satellite.sites", str(tmp_path)]
    done = subprocess.run(command, cwd=_ROOT, check=False, timeout=600)
    assert done.returncode == -signal.SIGKILL
    packages = _written(tmp_path / "evidence")
    assert packages
    with open_queue(tmp_path / "queue.sqlite") as queue:
        assert queue.count() == 0
        sites = filer(queue, tmp_path)
        assert _file(sites, _HOUSE) == Filed(1, "new")
        assert _file(sites, _HOUSE) == Filed(1, "known")
        assert len(queue.evidence(1)) == 1
    assert _written(tmp_path / "evidence") == packages, "the evidence was used as it was"


def test_evidence_that_was_sent_is_not_made_again(queue: Queue, sites: SiteFiler) -> None:
    _file(sites, _HOUSE)
    shutil.rmtree(sites.cases.root / queue.evidence(1)[0])
    _file(sites, _HOUSE)
    assert list(sites.cases.root.iterdir()) == []


def test_two_runs_over_a_growing_site_are_one_case_that_grows(
    queue: Queue, sites: SiteFiler
) -> None:
    assert _file(sites, _HOUSE) == Filed(1, "new")
    annexe = ground(20, 0, 15, 10)
    assert _file(sites, annexe, "extension", month(2)) == Filed(1, "joined")
    assert _file(sites, annexe, "extension", month(2)) == Filed(1, "known")
    (case,) = queue.cases()
    assert case.attributes["area_m2"] == pytest.approx(350, rel=5e-3)
    assert case.attributes["outside_permit_m2"] == case.attributes["area_m2"]
    assert (case.began, case.observed) == (month(2).time, month(3).time)
    filed, joined = queue.history(1)
    assert (filed.event, joined.event) == (Event.FILED, Event.JOINED)
    assert joined.data["attributes"]["sort"] == "extension"
    assert joined.data["attributes"]["area_m2"] == pytest.approx(150)
    folders = queue.evidence(1)
    assert len(folders) == 2
    assert all(verify(sites.cases.root / folder) == [] for folder in folders)


def test_an_extension_joins_the_case_after_months_without_change(
    queue: Queue, sites: SiteFiler
) -> None:
    _file(sites, _HOUSE)
    assert _file(sites, ground(18, 0, 9, 9), "extension", month(9)) == Filed(1, "joined")


@pytest.mark.parametrize(
    ("change_type", "gap_m", "more", "outcome"),
    [
        ("extension", 4, {}, "joined"),
        ("extension", 6, {}, "new"),
        ("extension", 6, {"gap_m": 12.0}, "joined"),
        ("extension", 4, {"gap_m": 0.0}, "new"),
        ("new", 4, {}, "new"),
        ("new", 0, {}, "joined"),
    ],
)
def test_an_extension_near_an_open_case_joins_it_and_another_building_does_not(
    queue: Queue,
    tmp_path: Path,
    change_type: ChangeType,
    gap_m: float,
    more: dict[str, Any],
    outcome: str,
) -> None:
    sites = filer(queue, tmp_path, **more)
    _file(sites, _HOUSE)
    filed = _file(sites, ground(20 + gap_m, 0, 9, 9), change_type, month(2))
    assert filed is not None
    assert filed.outcome == outcome


def test_five_houses_of_one_comparison_are_five_cases(queue: Queue, sites: SiteFiler) -> None:
    for number in range(5):
        _file(sites, ground(number * 21, 0, 20, 10), "new")
    assert queue.count() == 5


def test_an_extension_between_two_houses_joins_the_closer_one(
    queue: Queue, sites: SiteFiler
) -> None:
    _file(sites, _HOUSE)
    _file(sites, ground(30, 0, 20, 10))
    assert _file(sites, ground(21, 0, 5, 10), "extension", month(2)) == Filed(1, "joined")
    assert queue.get(2).state is State.REPORTED


@pytest.mark.parametrize("change_type", ["demolition", "bare_ground"])
def test_demolitions_and_bare_ground_are_not_filed_by_default(
    queue: Queue, sites: SiteFiler, change_type: ChangeType
) -> None:
    verdict = Judge().judge(lonlat(_HOUSE), change_type, month(1).time, month(2).time, area_m2=200)
    house = building(_HOUSE)
    assert sites.file(house, change_type, verdict, month(1), month(2), _no_chips) is None
    assert queue.count() == 0
    assert not sites.cases.root.exists()


def test_a_permitted_building_is_not_filed(queue: Queue, sites: SiteFiler) -> None:
    judge = Judge([Permit("1", lonlat(ground(-5, -5, 40, 40)), *_YEAR)])
    assert _file(sites, _HOUSE, judge=judge) is None
    assert queue.count() == 0


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ((), State.REPORTED),
        ((Action.CONFIRM,), State.CONFIRMED),
        ((Action.CONFIRM, Action.DISPATCH), State.DISPATCHED),
    ],
)
def test_a_permit_entered_later_closes_its_case_with_the_reason(
    queue: Queue, sites: SiteFiler, steps: tuple[Action, ...], state: State
) -> None:
    _file(sites, _HOUSE)
    _file(sites, ground(100, 100, 20, 10))
    for action in steps:
        queue.move(1, action, "Li", to=Assignment("construction"))
    # Granted after the building, and valid only from then on.
    permit = Permit("2026-0203", lonlat(ground(-5, -5, 40, 40)), date(2026, 3, 1))
    judge = Judge([permit])
    assert close_permitted(queue, judge, datetime(2026, 2, 20, tzinfo=UTC)) == []
    later = datetime(2026, 3, 10, tzinfo=UTC)
    assert close_permitted(queue, judge, later, source="east") == []
    assert close_permitted(queue, judge, later, source="west") == [1]
    assert queue.get(1).state is State.WITHDRAWN
    entry = queue.history(1)[-1]
    assert (entry.by, entry.note) == ("cv-engine", "permit 2026-0203, entered later")
    assert entry.from_state is state
    assert queue.get(2).state is State.REPORTED, "another building"
    assert close_permitted(queue, judge, later) == []


def test_a_site_that_has_grown_beyond_a_permit_stays_open(queue: Queue, sites: SiteFiler) -> None:
    _file(sites, _HOUSE)
    _file(sites, ground(20, 0, 25, 10), "extension", month(2))
    at = datetime(2026, 4, 1, tzinfo=UTC)
    house = Permit("1", lonlat(_HOUSE), *_YEAR)
    assert close_permitted(queue, Judge([house]), at) == []
    annexe = Permit("2", lonlat(ground(20, 0, 25, 10)), *_YEAR)
    assert close_permitted(queue, Judge([house, annexe]), at) == [1]
    assert queue.history(1)[-1].note == "permit 2, 1, entered later"


def test_an_exemption_entered_later_closes_too(queue: Queue, sites: SiteFiler) -> None:
    _file(sites, _HOUSE)
    judge = Judge(exempt=[Exemption("military", lonlat(ground(-50, -50, 200, 200)))])
    assert close_permitted(queue, judge, datetime(2026, 4, 1, tzinfo=UTC)) == [1]
    assert queue.history(1)[-1].note == "exempt: military, entered later"


def test_a_demolished_building_is_noted_in_its_case(queue: Queue, sites: SiteFiler) -> None:
    _file(sites, _HOUSE)
    _file(sites, ground(100, 100, 20, 10))
    ruins = [
        building(ground(-1, -1, 12, 12), appeared=False),
        building(ground(11, 0, 7, 10), appeared=False),
        building(ground(100, 100, 20, 10), appeared=True),
    ]
    assert sites.note_gone(ruins, month(2), month(3)) == [1]
    case = queue.get(1)
    assert case.gone_at == month(2).time, "when the building was last seen"
    assert case.state is State.REPORTED
    entry = queue.history(1)[-1]
    assert (entry.event, entry.note) == (
        *(Event.GONE, "gone in the image of 2026-03-05 (zy3-03.tif)"),
    )
    history = queue.history(1)
    assert sites.note_gone(ruins, month(2), month(3)) == []
    assert queue.history(1) == history
    assert queue.get(2).gone_at is None


@pytest.mark.parametrize(
    ("polygon", "before"),
    [
        pytest.param(ground(0, 0, 10, 10), 2, id="a wing of the building"),
        pytest.param(ground(30, 0, 20, 10), 2, id="the building next door"),
        pytest.param(_HOUSE, 1, id="seen in that image by another comparison"),
    ],
)
def test_a_case_is_not_marked_as_gone(
    queue: Queue, sites: SiteFiler, polygon: Polygon, before: int
) -> None:
    _file(sites, _HOUSE)
    ruin = building(polygon, appeared=False)
    assert sites.note_gone([ruin], month(before), month(before + 1)) == []
    assert queue.get(1).gone_at is None


def test_a_closed_case_is_not_marked_as_gone(queue: Queue, sites: SiteFiler) -> None:
    _file(sites, _HOUSE)
    queue.reject(1, "Li", "a tent")
    assert sites.note_gone([building(_HOUSE, appeared=False)], month(2), month(3)) == []


def test_nothing_is_filed_if_evidence_cannot_be_written(queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("a file")
    with pytest.raises(EvidenceError, match="evidence"):
        _file(filer(queue, tmp_path), _HOUSE)
    assert queue.count() == 0


def test_an_image_needs_a_time_zone() -> None:
    with pytest.raises(SatelliteError, match=r"a\.tif: its time has no time zone"):
        Acquisition("a.tif", datetime(2026, 1, 5), 0.5)


def test_a_site_in_two_parts_has_one_place(queue: Queue, sites: SiteFiler) -> None:
    _file(sites, _HOUSE)
    _file(sites, ground(23, 0, 10, 10), "extension", month(2))
    case = queue.get(1)
    assert case.place.geometry is not None
    assert case.place.geometry["type"] == "MultiPolygon"
    assert shapely.is_valid(shape(dict(case.place.geometry)))
    judge = Judge([Permit("1", lonlat(ground(-5, -5, 60, 40)), *_YEAR)])
    assert close_permitted(queue, judge, datetime(2026, 4, 1, tzinfo=UTC)) == [1]


def test_a_decision_stands_until_a_later_image(queue: Queue, sites: SiteFiler) -> None:
    """Other planning zones or outlines make no new case; only a later image does."""
    assert _file(sites, _HOUSE) == Filed(1, "new")
    queue.reject(1, "officer", "a greenhouse")
    plan = Judge(planning=[PlanningZone("A1", lonlat(ground(-50, -50, 200, 200)))])
    assert _file(sites, _HOUSE, judge=plan) == Filed(1, "known")
    assert _file(sites, ground(-1, -1, 22, 12)) == Filed(1, "known")
    assert _file(sites, ground(30, 0, 20, 10)) == Filed(2, "new")
    assert _file(sites, _HOUSE, before=month(3)) == Filed(3, "new")

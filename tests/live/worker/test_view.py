"""One live camera from samples to cases: through gaps, restarts, and a queue that is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cv_engine.cases import QueueError
from cv_engine.cases.database.store import Store
from cv_engine.evidence.verify import verify
from cv_engine.live.buffer.sampler import DueSample
from tests.live.watched import SAMPLE_S, Watched, settings, watched
from tests.tracking.scenes import Scene, Thing, ground

_CAR = (120, 80, 190, 125)
_PARKED = "motor_vehicle_parked"
# A stay begins with the first sample of a thing, which the next samples show to stand.
_NEAR_S = 2 * SAMPLE_S + 1

Make = Callable[..., Watched]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes cameras whose queues are closed in the end."""
    made: list[Watched] = []

    def one(*things: Thing, camera: dict[str, Any] | None = None, **live: Any) -> Watched:
        config = settings(tmp_path, camera, **live)
        made.append(watched(tmp_path, Scene(list(things)), config))
        return made[-1]

    yield one
    for each in made:
        each.queue.close()


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Whether the queue's database is away: append to say so, clear to bring it back."""
    says: list[bool] = []
    writing = Store.writing

    def unsteady(self: Store, *given: Any) -> Any:
        if says:
            raise QueueError("the database does not answer")
        return writing(self, *given)

    monkeypatch.setattr(Store, "writing", unsteady)
    yield says
    says.clear()


def _car(first_s: float, last_s: float = float("inf")) -> Thing:
    return Thing("car", _CAR, 7, first_s, last_s)


def test_a_car_that_stays_is_a_case_with_evidence(make: Make) -> None:
    camera = make(_car(20.0, 110.0)).until(160.0)
    (case,) = camera.cases()
    assert (case.kind, case.source) == (_PARKED, "market")
    assert camera.second(case.began) == pytest.approx(20.0, abs=_NEAR_S)
    assert camera.second(case.gone_at) == pytest.approx(110.0, abs=_NEAR_S)
    assert case.evidence is not None
    package = camera.config.evidence_root / case.evidence
    assert verify(package) == []
    names = {path.stem for path in (package / "original").iterdir()}
    assert {"overview-start", "overview-between", "overview-limit"} <= names
    assert any(name.startswith("clip") for name in names)
    assert (camera.counts.cases, camera.counts.waiting, camera.counts.view) == (1, 0, "good")
    assert camera.counts.samples == pytest.approx(80, abs=2)
    assert 0 < camera.counts.asked < camera.counts.samples
    assert list((camera.folder / "kept").iterdir()) == [], "nothing is held any more"


def test_where_the_detector_was_not_asked_the_next_sample_asks(make: Make) -> None:
    """The detector is busy when the car comes, and for half a minute after."""
    camera = make(_car(20.0))
    camera.detector_busy_s = range(21, 55)
    camera.until(54.0)
    assert (camera.counts.asked, camera.counts.samples) == (1, 27)
    (case,) = camera.until(160.0).cases()
    assert camera.second(case.began) == pytest.approx(20.0, abs=_NEAR_S)


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("set_s", [0.0, -300.0])
def test_a_stay_continues_over_a_restart(make: Make, killed: bool, set_s: float) -> None:
    camera = make(_car(20.0)).until(55.0)
    assert not camera.cases()
    camera.restart(30.0, killed=killed)
    camera.until(130.0)
    (case,) = camera.cases()
    assert camera.second(case.began) == pytest.approx(20.0, abs=_NEAR_S)
    assert case.evidence is not None
    package = camera.config.evidence_root / case.evidence
    assert verify(package) == []
    names = {path.stem for path in (package / "original").iterdir()}
    assert {"clip-start", "clip-end"} <= names, "its beginning was kept by the run before"
    # Once filed, another restart files nothing.
    camera.machine.wall += set_s
    camera.restart(20.0, killed=killed)
    camera.until(220.0)
    (case,) = camera.cases()
    assert case.gone_at is None


def test_a_clock_that_was_set_ahead_costs_no_checkpoint(make: Make) -> None:
    """Steady time lies hours behind the wall then, also in the next run."""
    camera = make(_car(100.0)).until(20.0)
    camera.machine.wall += 3 * 3600.0
    camera.until(40.0).restart(10.0)
    camera.until(150.0).restart(10.0, killed=True).until(200.0)
    (case,) = camera.cases()
    assert camera.second(case.began) - 3 * 3600.0 == pytest.approx(100.0, abs=_NEAR_S)
    assert camera.view._saved_s <= camera.clock.now()


def test_a_filed_case_continues_after_a_restart_without_a_checkpoint(make: Make) -> None:
    camera = make(_car(20.0, 200.0)).until(100.0)
    (first,) = camera.cases()
    for kept in (camera.folder / "checkpoints").iterdir():
        kept.unlink()
    camera.restart(10.0, killed=True)
    camera.until(230.0)
    (case,) = camera.cases()
    assert case.id == first.id
    assert camera.second(case.gone_at) == pytest.approx(200.0, abs=_NEAR_S)


@pytest.mark.parametrize("kept_s", [15.0, 40.0])
def test_a_case_filed_after_the_last_checkpoint_is_not_filed_again(
    make: Make, kept_s: float
) -> None:
    """The program is killed before it could keep that the case was filed, or even the stay."""
    camera = make(_car(20.0, 320.0)).until(kept_s)
    camera.view.save(camera.clock.now())
    folder = camera.folder / "checkpoints"
    old = {kept: kept.read_bytes() for kept in folder.iterdir()}
    camera.until(100.0)
    (first,) = camera.cases()
    for kept, content in old.items():
        kept.write_bytes(content)
    camera.restart(30.0, killed=True)
    camera.until(150.0).restart(60.0, killed=True).until(350.0)
    (case,) = camera.cases()
    assert case.id == first.id
    assert camera.second(case.began) == pytest.approx(20.0, abs=_NEAR_S)
    assert camera.second(case.gone_at) == pytest.approx(320.0, abs=_NEAR_S)


def test_a_case_is_not_filed_again_after_runs_too_short_to_see_a_stay(make: Make) -> None:
    """Each takes one sample, saves, and is killed; a thing seen once may have been passing."""
    camera = make(_car(20.0)).until(15.0)
    camera.view.save(camera.clock.now())
    old = {kept: kept.read_bytes() for kept in (camera.folder / "checkpoints").iterdir()}
    camera.until(100.0)
    (first,) = camera.cases()
    for kept, content in old.items():
        kept.write_bytes(content)
    for _ in range(3):
        camera.restart(60.0, killed=True)
        camera.until(camera.now_s + 2.0)
        camera.view.save(camera.clock.now())
    camera.restart(60.0, killed=True).until(camera.now_s + 120.0)
    (case,) = camera.cases()
    assert case.id == first.id


@pytest.mark.parametrize("when_s", [50.0, 100.0])
def test_a_car_stays_through_a_gap_of_three_minutes(make: Make, when_s: float) -> None:
    """Whether it was a case before the gap or becomes one after it."""
    camera = make(_car(20.0, 400.0)).until(when_s).away(180.0).until(450.0)
    (case,) = camera.cases(_PARKED)
    assert camera.second(case.began) == pytest.approx(20.0, abs=_NEAR_S)
    assert camera.second(case.gone_at) == pytest.approx(400.0, abs=_NEAR_S)


def test_what_left_in_a_gap_was_last_seen_before_it(make: Make) -> None:
    camera = make(_car(20.0, 200.0)).until(100.0).away(180.0).until(340.0)
    (case,) = camera.cases(_PARKED)
    assert camera.second(case.gone_at) == pytest.approx(99.0, abs=_NEAR_S)


def test_after_too_long_a_gap_a_new_view_starts(make: Make) -> None:
    camera = make(_car(20.0), gap_s=100.0).until(60.0).away(180.0).until(330.0)
    (case,) = camera.cases(_PARKED)
    assert camera.second(case.began) == pytest.approx(240.0, abs=_NEAR_S)
    assert case.attributes["since_before_recording"] is True


def test_a_thing_that_still_stands_is_noted(make: Make) -> None:
    camera = make(_car(20.0)).until(450.0)
    (case,) = camera.cases()
    # Each five minutes, beginning anywhere: not all cameras at once.
    assert camera.second(case.observed) >= 450.0 - 300.0 - _NEAR_S


def test_while_the_queue_is_away_cases_wait(make: Make, away: list[bool]) -> None:
    camera = make(_car(20.0, 110.0)).until(70.0)
    away.append(True)
    camera.until(150.0)
    assert camera.counts.waiting == 2, "filed, and left"
    assert camera.counts.cases == 0
    away.clear()
    camera.until(180.0)
    (case,) = camera.cases()
    assert camera.second(case.began) == pytest.approx(20.0, abs=_NEAR_S)
    assert camera.second(case.gone_at) == pytest.approx(110.0, abs=_NEAR_S)
    assert case.evidence is not None
    assert verify(camera.config.evidence_root / case.evidence) == []
    assert len(camera.queue.history(case.id)) == 2
    assert (camera.counts.waiting, camera.counts.cases) == (0, 1)


def test_what_waits_is_filed_by_the_next_run(make: Make, away: list[bool]) -> None:
    camera = make(_car(20.0)).until(70.0)
    away.append(True)
    camera.until(100.0)
    camera.restart(30.0, killed=True)
    away.clear()
    camera.until(160.0)
    (case,) = camera.cases()
    assert camera.second(case.began) == pytest.approx(20.0, abs=_NEAR_S)
    assert case.evidence is not None
    assert verify(camera.config.evidence_root / case.evidence) == []


def test_a_leave_that_failed_is_noted_later(make: Make, away: list[bool]) -> None:
    camera = make(_car(20.0, 110.0)).until(100.0)
    assert camera.counts.cases == 1
    away.append(True)
    camera.until(150.0)
    away.clear()
    camera.until(170.0)
    (case,) = camera.cases()
    assert camera.second(case.gone_at) == pytest.approx(110.0, abs=_NEAR_S)


def test_where_the_kept_video_is_damaged_the_case_is_still_filed(make: Make) -> None:
    camera = make(_car(20.0)).until(70.0)
    camera.runs_tasks = False
    camera.until(100.0)
    assert camera.counts.waiting == 1
    for kept in (camera.folder / "kept").iterdir():
        kept.write_bytes(b"")  # as a power failure leaves it
    camera.runs_tasks = True
    camera.until(130.0)
    (case,) = camera.cases()
    assert case.evidence is None
    assert camera.counts.waiting == 0


def test_a_view_of_another_size_is_a_new_one(make: Make) -> None:
    camera = make(_car(20.0)).until(50.0)
    camera.size = (480, 288)
    camera.until(130.0)
    (case,) = camera.cases()
    assert camera.second(case.began) == pytest.approx(50.0, abs=_NEAR_S)
    assert case.place.image_box is not None
    assert case.place.image_box[2] > 1.3 * _CAR[2], "in pixels of the new view"


def test_what_waits_when_the_view_changes_is_of_the_view_before(
    make: Make, away: list[bool]
) -> None:
    """Filed late, it must not be taken for what stands before the camera now."""
    camera = make(_car(20.0)).until(70.0)
    away.append(True)
    camera.until(100.0)
    camera.size = (480, 288)
    camera.until(110.0)
    away.clear()
    camera.until(150.0)
    camera.view._noted_s -= 300.0
    camera.work()  # what stands on is noted each five minutes
    (case,) = camera.cases()
    assert "since_before_recording" not in case.attributes
    assert camera.second(case.began) == pytest.approx(20.0, abs=_NEAR_S)
    # What is seen of the new view since is not noted with it.
    assert camera.second(case.observed) < 100.0
    assert case.gone_at is None


def test_what_left_the_view_before_is_noted_all_the_same(make: Make, away: list[bool]) -> None:
    camera = make(_car(20.0, 110.0)).until(100.0)
    assert camera.counts.cases == 1
    away.append(True)
    camera.until(150.0)
    camera.size = (480, 288)
    camera.until(160.0)
    away.clear()
    camera.until(180.0)
    (case,) = camera.cases()
    assert camera.second(case.gone_at) == pytest.approx(110.0, abs=_NEAR_S)


def _covered(scene: Scene) -> Callable[[float], Any]:
    def picture(time_s: float) -> Any:
        return (scene.picture(time_s) // 16 + 100).astype("uint8")

    return picture


def test_a_covered_camera_is_a_case_once_and_over_when_it_is_good_again(make: Make) -> None:
    camera = make().until(60.0)
    camera.until(100.0, _covered(camera.scene))
    assert camera.counts.view == "covered"
    assert not camera.cases()
    camera.until(180.0, _covered(camera.scene))
    camera.restart(20.0, killed=True)
    camera.until(260.0, _covered(camera.scene))
    (case,) = camera.cases()
    assert (case.kind, case.zone, case.attributes) == (
        *("camera_blind", "camera", {"reason": "covered", "limit_s": 60.0}),
    )
    assert camera.second(case.began) == pytest.approx(60.0, abs=_NEAR_S)
    assert case.gone_at is None
    assert case.evidence is not None
    camera.until(300.0)
    (case,) = camera.cases()
    assert camera.counts.view == "good"
    assert camera.second(case.gone_at) == pytest.approx(260.0, abs=2 * _NEAR_S)


def test_a_camera_that_cannot_be_reached_is_a_case(make: Make) -> None:
    camera = make().until(60.0).away(100.0)
    (case,) = camera.cases()
    assert (case.kind, case.attributes["reason"]) == ("camera_blind", "not to be reached")
    assert camera.counts.view == "", "not seen for long"
    camera.until(180.0)
    assert camera.counts.view == "good"
    assert camera.second(camera.cases()[0].gone_at) == pytest.approx(160.0, abs=_NEAR_S)


def test_a_stream_that_comes_back_without_a_sample_stays_blind(make: Make) -> None:
    camera = make().until(60.0)
    for _ in range(12):
        camera.away(4.0)
        camera.is_live = True
        for _ in range(4):
            camera.machine.pass_by(1.0)
            camera.work()
    (case,) = camera.cases()
    assert case.kind == "camera_blind"
    assert camera.second(case.began) == pytest.approx(60.0, abs=_NEAR_S)
    assert case.gone_at is None
    camera.until(200.0)
    assert camera.second(camera.cases()[0].gone_at) == pytest.approx(156.0, abs=_NEAR_S)


def test_a_finding_that_joins_a_case_is_not_counted_as_one(make: Make) -> None:
    camera = make(_car(20.0, 200.0)).until(100.0)
    assert (camera.counts.cases, camera.counts.joined) == (1, 0)
    for kept in (camera.folder / "checkpoints").iterdir():
        kept.unlink()
    camera.restart(10.0, killed=True)
    camera.until(190.0)
    assert len(camera.cases()) == 1
    assert (camera.counts.cases, camera.counts.joined) == (0, 1)


def test_a_camera_that_was_covered_before_a_long_gap_may_be_good_after_it(make: Make) -> None:
    camera = make(gap_s=100.0).until(40.0)
    camera.until(80.0, _covered(camera.scene))
    assert camera.counts.view == "covered"
    camera.away(150.0).until(320.0)
    assert camera.counts.view == "good"
    (case,) = camera.cases()
    assert case.gone_at is not None, "well again"


def test_a_camera_without_zones_that_was_turned_watches_its_new_view(make: Make) -> None:
    camera = make().until(60.0)
    elsewhere = Scene(ground=ground(99))
    camera.until(200.0, elsewhere.picture)
    assert camera.counts.view == "good"
    assert not camera.cases()


def test_a_view_that_shows_no_zone_is_reported_and_does_not_end_the_watching(
    make: Make, tmp_path: Path
) -> None:
    zones = tmp_path / "zones.geojson"
    zones.write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": '
        '{"zone": "kerb", "kinds": ["motor_vehicle_parked"], "frame": "image"}, "geometry": '
        '{"type": "Polygon", "coordinates": [[[250, 20], [310, 20], [310, 180], [250, 180], '
        "[250, 20]]]}}]}"
    )
    camera = make(camera={"zones": str(zones)}).until(20.0)
    assert camera.counts.view == "good"
    camera.size = (160, 96)
    camera.until(120.0)
    assert camera.counts.view == "no zone in sight"
    (case,) = camera.cases()
    assert (case.kind, case.attributes["reason"]) == ("camera_blind", "no zone in sight")
    camera.size = (320, 192)
    camera.until(140.0)
    assert camera.counts.view == "good"
    assert camera.cases()[0].gone_at is not None


def test_pictures_that_come_too_late_are_left_out(make: Make) -> None:
    camera = make().until(20.0)
    samples = camera.counts.samples
    made = camera.ring._ring[-2].encoded
    sample = camera.decoder.decode(DueSample(camera.view._last_s - 1.0, (made,), True))
    assert sample is not None
    assert not camera.view.begin(sample)
    assert camera.counts.samples == samples

"""Each point of a profile is compared with what the package itself shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cv_engine.evidence.clock_error import GIVEN, RTCP, ClockError, ClockHistory
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.media.clip import ClipSource
from cv_engine.evidence.media.still import Still
from cv_engine.evidence.package import write
from cv_engine.evidence.profiles import CaseFacts, Facts, facts_of, judge, load_profiles
from cv_engine.evidence.profiles.checks import Outcome
from cv_engine.evidence.profiles.facts import Clip, Clock, Picture
from cv_engine.evidence.profiles.reading import PACKAGED
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.verify import examine
from tests.evidence.media.scenes import BEGAN, parked

END = BEGAN + timedelta(seconds=40)
MET, SHORT, UNKNOWN = Outcome.MET, Outcome.SHORT, Outcome.UNKNOWN


def _picture(role: str, second: float, view: str = "overview", width: int = 1920) -> Picture:
    return Picture(view, role, BEGAN + timedelta(seconds=second), width, width * 9 // 16)


def _clock(error_s: float = 0.1, days: float = 20.0, gap_h: float = 2.0, **given: Any) -> Clock:
    latest = ClockError(error_s, 0.25, RTCP, BEGAN - timedelta(minutes=5), 0.02)
    return Clock(replace(latest, **given), abs(error_s) + 0.27, days, gap_h)


# A package that meets everything that a camera can do.
SOUND = Facts(
    began=BEGAN,
    observed=END,
    timezone=ZoneInfo("Asia/Shanghai"),
    pictures=(
        _picture("start", 0),
        _picture("end", 40),
        _picture("start", 0, "closeup", 400),
        _picture("plate", 40, "closeup", 300),
        _picture("officer", 3600, "signs"),
    ),
    clips=(Clip(25.0, 50.0, True),),
    clock=_clock(),
    plate="浙B12345",
    warned=(date(2026, 3, 2), date(2026, 3, 31)),
    case=CaseFacts("wang (officer)", BEGAN + timedelta(days=3), date(2027, 1, 1)),
)


def _outcomes(facts: Facts, id: str) -> list[Outcome]:
    (judged,) = (each for each in judge(facts, load_profiles()) if each.profile.id == id)
    return [point.outcome for point in judged.points]


def test_a_sound_package_meets_every_profile() -> None:
    for judged in judge(SOUND, load_profiles()):
        assert (judged.outcome, judged.lacking) == (MET, ()), judged.profile.name


def test_every_packaged_profile_says_that_it_is_from_secondary_copies() -> None:
    profiles = load_profiles()
    assert [profile.id for profile in profiles] == [
        *("ga-t-832", "england-si-2022-71", "london-code", "california")
    ]
    assert all(p.provisional and p.provenance == "from secondary copies" for p in profiles)


@pytest.mark.parametrize(
    ("facts", "outcomes"),
    [
        pytest.param(replace(SOUND, clock=_clock(0.8)), [SHORT, MET, MET], id="clock 1.07 s"),
        pytest.param(replace(SOUND, clock=_clock(0.7)), [MET, MET, MET], id="clock 0.97 s"),
        pytest.param(replace(SOUND, clock=None), [UNKNOWN, MET, MET], id="clock not measured"),
        pytest.param(
            replace(SOUND, clock=_clock(reference_s=None)), [UNKNOWN, MET, MET], id="no reference"
        ),
        pytest.param(
            replace(SOUND, clock=_clock(at=BEGAN - timedelta(days=2))),
            [UNKNOWN, MET, MET],
            id="measured the day before yesterday",
        ),
        pytest.param(
            replace(
                SOUND, clock=_clock(0.9, within_s=None, method=GIVEN, at=None, reference_s=None)
            ),
            [MET, MET, MET],
            id="clock as stated",
        ),
        pytest.param(
            replace(SOUND, pictures=(_picture("start", 0), _picture("end", 9.9))),
            [MET, SHORT, MET],
            id="9.9 s apart",
        ),
        pytest.param(
            replace(SOUND, pictures=(_picture("start", 0), _picture("end", 10))),
            [MET, MET, MET],
            id="10 s apart",
        ),
        pytest.param(
            replace(SOUND, pictures=(_picture("start", 0),)), [MET, SHORT, MET], id="one picture"
        ),
        pytest.param(
            replace(SOUND, pictures=(_picture("start", 0, width=1278), _picture("end", 40))),
            [MET, MET, SHORT],
            id="a small picture",
        ),
        pytest.param(replace(SOUND, pictures=()), [MET, SHORT, SHORT], id="no picture"),
    ],
)  # fmt: skip
def test_china(facts: Facts, outcomes: list[Outcome]) -> None:
    assert _outcomes(facts, "ga-t-832") == outcomes


@pytest.mark.parametrize(
    ("facts", "outcomes"),
    [
        pytest.param(
            replace(SOUND, clips=(Clip(4.9, 50, True),)), [SHORT, MET, MET], id="4.9 a second"
        ),
        pytest.param(
            replace(SOUND, clips=(Clip(25, 50, False),)), [MET, SHORT, MET], id="not numbered"
        ),
        pytest.param(replace(SOUND, clips=()), [SHORT, SHORT, MET], id="no recording"),
        pytest.param(replace(SOUND, clock=_clock(days=13.9)), [MET, MET, SHORT], id="13.9 days"),
        pytest.param(replace(SOUND, clock=_clock(gap_h=72)), [MET, MET, SHORT], id="a gap"),
        pytest.param(replace(SOUND, clock=_clock(9.9)), [MET, MET, SHORT], id="10.2 s"),
        pytest.param(
            replace(SOUND, clock=_clock(reference_s=None)), [MET, MET, UNKNOWN], id="no reference"
        ),
    ],
)  # fmt: skip
def test_england(facts: Facts, outcomes: list[Outcome]) -> None:
    assert _outcomes(facts, "england-si-2022-71") == outcomes


@pytest.mark.parametrize(
    ("facts", "outcomes"),
    [
        pytest.param(replace(SOUND, plate=""), [SHORT, MET, MET], id="no plate"),
        pytest.param(
            replace(SOUND, pictures=[p for p in SOUND.pictures if p.role != "plate"]),
            [SHORT, MET, MET],
            id="no picture of the plate",
        ),
        pytest.param(
            replace(SOUND, clips=(Clip(25, 29.9, True),)), [MET, SHORT, MET], id="29.9 s"
        ),
        pytest.param(
            replace(
                SOUND,
                pictures=[*SOUND.pictures[:4], _picture("officer", 24 * 3600, "signs")],
            ),
            [MET, MET, SHORT],
            id="signs of another day",
        ),
    ],
)  # fmt: skip
def test_london(facts: Facts, outcomes: list[Outcome]) -> None:
    assert _outcomes(facts, "london-code") == outcomes


def test_california() -> None:
    assert SOUND.case is not None
    late = replace(SOUND.case, reviewed_by=None, notice_at=BEGAN + timedelta(days=16))
    open_ended = replace(SOUND.case, destroyed_on=None)
    assert _outcomes(replace(SOUND, case=late), "california") == [SHORT, SHORT, MET, MET]
    assert _outcomes(replace(SOUND, case=open_ended), "california") == [MET, MET, MET, SHORT]
    assert _outcomes(replace(SOUND, case=None), "california") == [UNKNOWN, UNKNOWN, MET, UNKNOWN]


@pytest.mark.parametrize(
    ("first", "last", "outcome"),
    [
        (date(2026, 3, 2), date(2026, 3, 31), MET),  # 30 days
        (date(2026, 3, 3), date(2026, 3, 31), SHORT),  # 29
        (date(2026, 3, 2), date(2026, 5, 1), SHORT),  # the violation is on its last day
    ],
)
def test_the_warning_period_is_over_and_was_long_enough(
    first: date, last: date, outcome: Outcome
) -> None:
    assert _outcomes(replace(SOUND, warned=(first, last)), "california")[2] is outcome
    assert _outcomes(replace(SOUND, warned=None), "california")[2] is UNKNOWN


def test_facts_are_read_from_the_files(
    tmp_path: Path, video: Path, stills: list[Still], key: SigningKey
) -> None:
    history = ClockHistory.of([ClockError(0.2, 0.25, RTCP, BEGAN, 0.01)])
    assert history is not None
    clip = ClipSource(video / "lot_leave_arrive.mp4", 2.0, 9.0, 1.0, 1.0, zero=BEGAN)
    package = write(
        tmp_path,
        parked(),
        stills,
        key=key,
        clips=[clip],
        provenance={
            "clock_error": history.as_json(),
            "site": {
                "timezone": "Asia/Shanghai",
                "warning": {"from": "2026-03-02", "until": "2026-03-31"},
            },
        },
    )
    shown = examine(package)
    assert shown.problems == [] and shown.manifest is not None
    facts = facts_of(package, shown.manifest.content)
    assert facts is not None and facts.clock is not None
    assert facts.clock.latest == history.latest and facts.clock.days == 0
    assert facts.warned == (date(2026, 3, 2), date(2026, 3, 31))
    assert {(p.width, p.height) for p in facts.pictures if p.view == "overview"} == {(640, 360)}
    (made,) = facts.clips
    assert (round(made.rate), made.is_listed) == (30, True) and made.longest_s > 8
    listed = (package / "original/clip-frames.csv").read_text().splitlines()
    assert listed[0] == "number,time_utc,second_of_clip"
    number, time, second = listed[31].split(",")
    assert number == "31" and float(second) == pytest.approx(1.0, abs=0.05)
    first = datetime.fromisoformat(listed[1].split(",")[1])
    assert datetime.fromisoformat(time) - first == timedelta(seconds=float(second))
    assert first - BEGAN <= timedelta(seconds=1)  # at the key frame before the span


def test_a_list_that_lacks_a_picture_does_not_count(
    tmp_path: Path, video: Path, stills: list[Still], key: SigningKey
) -> None:
    clip = ClipSource(video / "lot_leave_arrive.mp4", 2.0, 4.0, 1.0, 1.0, zero=BEGAN)
    package = write(tmp_path, parked(), stills, key=key, clips=[clip])
    shown = examine(package).manifest
    path = package / "original/clip-frames.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    assert shown is not None
    facts = facts_of(package, shown.content)
    assert facts is not None and not facts.clips[0].is_listed


def test_a_package_without_a_camera_is_judged_by_no_profile() -> None:
    assert facts_of(Path(), {"note": {}, "files": [], "clips": []}) is None


def test_a_city_edits_its_copy(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(PACKAGED.read_text().replace("width: 1280", "width: 3840"))
    (china, *_) = judge(SOUND, load_profiles(path))
    assert [point.outcome for point in china.points] == [MET, MET, SHORT]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("check: picture_size", "check: colour", r":\d+: .*check"),
        ("at_most_s: 1.0", "at_most_s: soon", r":\d+: .*at_most_s"),
        ("id: london-code", "id: california", "two profiles have the id 'california'"),
        ("provenance: from secondary copies", "origin: unknown", "origin"),
    ],
)
def test_a_wrong_file_is_reported_with_line_and_key(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(PACKAGED.read_text().replace(old, new, 1))
    with pytest.raises(EvidenceError, match=words):
        load_profiles(path)
    with pytest.raises(EvidenceError, match="no such file"):
        load_profiles(tmp_path / "none.yaml")

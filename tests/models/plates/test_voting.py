"""One plate from several readings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.plates.countries.china import CHINA
from models.plates.countries.europe import EUROPE
from models.plates.reader import Reading
from models.plates.voting import Knowledge, averaged, combined, vote
from models.platt import Platt
from tests.models.plates.texts import reading, texts


@given(text=texts(CHINA), sure=st.floats(0.6, 0.999))
def test_a_clear_reading_gives_its_text(text: str, sure: float) -> None:
    voted = vote([reading(text, CHINA, sure)], CHINA)
    assert voted is not None
    assert voted.text == text
    assert voted.layout in CHINA.layouts_of(text)


@given(text=texts(EUROPE))
def test_another_country_plugs_in(text: str) -> None:
    voted = vote([reading(text, EUROPE)], EUROPE)
    assert voted is not None
    assert voted.text == text


@given(text=texts(CHINA), sures=st.lists(st.floats(0.55, 0.99), min_size=2, max_size=6))
def test_more_frames_that_agree_make_the_plate_surer(text: str, sures: list[float]) -> None:
    one = vote([reading(text, CHINA, min(sures))], CHINA)
    all_of_them = vote([reading(text, CHINA, sure) for sure in sures], CHINA)
    assert one is not None
    assert all_of_them is not None
    assert all_of_them.text == text
    assert all_of_them.confidence >= one.confidence - 1e-6


@given(text=texts(CHINA), order=st.permutations(range(3)))
def test_the_order_of_the_frames_does_not_matter(text: str, order: list[int]) -> None:
    some = [reading(text, CHINA, sure) for sure in (0.6, 0.8, 0.95)]
    np.testing.assert_allclose(combined(some), combined([some[k] for k in order]), atol=1e-4)


def test_a_character_that_one_frame_misreads_is_outvoted() -> None:
    frames = [reading("皖A12345", CHINA), reading("皖A12845", CHINA), reading("皖A12345", CHINA)]
    voted = vote(frames, CHINA)
    assert voted is not None
    assert voted.text == "皖A12345"
    assert voted.confidence < 0.99


def test_characters_right_in_different_frames_make_one_plate() -> None:
    # Half of each frame is blurred: neither shows the whole plate.
    left, right = reading("皖A12345", CHINA), reading("皖A12345", CHINA)
    even = np.full(len(CHINA.characters), -np.log(len(CHINA.characters)), np.float32)
    left.places[4:7], right.places[:3] = even, even
    voted = vote([left, right], CHINA)
    assert voted is not None
    assert voted.text == "皖A12345"


def test_what_no_syntax_allows_is_not_read() -> None:
    # The network sees an I in the serial, which no plate has; a 1 is second.
    shown = reading("皖A12345", CHINA, 0.99)
    shown.places[2] = np.log(np.full(len(CHINA.characters), 1e-5))
    shown.places[2, CHINA.classes["I"]] = np.log(0.8)
    shown.places[2, CHINA.classes["1"]] = np.log(0.19)
    voted = vote([shown], CHINA)
    assert voted is not None
    assert voted.text == "皖A12345"
    assert voted.confidence < 0.5


def test_the_own_province_decides_between_two_that_look_alike() -> None:
    shown = _torn("浙", "湘")
    plain = vote([shown], CHINA)
    at_home = vote([shown], CHINA, knowledge=Knowledge(own_province="浙"))
    assert plain is not None
    assert at_home is not None
    assert at_home.text == "浙A12345"
    assert at_home.confidence > plain.confidence


def test_the_own_province_does_not_overrule_a_clear_reading() -> None:
    voted = vote([reading("皖A12345", CHINA, 0.999)], CHINA, knowledge=Knowledge("浙"))
    assert voted is not None
    assert voted.text == "皖A12345"


def test_a_registered_plate_beats_one_that_is_not() -> None:
    asked: list[str] = []

    def known(text: str) -> bool:
        asked.append(text)
        return text == "湘A12345"

    voted = vote([_torn("浙", "湘")], CHINA, knowledge=Knowledge(known=known))
    assert voted is not None
    assert voted.text == "湘A12345"
    assert len(asked) < 100  # a registry is asked for a few candidates only


def test_the_registry_is_asked_of_a_plate_that_is_read_well_and_of_no_other() -> None:
    asked: list[str] = []

    def known(text: str) -> bool:
        asked.append(text)
        return False

    shown = reading("皖A12345", CHINA, 0.9999)
    voted = vote([shown], CHINA, knowledge=Knowledge(known=known))
    assert voted is not None
    assert asked == [voted.text] == ["皖A12345"]


def test_the_calibration_changes_the_confidence_and_not_the_plate() -> None:
    shown = [reading("皖A12345", CHINA, 0.98)]
    plain, corrected = vote(shown, CHINA), vote(shown, CHINA, Platt(0.5, -1.0))
    assert plain is not None
    assert corrected is not None
    assert corrected.text == plain.text
    assert corrected.confidence < plain.confidence


def test_the_layout_is_the_one_that_the_picture_shows() -> None:
    shares = np.zeros(len(CHINA.layouts), np.float32)
    shares[CHINA.layouts.index("yellow")] = 0.9
    shares[CHINA.layouts.index("police")] = 1.0  # no plate of the police says this
    voted = vote([Reading(reading("皖A12345", CHINA).places, shares)], CHINA)
    assert voted is not None
    assert voted.layout == "yellow"


def test_without_readings_there_is_no_plate() -> None:
    assert vote([], CHINA) is None


@pytest.mark.parametrize("count", [1, 5])
def test_frames_full_of_noise_give_no_confidence(count: int) -> None:
    even = np.full((8, len(CHINA.characters)), -np.log(len(CHINA.characters)), np.float32)
    voted = vote([Reading(even, np.ones(len(CHINA.layouts), np.float32))] * count, CHINA)
    assert voted is not None
    assert voted.confidence < 0.01


def _torn(one: str, other: str) -> Reading:
    """A reading that shows A12345 and cannot tell two provinces apart."""
    shown = reading(f"{one}A12345", CHINA, 0.99)
    shown.places[0, CHINA.classes[one]] = np.log(0.49)
    shown.places[0, CHINA.classes[other]] = np.log(0.49)
    return shown


def test_cuts_of_one_picture_count_as_one_frame() -> None:
    shown = reading("皖A12345", CHINA, 0.9)
    one, mean = vote([shown], CHINA), vote([averaged([shown] * 4)], CHINA)
    assert one is not None
    assert mean is not None
    assert mean.text == one.text
    assert mean.confidence == pytest.approx(one.confidence, abs=1e-4)

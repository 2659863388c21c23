"""The text of a notice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cv_engine.cases import Case, open_queue
from cv_engine.cases.case import Handling
from cv_engine.cases.outbox.digest import Language
from cv_engine.notices.wording.car_parks import CarPark, NearPark
from cv_engine.notices.wording.text import Wording, check_template, place_in_words
from cv_engine.registry import Spot
from tests.cases.made import finding
from zones.schedule import time_zone

_PARKS = [
    NearPark(CarPark("东门", Spot(121.0, 29.0), 34), 123.0),
    NearPark(CarPark("Arena", Spot(1, 1)), 456.0),
]


def _case(folder: Path, **attributes: Any) -> Case:
    with open_queue(folder / "queue.db") as queue:
        return queue.get(queue.file(finding(attributes=attributes)).case_id)


def _wording(language: Language, **templates: str) -> Wording:
    return Wording("宁波城管", language, time_zone("Asia/Shanghai"), templates)


def test_a_notice_in_both_languages_has_place_time_and_car_parks(tmp_path: Path) -> None:
    case = _case(tmp_path, address="中山路7号")
    text = _wording(Language.BOTH).text(case, "浙B12345", 10, _PARKS)
    chinese, english = text.split("\n")
    assert chinese == (
        "【宁波城管】您的车辆浙B12345自08:00起停在中山路7号，影响通行，请在10分钟内驶离，"
        "否则将依法处罚。附近停车场：东门（120米，余34位）、Arena（460米）。案件号1"
    )
    assert english == (
        "宁波城管: your vehicle 浙B12345 has been parked at 中山路7号 since 08:00 and obstructs "
        "passage. Please leave within 10 minutes, or you will be cited. "
        "Car parks nearby: 东门 (120 m, 34 free), Arena (460 m). Case 1"
    )


@pytest.mark.parametrize("language", Language)
def test_in_the_warning_period_no_driver_is_threatened(tmp_path: Path, language: Language) -> None:
    text = _wording(language).text(_case(tmp_path, warning=True), "A1", 10, [])
    assert "依法处罚" not in text
    assert "or you will be cited" not in text


def test_a_citys_own_text_is_used(tmp_path: Path) -> None:
    wording = _wording(Language.ENGLISH, en="{{{plate}}} at {place}")
    assert wording.text(_case(tmp_path), "A1", 10, []) == "{A1} at pavement"


def test_braces_in_a_place_are_no_fields(tmp_path: Path) -> None:
    text = _wording(Language.ENGLISH).text(_case(tmp_path, address="{plate}"), "A1", 10, [])
    assert "parked at {plate} since" in text


def test_the_place_is_the_address_else_zone_and_area(tmp_path: Path) -> None:
    case = _case(tmp_path)
    assert place_in_words(case) == "pavement"
    assert place_in_words(replace(case, handling=Handling(area="Old Town"))) == "pavement, Old Town"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{plate} {place} {name}", r"the template has the field \{name\}; known: \{plate\}"),
        ("{plate} {place", "cannot be read"),
        ("{plate} {place!r}", "has the field"),
        ("{plate:9} {place}", "has the field"),
        ("{plate.x} {place}", "has the field"),
        ("{} {place}", "has the field"),
        ("{plate}, leave", r"lacks \{place\}"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_template(text)

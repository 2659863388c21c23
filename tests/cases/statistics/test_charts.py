"""Charts, report and map are real files that show what they should."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from shapely.geometry import box

from cv_engine.cases import QueueError
from cv_engine.cases.statistics import Figures, Period, RepeatPlace
from cv_engine.cases.statistics.charts import Charted, charts, duration, save_charts, save_report
from cv_engine.cases.statistics.fonts import chinese_fonts, class_names
from cv_engine.cases.statistics.map import draw_map, save_map
from cv_engine.cases.taxonomy import load_taxonomy

MONTH = Period.parse("2026-11", ZoneInfo("Asia/Shanghai"))
TOTAL = Figures(
    received=1054, filed=996, closed=930, reworked=31, due=972, settled=911, on_time=737,
    confirm_s=2_060.0, handle_s=27_000.0, close_s=93_780.0,
)  # fmt: skip
NAME = class_names(load_taxonomy())
CHARTED = Charted(
    MONTH,
    TOTAL,
    {
        day.name: Figures(received=30 + day.first.day % 7, filed=28, closed=25)
        for day in MONTH.days()
    },
    {
        **{f"department {n}": replace(TOTAL, due=900 + n) for n in range(30)},
        None: Figures(received=5),
    },
    {"clutter": TOTAL, "motor_vehicle_parked": replace(TOTAL, received=2000), "pothole": TOTAL},
    NAME,
)
EMPTY = Charted(MONTH, Figures(), {day.name: Figures() for day in MONTH.days()}, {}, {}, NAME)
PLACES = [
    RepeatPlace("clutter", 121.55, 29.87, 12.0, (1, 2, 3, 9)),
    RepeatPlace("motor_vehicle_parked", 121.57, 29.88, 3.5, (4, 5, 6)),
]


def _texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    found = figure.findobj(Text)
    return "\n".join(text.get_text() for text in found)


def _pages(pdf: Path) -> int:
    return len(re.findall(rb"/Type /Page\b", pdf.read_bytes()))


@pytest.mark.parametrize("charted", [CHARTED, EMPTY], ids=["a month", "nothing"])
def test_every_chart_is_a_picture_of_a_page(tmp_path: Path, charted: Charted) -> None:
    paths = save_charts(charted, tmp_path / "new" / "charts")
    assert sorted(path.name for path in paths) == sorted(
        path.name for path in (tmp_path / "new" / "charts").iterdir()
    )
    for path in paths:
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert picture.size == (1753, 1240)
            assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 10


def test_the_charts_name_rates_and_what_is_left_out() -> None:
    drawn = charts(CHARTED)
    departments = _texts(drawn["on-time-by-department"])
    assert "department 29 (929)" in departments
    assert "the largest 20 of 30" in departments
    classes = _texts(drawn["cases-by-class"])
    assert "piled goods and materials" in classes
    assert "pothole" in classes
    assert "2,000" in classes


def test_the_legend_is_right_below_the_label_of_the_axis() -> None:
    for name, figure in charts(CHARTED).items():
        figure.draw_without_rendering()
        (axes,) = figure.axes
        legend = axes.get_legend()
        assert legend is not None, name
        label, names = axes.xaxis.label.get_window_extent(), legend.get_window_extent()
        assert 0 <= label.y0 - names.y1 < 2 * label.height, name
        assert names.y0 >= 0, name


def test_chinese_names_are_drawn_with_a_font_that_has_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if not chinese_fonts():
        pytest.skip("no font with Chinese characters is installed")
    assert "piled goods and materials 乱堆杂物" in _texts(charts(CHARTED)["cases-by-class"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of each character that no font has
        save_charts(CHARTED, tmp_path)
        save_report(CHARTED, tmp_path / "report.pdf")
    assert caplog.records == [], "nothing that the reader of the terminal cannot use"


def test_a_font_is_found_that_was_installed_after_the_list_of_fonts_was_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = chinese_fonts()
    if not found:
        pytest.skip("no font with Chinese characters is installed")
    manager = font_manager.fontManager
    files = {font.fname for font in manager.ttflist if font.name in found}
    before = [font for font in manager.ttflist if font.fname not in files]
    monkeypatch.setattr(manager, "ttflist", before)
    chinese_fonts.cache_clear()
    assert chinese_fonts() == found


@pytest.mark.parametrize("charted", [CHARTED, EMPTY], ids=["a month", "nothing"])
def test_the_report_has_a_cover_and_a_page_for_each_chart(tmp_path: Path, charted: Charted) -> None:
    report = tmp_path / "report.pdf"
    save_report(charted, report, [draw_map(PLACES, MONTH, class_name=NAME)])
    assert report.read_bytes().startswith(b"%PDF")
    assert _pages(report) == 1 + len(charts(charted)) + 1
    assert [path.name for path in tmp_path.iterdir()] == ["report.pdf"]


@pytest.mark.parametrize("places", [PLACES, PLACES[:1], []], ids=["two", "one", "none"])
def test_the_map_is_drawn_with_and_without_places(
    tmp_path: Path, places: list[RepeatPlace]
) -> None:
    path = tmp_path / "map.png"
    zones = [box(121.54, 29.86, 121.56, 29.88)]
    save_map(places, MONTH, path, class_name=NAME, outlines=zones)
    with Image.open(path) as picture:
        assert picture.size == (1753, 1240)
    assert f"Repeat places, 2026-11: {len(places)}" in _texts(
        draw_map(places, MONTH, class_name=NAME)
    )


def test_the_map_as_geojson_has_a_point_with_the_cases(tmp_path: Path) -> None:
    path = tmp_path / "map.geojson"
    save_map(PLACES, MONTH, path, class_name=NAME)
    features = json.loads(path.read_text())["features"]
    assert [each["geometry"]["coordinates"] for each in features] == [
        [121.55, 29.87],
        [121.57, 29.88],
    ]
    assert features[0]["properties"] == {
        "kind": "clutter",
        "count": 4,
        "radius_m": 12.0,
        "cases": [1, 2, 3, 9],
    }


def test_a_map_of_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QueueError, match=r"\.geojson"):
        save_map(PLACES, MONTH, tmp_path / "map.kml", class_name=NAME)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (20, "20 s"),
        (59.9 * 60, "1 h 0 min"),
        (3_600, "1 h 0 min"),
        (93_780, "1 d 2 h"),
    ],
)
def test_a_time_has_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text

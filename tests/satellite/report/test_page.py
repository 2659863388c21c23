"""The report's page: counts by verdict, and the swipe, looked at by a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from satellite.records.judge import Judge
from satellite.records.permits import Permit, PlanningZone
from satellite.report.page import write_report
from satellite.report.pictures import DATES, map_path, pictured, site_path
from satellite.report.section import ReportSection
from tests.satellite.report.sections import section
from tests.satellite.sites import ground, lonlat

_AT = datetime(2026, 3, 1, tzinfo=UTC)
_GREY = {"before": 60, "after": 200}


@pytest.fixture
def made(tmp_path: Path) -> ReportSection:
    """Three houses: one with a permit, one whose permit is over, one in a forbidden zone."""
    permits = [
        Permit("8", lonlat(ground(0, 0, 20, 10)), date(2026, 1, 1)),
        Permit("7", lonlat(ground(30, 0, 20, 10)), date(2020, 1, 1), date(2024, 12, 31)),
    ]
    zone = PlanningZone("A1", lonlat(ground(55, -5, 40, 30)), "forbidden")
    return section(tmp_path / "out", Judge(permits, [zone]), ["new", "new", "new"])


def test_counts_verdicts_and_zones_are_on_the_page(made: ReportSection) -> None:
    page = write_report(made.comparison.folder / "report.html", "west", [made], _AT).read_text()
    for words in ("no permit: 1", "permit expired: 1", "permitted: 1", "new building: 3"):
        assert words in page
    assert "permit 7 expired on 2024-12-31" in page
    assert "no permit; zone A1 forbids building" in page
    assert "F1 0.93 on nine pairs of LEVIR-CD" in page
    names = re.findall(r' id="([^"]+)"', page)
    assert len(names) == len(set(names))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(names)


def test_the_swipe_shows_the_earlier_image_left_and_the_later_one_right(
    made: ReportSection, tmp_path: Path
) -> None:
    picture = _looked_at(made, tmp_path, "")
    row = _of_the_map(picture)
    assert set(row[: len(row) // 2 - 10].tolist()) == {_GREY["before"]}
    assert set(row[len(row) // 2 + 10 :].tolist()) == {_GREY["after"]}


def test_a_dragged_line_shows_more_of_the_earlier_image(
    made: ReportSection, tmp_path: Path
) -> None:
    drag = "const i=document.querySelector('.pair>input');i.value=80;i.oninput()"
    row = _of_the_map(_looked_at(made, tmp_path, drag))
    assert np.count_nonzero(row == _GREY["before"]) > 0.7 * len(row)


def test_the_button_puts_both_beside_each_other(made: ReportSection, tmp_path: Path) -> None:
    picture = _looked_at(made, tmp_path, "document.querySelector('button.pair-form').click()")
    row = _of_the_map(picture)
    after = np.flatnonzero(row == _GREY["after"])
    assert np.count_nonzero(row == 255) >= 5, "the gap between the two"
    assert len(after) == pytest.approx(len(row) / 2, abs=10)


def _looked_at(made: ReportSection, folder: Path, script: str) -> NDArray[np.uint8]:
    """A screenshot of the page, with pictures of one grey each, after a script has run."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser is installed")
    made.pictures.mkdir(parents=True, exist_ok=True)
    for date_ in DATES:
        paths = [map_path(made, date_)]
        paths += [site_path(made, number, each, date_) for number, each in pictured(made)]
        for path in paths:
            cv2.imwrite(str(path), np.full((200, 400, 3), _GREY[date_], np.uint8))
    page = write_report(made.comparison.folder / "report.html", "west", [made], _AT)
    page.write_text(page.read_text().replace("</body>", f"<script>{script}</script></body>"))
    shot = folder / "shot.png"
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={folder / 'browser'}", "--window-size=1000,1400"]
    command += ["--virtual-time-budget=3000", f"--screenshot={shot}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    picture = cv2.imread(str(shot), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return np.asarray(picture, np.uint8)


def _of_the_map(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle row of the first picture on the page, from its first column to its last."""
    rows = np.flatnonzero((picture == _GREY["before"]).sum(axis=1) > 200)
    line = picture[rows[0] + 30]
    inside = np.flatnonzero(np.isin(line, list(_GREY.values())))
    return np.asarray(line[inside[0] : inside[-1] + 1], np.uint8)

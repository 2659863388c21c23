"""`cv-engine cases report` and `show --open`, on cases as the program files them."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

from tests.case_report.browser import BROWSER, after
from tests.case_report.conftest import data
from tests.commands.program import Done, run_program

__all__ = ["data"]

ROOT = Path(__file__).resolve().parents[3]
Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return partial(run_program, tmp_path)


@pytest.fixture
def page(run: Run, data: Path, tmp_path: Path) -> Path:
    """The report on all cases."""
    done = run("cases", "report", "--data", data, "--out", "cases.html")
    assert done.returncode == 0, done.stderr
    assert "report: cases.html" in done.stderr
    return tmp_path / "cases.html"


def _shown(document: str) -> list[str]:
    """Numbers of the cases that are visible, in the order of the page."""
    cards = re.findall(r'<article class="case" id="case-(\d+)"( hidden="")?', document)
    return [number for number, hidden in cards if not hidden]


def test_the_report_has_pictures_places_and_histories(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count('<article class="case"') == 3
    assert text.count('src="data:image/jpeg;base64,') == 8
    assert "filed to reported by cv-engine" in text
    assert "5 min 0 s (limit 5 min 0 s)" in text
    assert text.count("<svg") == 3  # two places, and the sketch of all
    assert "No pictures." in text


def test_pictures_open_in_full_size_from_where_the_report_is(page: Path, data: Path) -> None:
    links = re.findall(r'<figure><a href="([^"#]+)"', page.read_text(encoding="utf-8"))
    files = [(page.parent / unquote(link)).resolve() for link in links]
    assert len(files) == 8
    assert all(file.is_file() and file.is_relative_to(data) for file in files)
    assert all("shareable" in file.parts for file in files)


def test_names_from_outside_are_text(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<b>gate</b>" not in text
    assert "&lt;b&gt;gate&lt;/b&gt;" in text


def test_options_select_cases_and_what_is_left_out_is_said(
    run: Run, data: Path, tmp_path: Path
) -> None:
    run("cases", "report", "--data", data, "--out", "one.html", "--limit", 1)
    text = (tmp_path / "one.html").read_text(encoding="utf-8")
    assert _shown(text) == ["3"]
    assert "2 older cases are left out" in text
    run("cases", "report", "--data", data, "--out", "two.html", "--kind", "clutter")
    assert _shown((tmp_path / "two.html").read_text(encoding="utf-8")) == ["2"]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_browser_filters_and_sorts(page: Path) -> None:
    document = after(page, "")
    assert "3 of 3 shown" in document
    assert _shown(document) == ["3", "2", "1"]
    typed = "const box = document.querySelector('#filters input'); box.value = 'GATE';"
    document = after(page, f"{typed} box.dispatchEvent(new Event('input', {{bubbles: true}}))")
    assert "1 of 3 shown" in document
    assert _shown(document) == ["2"]
    clicked = "[...document.querySelectorAll('th button')].find(b => b.innerText == 'stay').click()"
    assert _shown(after(page, clicked)) == ["1", "3", "2"]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_browser_enlarges_a_picture(page: Path) -> None:
    document = after(page, "document.querySelector('.pictures a').click()")
    dialog = document[document.index("<dialog") :]
    assert "open" in dialog[: dialog.index(">")]
    assert "data:image/jpeg" in dialog


def _show_open(data: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`cases show 1 --open` in a process of its own: Python remembers browsers that it found."""
    command = [sys.executable, str(ROOT / "cli.py"), "cases", "show", "1", "--open", "--data"]
    return subprocess.run(
        [*command, str(data)], env=environment, capture_output=True, text=True, check=True
    )


def test_show_opens_the_case_in_the_browser(data: Path, tmp_path: Path) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    _show_open(data, BROWSER=str(browser))
    report = data / "reports" / "case-1.html"
    assert opened.read_text().strip() == report.as_uri()
    assert _shown(report.read_text(encoding="utf-8")) == ["1"]


def test_without_a_browser_the_file_is_named(data: Path, tmp_path: Path) -> None:
    done = _show_open(data, PATH=str(tmp_path))
    assert "case-1.html" in done.stderr
    assert "open the file yourself" in done.stderr


def test_a_report_in_a_folder_that_cannot_be_made_is_refused(
    run: Run, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = run("cases", "report", "--data", data, "--out", "file/cases.html")
    assert done.returncode == 2
    assert "choose --out" in done.stderr


def test_evidence_that_is_away_is_named_and_the_rest_is_shown(
    run: Run, data: Path, tmp_path: Path
) -> None:
    (package,) = (data / "evidence").glob("clutter-*")
    package.rename(tmp_path / "away")
    done = run("cases", "report", "--data", data, "--out", "cases.html")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "cases.html").read_text(encoding="utf-8")
    assert f"{package}: cannot be read: No such file or directory" in text
    assert text.count('src="data:image/jpeg;base64,') == 4


def test_photos_of_officers_are_linked_and_not_contained(
    run: Run, data: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (640, 480), "green").save(tmp_path / "door.jpg")
    assert run("cases", "note", 1, "--photo", "door.jpg", "--data", data).returncode == 0
    run("cases", "report", "--data", data, "--out", "cases.html")
    text = (tmp_path / "cases.html").read_text(encoding="utf-8")
    (link,) = re.findall(r'href="([^"]+photo-1.jpg)"', text)
    assert (tmp_path / unquote(link)).is_file()
    assert text.count('src="data:image/jpeg;base64,') == 8


def test_purging_evidence_removes_reports_with_copies_of_it(run: Run, data: Path) -> None:
    run("cases", "report", "--data", data)
    assert (data / "reports" / "cases.html").is_file()
    done = run("privacy", "purge", "--data", data)
    assert done.returncode == 0, done.stderr
    assert not (data / "reports").exists()


def test_the_columns_of_a_list_can_be_picked(run: Run, data: Path) -> None:
    done = run("cases", "list", "--data", data, "--columns", "id,vehicle,stay_s")
    assert done.stdout.splitlines()[0] == "id\tvehicle\tstay_s"
    assert "1\tcar\t300.0" in done.stdout.splitlines()
    rows = run("cases", "list", "--data", data, "--columns", "id,stay_s", "--format", "jsonl")
    assert json.loads(rows.stdout.splitlines()[0]) == {"id": 3, "stay_s": 400.0}

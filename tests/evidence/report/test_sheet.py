"""One page shows and proves a violation: what a reader sees is what the package holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pypdfium2
import pytest
import zxingcpp

from cv_engine.cases.taxonomy import CaseClass, load_taxonomy
from cv_engine.evidence.clock_error import RTCP, ClockError, ClockHistory
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.media.still import Image, Still
from cv_engine.evidence.package import Exhibit, write
from cv_engine.evidence.profiles import facts_of, judge, load_profiles
from cv_engine.evidence.report import lettering
from cv_engine.evidence.report.page import write_page
from cv_engine.evidence.report.sheet import Context, sheet_of
from cv_engine.evidence.report.sketch import Site
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.timestamp.token import Timestamp
from cv_engine.evidence.verify import examine
from cv_engine.finding import Finding, Place
from tests.evidence.media.scenes import BEGAN, parked

_SCALE = 3.0  # pixels per point: 216 dots per inch
PRINTED = datetime(2026, 5, 2, 9, 30, tzinfo=UTC)
SITE = {
    "timezone": "Asia/Shanghai",
    "camera": [121.54395, -29.86850],
    "zone": [[[121.5439, -29.8682], [121.5442, -29.8682], [121.5442, -29.8684]]],
}
PLATE = {"plate": {"text": "浙B12345", "confidence": 0.997, "layout": "blue"}}
LAW = "《道路交通安全法》第五十六条"


def _plate_still(still: Still) -> Still:
    return replace(still, role="plate", box=(380, 230, 440, 250))


@pytest.fixture
def stills_with_plate(stills: list[Still]) -> list[Still]:
    return [*stills, _plate_still(stills[1])]


def _package(
    root: Path, stills: list[Still], key: SigningKey, finding: Finding, site: Mapping[str, Any]
) -> Path:
    history = ClockHistory.of([ClockError(-0.3, 0.25, RTCP, BEGAN, 0.01)])
    assert history is not None
    provenance = {"site": site, "clock_error": history.as_json(), "clock": "sender reports"}
    return write(root, finding, stills, key=key, provenance=provenance)


def _pdf(
    package: Path, *, of_class: CaseClass | None = None, stamp: Timestamp | None = None
) -> bytes:
    manifest = examine(package).manifest
    assert manifest is not None
    facts = facts_of(package, manifest.content)
    judged = [] if facts is None else judge(facts, load_profiles())
    context = Context(7, of_class, stamp, judged, (), PRINTED)
    return write_page(sheet_of(package, package.name, manifest, context))


def _seen(pdf: bytes) -> tuple[str, Image]:
    """The text of the only page, and the page as it is printed."""
    document = pypdfium2.PdfDocument(pdf)
    (page,) = document
    text = page.get_textpage().get_text_range()
    picture = np.asarray(page.render(scale=_SCALE).to_numpy(), np.uint8)
    document.close()
    return " ".join(text.split()), picture


def _qr(page: Image) -> str:
    """What a phone reads that is held over the page."""
    (code,) = zxingcpp.read_barcodes(page)
    return code.text


def _class() -> CaseClass:
    return replace(load_taxonomy().classify("motor_vehicle_parked"), law=LAW)


def test_the_sheet_says_what_the_package_holds(
    tmp_path: Path, stills_with_plate: list[Still], key: SigningKey
) -> None:
    finding = replace(parked(), attributes=PLATE)
    package = _package(tmp_path, stills_with_plate, key, finding, SITE)
    stamp = Timestamp(PRINTED, 1.0, "Trial signer", "0" * 64)
    text, picture = _seen(_pdf(package, of_class=_class(), stamp=stamp))
    digest = hashlib.sha256((package / "manifest.json").read_bytes()).hexdigest()
    for words in (
        "Motor vehicle parked disorderly 机动车乱停放",
        "Case 7",
        package.name,
        LAW,
        "GB/T 47678.5-2026 · 09009",
        "from secondary copies",
        "浙B12345 · blue · read with 99.7% confidence",
        "29.86831° S, 121.54402° E ± 2.1 m",
        "市场街-03 · zone pavement",
        "2026-05-01 08:00:07 +08:00 (2026-05-01 00:00:07 UTC)",
        "2026-05-01 08:00:27 +08:00 (2026-05-01 00:00:27 UTC) · 20 s",
        "Camera's clock -0.3 s ± 0.2 s (RTCP sender reports)",
        key.fingerprint,
        digest,
        "GA/T 832-2014",
        "SI 2022/71",
        "London",
        "California",
        "Plate",
    ):
        assert words in text, words
    read = _qr(picture)
    assert read == f"sha256:{digest}"


def test_the_pictures_of_the_package_are_on_the_page(
    tmp_path: Path, stills: list[Still], key: SigningKey
) -> None:
    package = _package(tmp_path, stills, key, parked(), SITE)
    pdf = _pdf(package)
    document = pypdfium2.PdfDocument(pdf)
    (page,) = document
    sizes = {tuple(each.get_px_size()) for each in page.get_objects() if each.type == 3}
    document.close()
    expected = set()
    for name in ("overview-start", "overview-end", "closeup-end"):
        picture = cv2.imread(str(package / f"shareable/{name}.jpg"))
        assert picture is not None
        expected.add((picture.shape[1], picture.shape[0]))
    assert sizes == expected
    # JPEGs are embedded as they are, not encoded again.
    assert (package / "shareable/overview-start.jpg").read_bytes() in pdf


def test_nothing_covers_anything_else(
    tmp_path: Path, stills_with_plate: list[Still], key: SigningKey
) -> None:
    """Even with the longest texts, the facts end above the part that is signed."""
    long = replace(
        parked("摄像机" * 20), zone="zone " * 30, attributes=PLATE | {"address": "解放路 " * 40}
    )
    package = _package(tmp_path, stills_with_plate, key, long, SITE)
    pdf = _pdf(package, of_class=replace(_class(), law=LAW * 12))
    text, picture = _seen(pdf)
    assert "SHA-256" in text
    read = _qr(picture)
    assert read.startswith("sha256:")
    assert "more profiles: see cv-engine evidence verify" in text
    document = pypdfium2.PdfDocument(pdf)
    page = document[0].get_textpage()
    rule = (297 - 236) / 25.4 * 72  # the line above the part that is signed, points from below
    for number in range(page.count_chars()):
        _, bottom, _, top = page.get_charbox(number)
        assert not bottom < rule < top, "a letter is written across the line"
    document.close()


def test_what_is_not_known_is_said(tmp_path: Path, stills: list[Still], key: SigningKey) -> None:
    finding = replace(parked(), place=Place(None, None, "unknown", parked().place.image_box))
    package = write(tmp_path, finding, stills, key=key)
    text, _ = _seen(_pdf(package))
    assert "Motor vehicle parked" in text
    assert "not read" in text and "position unknown" in text
    assert "Error of the camera's clock unknown" in text
    assert "amber: zone" not in text, "there is no map without a place"


def test_chinese_shows_without_an_installed_font(
    tmp_path: Path, stills: list[Still], key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = _package(tmp_path, stills, key, replace(parked(), attributes=PLATE), SITE)
    with_font, without = _seen(_pdf(package)), None
    monkeypatch.setattr(lettering, "chinese_file", lambda: None)
    without = _seen(_pdf(package))
    assert "浙B12345" in with_font[0] and "浙B12345" not in without[0]
    # The plate is drawn: dark where the font would have put it.
    assert abs(int((with_font[1] < 100).sum()) - int((without[1] < 100).sum())) < 60_000
    read = _qr(without[1])
    assert read.startswith("sha256:")


def test_a_package_without_stills_shows_its_exhibits(tmp_path: Path, key: SigningKey) -> None:
    data = cv2.imencode(".jpg", np.full((300, 400, 3), 90, np.uint8))[1].tobytes()
    exhibit = Exhibit("shareable/before-after.jpg", "after", "before-after", BEGAN, data)
    package = write(tmp_path, parked(), [], key=key, exhibits=[exhibit])
    assert "before-after" in _seen(_pdf(package))[0]


def test_what_is_no_violation_gets_no_sheet(tmp_path: Path, key: SigningKey) -> None:
    exhibit = Exhibit("original/before.tif", "before", "window", BEGAN, b"raster")
    package = write(tmp_path, parked(), [], key=key, exhibits=[exhibit])
    with pytest.raises(EvidenceError, match="no picture that may be handed out"):
        _pdf(package)


def test_the_map_holds_all_that_is_near_the_place() -> None:
    place = Place({"type": "Point", "coordinates": [121.54402, -29.86831]}, 2.0, "homography")
    site = Site.of(place, SITE)
    assert site is not None and site.camera is not None
    east, north = site.camera
    assert (round(east, 1), round(north, 1)) == (-6.8, -21.1)  # metres
    assert 21.1 < site.half_width_m < 40
    assert Site.of(replace(place, geometry=None), SITE) is None
    bare = Site.of(place, {})
    assert bare is not None and (bare.camera, bare.zones) == (None, [])
    assert Site.of(place, {"zone": "nonsense"}) is None


def test_a_building_is_drawn_with_its_outline() -> None:
    square = [[121.0, 29.0], [121.001, 29.0], [121.001, 29.001], [121.0, 29.001], [121.0, 29.0]]
    site = Site.of(Place({"type": "Polygon", "coordinates": [square]}, None, "raster"), {})
    assert site is not None and len(site.outline) == 5
    assert 50 < site.half_width_m < 80

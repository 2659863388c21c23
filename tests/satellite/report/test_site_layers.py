"""The layers that a planner opens: every site has its number, verdict, permit, zone and dates."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as Xml

import pyogrio.raw
import pytest
from affine import Affine

from satellite.imagery.grid import Grid
from satellite.records.judge import Judge
from satellite.records.permits import Permit, PlanningZone
from satellite.report.categories import BY_CHANGE_TYPE, BY_VERDICT
from satellite.report.site_layers import FIELDS, site_properties, write_site_layers
from tests.satellite.report.sections import GRID, section
from tests.satellite.sites import ground, lonlat

_EVER = date(2020, 1, 1)


def _judge() -> Judge:
    """The second house has a permit for its half, the third one that is over."""
    permits = [
        Permit("2026-0117", lonlat(ground(30, 0, 10, 10)), _EVER),
        Permit("=2019", lonlat(ground(55, -5, 40, 30)), _EVER, date(2025, 12, 31)),
    ]
    zone = PlanningZone("Green belt", lonlat(ground(-9, -9, 35, 40)), "forbidden")
    return Judge(permits, [zone])


def test_every_layer_has_the_verdict_of_every_site(tmp_path: Path) -> None:
    made = section(tmp_path, _judge(), ["new", "extension", "new", "demolition"])
    write_site_layers(made)
    features = json.loads((tmp_path / "changes.geojson").read_text())["features"]
    rows = [feature["properties"] for feature in features]
    assert all(tuple(row) == FIELDS for row in rows)
    assert [row["site"] for row in rows] == [1, 2, 3, 4]
    told = [(row["outcome"], row["verdict"]) for row in rows]
    assert told == [
        ("no_permit", "no permit; zone Green belt forbids building"),
        ("outside_permit", "partly outside permit 2026-0117"),
        ("expired_permit", "permit =2019 expired on 2025-12-31"),
        ("not_filed", "demolition: a change type that is not filed"),
    ]
    assert [row["permit"] for row in rows] == [None, "2026-0117", None, None]
    assert rows[3]["outside_permit_m2"] is None, "no permit allows or forbids it"
    assert rows[1]["outside_permit_m2"] == pytest.approx(100, abs=1)
    assert (rows[0]["planning_zone"], rows[0]["planning_building"]) == ("Green belt", "forbidden")
    assert (rows[0]["before"][:10], rows[0]["after"][:10]) == ("2026-01-05", "2026-02-05")
    meta, _, _, columns = pyogrio.raw.read(tmp_path / "changes.gpkg", layer="changes")
    packed = dict(zip(meta["fields"], columns, strict=True))
    assert list(packed["verdict"]) == [row["verdict"] for row in rows]
    with (tmp_path / "changes.csv").open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert [line["verdict"] for line in table] == [row["verdict"] for row in rows]
    assert table[1]["permit"] == '="2026-0117"', "a spreadsheet keeps it as text"
    assert table[2]["expired_permit"] == '="=2019"', "and does not run it as a formula"
    assert float(table[0]["latitude"]) == pytest.approx(29.82, abs=0.01)


def test_sites_without_records_have_no_verdict(tmp_path: Path) -> None:
    row = site_properties(made := section(tmp_path, None), 1, made.sites[0])
    assert (row["outcome"], row["verdict"], row["outside_permit_m2"]) == (None, None, None)
    assert "aerial images of suburbs in Texas" in str(row["detector_accuracy"])


def test_a_comparison_without_changes_has_empty_layers(tmp_path: Path) -> None:
    write_site_layers(section(tmp_path, None, []))
    assert json.loads((tmp_path / "changes.geojson").read_text())["features"] == []
    header = (tmp_path / "changes.csv").read_text(encoding="utf-8-sig").strip()
    assert header == ",".join([*FIELDS, "latitude", "longitude"])


@pytest.mark.parametrize(("judged", "field"), [(True, "outcome"), (False, "sort")])
def test_qgis_shows_the_polygons_in_the_colours_of_the_map(
    tmp_path: Path, judged: bool, field: str
) -> None:
    write_site_layers(section(tmp_path, _judge() if judged else None))
    style = Xml.parse(tmp_path / "changes.qml").getroot()
    renderer = style.find("renderer-v2")
    assert renderer is not None
    assert renderer.get("attr") == field
    shown = BY_VERDICT if judged else BY_CHANGE_TYPE
    labels = {each.get("value"): each.get("label") for each in renderer.iter("category")}
    assert labels == {key: category.label for key, category in shown.items()}
    first = renderer.find(".//Option[@name='outline_color']")
    assert first is not None
    assert first.get("value") == "230,0,0,255"
    meta, _, _, columns = pyogrio.raw.read(tmp_path / "changes.gpkg", layer="layer_styles")
    packed = dict(zip(meta["fields"], columns, strict=True))
    assert packed["f_table_name"].tolist() == ["changes", "not_compared"]
    assert packed["styleQML"][0] == (tmp_path / "changes.qml").read_text()
    assert packed["useAsDefault"].tolist() == [True, True]


@pytest.mark.parametrize(
    ("resolution_m", "f1", "words"),
    [
        (0.5, 0.93, "F1 0.93 on nine pairs of LEVIR-CD"),
        (1.1, 0.93, "it does not hold for pixels of 1.1 m"),
        (0.5, None, "its F1 was not measured"),
    ],
)
def test_a_figure_says_of_which_images_it_is(
    tmp_path: Path, resolution_m: float, f1: float | None, words: str
) -> None:
    at = GRID.transform @ Affine.scale(resolution_m / 0.5)
    made = section(tmp_path, None, grid=Grid(GRID.crs, at, 400, 200), f1=f1)
    assert words in str(site_properties(made, 1, made.sites[0])["detector_accuracy"])

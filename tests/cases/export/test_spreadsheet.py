"""Cases as CSV: read back by Python's reader, and, where it is installed, by LibreOffice."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from datetime import timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cv_engine.cases import Action, Case, Queue, QueueError
from cv_engine.cases.export.columns import COLUMNS, Surroundings, columns_named, rows_of
from cv_engine.cases.export.spreadsheet import Dialect, csv_text
from tests.cases.made import CORNER, finding

_NINGBO = timezone(timedelta(hours=8))
_OFFICE = shutil.which("soffice")
_CELL = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE_NS = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"


def _zone_of(_: Case) -> tzinfo:
    return _NINGBO


def _written(queue: Queue, names: str | None = None, dialect: Dialect = Dialect.SPREADSHEET) -> str:
    about = Surroundings(queue.verdicts, _zone_of, lambda name: f"/data/evidence/{name}")
    columns = COLUMNS if names is None else columns_named(names.split(","))
    return "".join(csv_text(rows_of(queue.each(), about), columns, dialect))


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_what_an_officer_asks_is_a_column_each(queue: Queue) -> None:
    attributes = {
        "vehicle": "car",
        "limit_s": 300.0,
        "address": "中山东路 5",
        "plate": {"text": "浙B12345", "confidence": 0.99, "layout": "blue"},
    }
    queue.file(finding(0, 400.25, geometry=CORNER, basis="homography", attributes=attributes))
    queue.move(1, Action.REJECT, "Li", "loading is allowed", reason="permitted")
    (row,) = _rows(_written(queue))
    assert (row["camera"], row["vehicle"], row["address"]) == ("market-street", "car", "中山东路 5")
    assert (row["stay_s"], row["limit_s"], row["gone"]) == ("400.2", "300.0", "not known")
    assert (row["verdict"], row["reason"], row["who"]) == ("rejected", "permitted", "Li")
    assert row["note"] == "loading is allowed"
    assert (row["latitude"], row["longitude"]) == ("29.87", "121.55")
    assert json.loads(row["attributes"])["vehicle"] == "car"


def test_times_are_local_whole_seconds_and_the_offset_is_beside(queue: Queue) -> None:
    queue.file(finding(0.64, 300.5))
    (row,) = _rows(_written(queue))
    assert (row["began"], row["timezone"]) == ("2026-05-01T08:00:00", "UTC+08:00")
    (row,) = _rows(_written(queue, dialect=Dialect.PLAIN))
    assert row["began"] == "2026-05-01T08:00:00+08:00"


def test_evidence_is_the_path_of_the_package(queue: Queue) -> None:
    queue.file(finding(evidence="clutter-1"))
    (row,) = _rows(_written(queue, "id,evidence"))
    assert row == {"id": "1", "evidence": "/data/evidence/clutter-1"}


def test_a_verdict_that_was_taken_back_is_none(queue: Queue) -> None:
    queue.file(finding())
    queue.confirm(1, "Li")
    assert _rows(_written(queue))[0]["verdict"] == "confirmed"
    queue.move(1, Action.UNDO, "Li", "wrong case")
    row = _rows(_written(queue))[0]
    assert (row["verdict"], row["who"]) == ("", "")


def test_a_later_step_of_the_process_is_no_verdict(queue: Queue) -> None:
    queue.file(finding())
    queue.confirm(1, "Li")
    queue.move(1, Action.CITE, "Wang")
    row = _rows(_written(queue))[0]
    assert (row["state"], row["verdict"], row["who"]) == ("cited", "confirmed", "Li")


def test_codes_keep_their_zeros_in_a_spreadsheet(queue: Queue) -> None:
    queue.file(finding())
    assert _rows(_written(queue))[0]["code"] == '="09009"'
    assert _rows(_written(queue, dialect=Dialect.PLAIN))[0]["code"] == "09009"


def test_only_a_file_for_spreadsheets_has_a_byte_order_mark(queue: Queue) -> None:
    assert _written(queue).startswith("\ufeffid,state,kind")
    assert _written(queue, dialect=Dialect.PLAIN).startswith("id,state,kind")


def test_columns_can_be_picked_and_ordered(queue: Queue) -> None:
    queue.file(finding())
    assert _written(queue, "state, id", Dialect.PLAIN) == "state,id\r\nreported,1\r\n"


def test_an_unknown_column_is_refused_with_those_that_there_are(queue: Queue) -> None:
    with pytest.raises(QueueError, match=r"no column 'adress'; known: .*address"):
        columns_named(["id", "adress"])


@pytest.mark.parametrize(
    "zone", ["=1+1", "+1", "-1", "@SUM(A1)", "  =1+1", "\uff1d1", "|calc", "%0A"]
)
@pytest.mark.parametrize("dialect", Dialect)
def test_no_cell_is_a_formula(queue: Queue, zone: str, dialect: Dialect) -> None:
    queue.file(finding(zone=zone))
    assert _rows(_written(queue, "zone", dialect))[0]["zone"] == "'" + zone


def test_numbers_stay_numbers(queue: Queue) -> None:
    west = {"type": "Point", "coordinates": [-3.7, 40.4]}
    queue.file(finding(geometry=west, basis="homography"))
    assert _rows(_written(queue))[0]["longitude"] == "-3.7"


def test_a_building_seen_from_above_has_no_stay(queue: Queue) -> None:
    square = [[121.0, 30.0], [121.1, 30.0], [121.1, 30.1], [121.0, 30.0]]
    place: dict[str, Any] = {"type": "Polygon", "coordinates": [square]}
    queue.file(finding(0, 0, box=None, geometry=place, basis="raster"))
    row = _rows(_written(queue))[0]
    assert row["stay_s"] == ""
    assert 121.0 < float(row["longitude"]) < 121.1


@pytest.mark.skipif(_OFFICE is None, reason="LibreOffice is not installed")
def test_a_spreadsheet_program_reads_codes_dates_and_texts(queue: Queue, tmp_path: Path) -> None:
    attributes = {"address": '中山东路 5, "Hof"\nhinten', "plate": {"text": "0012345"}}
    west = {"type": "Point", "coordinates": [-3.7, 40.4]}
    queue.file(finding(zone="=1+1", geometry=west, basis="homography", attributes=attributes))
    written = tmp_path / "cases.csv"
    written.write_text(_written(queue), encoding="utf-8", newline="")
    cells = _by_office(written)
    assert cells["code"] == ("string", "09009")
    assert cells["plate"] == ("string", "0012345")
    assert cells["began"] == ("date", "2026-05-01T08:00:00")
    assert cells["longitude"] == ("float", "-3.7")
    assert cells["address"] == ("string", '中山东路 5, "Hof"\nhinten')
    assert cells["zone"] == ("string", "'=1+1")


def _by_office(path: Path) -> dict[str, tuple[str, str]]:
    """Type and value of the cells of the first row, by their column, as LibreOffice opens a CSV."""
    assert _OFFICE is not None
    profile = f"-env:UserInstallation=file://{path.parent}/office"
    # What the import dialog chooses by the file: commas, double quotes, UTF-8 by the mark.
    read = "--infilter=CSV:44,34,76,1"
    command = [_OFFICE, profile, "--headless", read, "--convert-to", "fods", "--outdir"]
    subprocess.run(
        [*command, str(path.parent), str(path)], check=True, capture_output=True, timeout=120
    )
    tree = ElementTree.parse(path.with_suffix(".fods"))
    names, values = [list(_cells(row)) for row in tree.iter(f"{_CELL}table-row")][:2]
    return dict(zip([text for _, text in names], values, strict=False))


def _cells(row: ElementTree.Element) -> Any:
    for cell in row.iter(f"{_CELL}table-cell"):
        kind = cell.get(f"{_OFFICE_NS}value-type", "")
        text = "\n".join("".join(line.itertext()) for line in cell.iter(f"{_TEXT}p"))
        value = cell.get(f"{_OFFICE_NS}date-value") or cell.get(f"{_OFFICE_NS}value") or text
        for _ in range(min(int(cell.get(f"{_CELL}number-columns-repeated", "1")), 100)):
            yield kind, value

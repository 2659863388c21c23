from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from cv_engine.registry import Contact, ImportRefused, Kind, RegistryError
from tests.registry.made import NOW, contact_of, load, registry

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")


def _write(path: Path, **columns: list[Any]) -> Path:
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path)
    return path


def test_the_types_of_data_frames_are_read_as_text(tmp_path: Path) -> None:
    file = _write(
        tmp_path / "v.parquet",
        plate=["浙B12345", "浙B54321", "浙B00001"],
        owner=["王小明", None, ""],
        phone=[13800000000.0, float("nan"), None],
    )
    assert load(tmp_path, Kind.VEHICLES, file).about.contacts == 1
    assert contact_of(tmp_path, "浙B12345") == Contact("王小明", "13800000000")


def test_days_are_read_as_days(tmp_path: Path) -> None:
    file = _write(
        tmp_path / "p.parquet",
        number=["7", "8"],
        zone=["market", "market"],
        valid_from=[datetime(2026, 5, 1), None],
        valid_to=[date(2026, 5, 1), date(2026, 4, 30)],
    )
    load(tmp_path, Kind.STALLS, file)
    with registry(tmp_path) as opened:
        (permit,) = opened.permits(Kind.STALLS, NOW, zone="market")
    assert (permit.number, permit.valid_from) == ("7", date(2026, 5, 1))


def test_errors_name_the_row_and_the_column(tmp_path: Path) -> None:
    plates: list[Any] = [f"A{number}" for number in range(10, 25_000)]
    plates[20_000] = "?"
    plates[20_001] = None
    file = _write(tmp_path / "v.parquet", plate=plates)
    with pytest.raises(ImportRefused) as caught:
        load(tmp_path, Kind.VEHICLES, file)
    assert [each.where for each in caught.value.problems] == [
        f"{file}: row 20001: plate",
        f"{file}: row 20002: plate",
    ]


def test_values_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = _write(tmp_path / "v.parquet", plate=[["A", "1"]], status=[True])
    with pytest.raises(ImportRefused) as caught:
        load(tmp_path, Kind.VEHICLES, file)
    assert "'True' is no status" in str(caught.value)
    assert "is no plate" in str(caught.value)


@pytest.mark.parametrize("cut", [0, 10, 300, 2000])
def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path, cut: int) -> None:
    file = _write(tmp_path / "v.parquet", plate=[f"A{number}" for number in range(10, 2000)])
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ImportRefused, match=r"the file is not Parquet .*; export the file again"):
        load(tmp_path, Kind.VEHICLES, file)


def test_damage_within_a_file_is_refused(tmp_path: Path) -> None:
    file = _write(tmp_path / "v.parquet", plate=[f"A{number}" for number in range(10, 2000)])
    content = bytearray(file.read_bytes())
    content[4:400] = bytes(396)
    file.write_bytes(content)
    with pytest.raises(ImportRefused, match=r"v.parquet: row 1: the file is damaged"):
        load(tmp_path, Kind.VEHICLES, file)


def test_without_its_package_parquet_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _write(tmp_path / "v.parquet", plate=["A1"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RegistryError, match="install cv-engine with its extra `parquet`"):
        load(tmp_path, Kind.VEHICLES, file)


def test_times_are_read_in_the_time_zone_that_they_have(tmp_path: Path) -> None:
    at = datetime(2026, 5, 1, 8, tzinfo=UTC)
    file = _write(tmp_path / "p.parquet", number=["7"], zone=["market"], valid_from=[at])
    with pytest.raises(ImportRefused, match=r"valid_from: .* is no day"):
        load(tmp_path, Kind.STALLS, file)

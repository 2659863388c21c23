from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.errors import Failure
from cv_engine.registry import Contact, ImportRefused, Kind, RegistryError, Status, Vehicle
from cv_engine.registry.tables.importing import check_file
from tests.registry.made import (
    NOW,
    VEHICLES,
    contact_of,
    load,
    registry,
    tables,
    vehicles,
    write,
    write_rows,
)
from zones.errors import Problem

_PLATES = st.from_regex(r"[浙沪京][A-Z][0-9A-Z]{5,6}", fullmatch=True)
_WORDS = st.text(
    st.characters(categories=("L", "N", "P", "S"), include_characters=' ,"\n'), max_size=30
).map(lambda text: " ".join(text.split()))
_PHONES = st.one_of(st.just(""), st.from_regex(r"\+?[0-9]{5,15}", fullmatch=True))
_CONTACTS = st.tuples(_WORDS, _PHONES, _WORDS)


@given(rows=st.dictionaries(_PLATES, st.tuples(st.sampled_from(Status), _CONTACTS), min_size=1))
def test_every_row_of_a_file_is_found_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    rows: Mapping[str, tuple[Status, tuple[str, str, str]]],
) -> None:
    folder = tmp_path_factory.mktemp("round-trip")
    written = [(p, "blue", s.value, "police", *c) for p, (s, c) in rows.items()]
    imported = load(folder, Kind.VEHICLES, write_rows(folder / "v.csv", VEHICLES, written))
    assert imported.about.rows == len(rows)
    with registry(folder) as opened:
        for plate, (status, contact) in rows.items():
            known = Vehicle(plate, "blue", status, "police", any(contact))
            assert opened.vehicle(plate) == known
    for plate, (_, contact) in rows.items():
        assert contact_of(folder, plate) == Contact(*(text or None for text in contact))


@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_bytes_are_imported_or_refused_with_their_place(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    for header in (b"", b"plate\n", b"plate,owner\n"):
        (folder / "v.csv").write_bytes(header + content)
        try:
            load(folder, Kind.VEHICLES, folder / "v.csv")
        except ImportRefused as refused:
            assert all(str(folder / "v.csv") in each.where for each in refused.problems)
            str(refused).encode()  # a terminal can show the message


def _refused(folder: Path, *rows: str, kind: Kind = Kind.VEHICLES, header: str = VEHICLES) -> str:
    with pytest.raises(ImportRefused) as caught:
        load(folder, kind, write(folder / "f.csv", header, *rows))
    return str(caught.value).replace(f"{folder}/", "")


def test_every_error_of_a_file_is_reported_with_line_and_column(tmp_path: Path) -> None:
    text = _refused(
        tmp_path,
        "浙B00001,blue,normal,,,13800000000,",
        "浙B0?,blue,normal,,,,",
        "浙B00003,Blue!,parked,,,12,",
        "浙B00004,blue,exempt,,,,",
        "浙B00005,blue,normal,,,",
        '浙B00006,blue,normal,,"two',
        'lines",1380,',
        ",,,,owner,,",
        f"浙B00010,,,,,,{'x' * 201}",
        "浙b·00001,,,,,,",
    )
    assert [line.partition("; ")[0] for line in text.splitlines()] == [
        "f.csv:3: plate: '浙B0?' is no plate",
        "f.csv:4: layout: 'Blue!' is no layout",
        "f.csv:4: status: 'parked' is no status",
        "f.csv:4: phone: the text is no telephone number",
        "f.csv:5: exempt_reason: the cell is empty",
        "f.csv:6: the row has 6 columns, the header 7",
        "f.csv:9: plate: the cell is empty",
        "f.csv:10: address: the text has 201 characters",
        "f.csv:11: plate: '浙B00001' is there twice, first at f.csv:2",
    ]


@pytest.mark.parametrize(
    ("kind", "header", "row", "expected"),
    [
        (Kind.VEHICLES, "owner", "王", "f.csv:1: plate: the column is missing; the columns are"),
        (Kind.VEHICLES, "plate,colour", "A1,red", "f.csv:1: colour: the column is unknown; rename"),
        (Kind.VEHICLES, "plate,plate", "A1,A2", "f.csv:1: plate: the column is there twice"),
        (Kind.VEHICLES, "plate;owner", "A1;B", "the columns are not divided by commas"),
        (Kind.VEHICLES, "plate", "", "f.csv:1: the file has no row"),
        (Kind.VEHICLES, "plate", '"A1', "f.csv:2: the line is not CSV"),
        (Kind.MERCHANTS, "id,name,latitude", "1,shop,30", "f.csv:2: longitude: the cell is empty"),
        (Kind.MERCHANTS, "id,name,latitude", "1,shop,91", "f.csv:2: latitude: '91' is not valid"),
        (Kind.STALLS, "number", "7", "f.csv:2: zone: the permit names no zone, plate or place"),
        (Kind.STALLS, "number,zone,valid_to", "7,a,1.5.26", "f.csv:2: valid_to: '1.5.26' is no"),
        (Kind.STALLS, "number,zone,valid_to", "7,a,2026-02-30", "'2026-02-30' is no day"),
        (Kind.STALLS, "number,zone,hours", "7,a,Mo 8-99", "f.csv:2: hours: "),
        (
            Kind.PARKING,
            "number,plate,valid_from,valid_to",
            "7,A1,2026-05-02,2026-05-01",
            "f.csv:2: valid_to: 2026-05-01 lies before valid_from 2026-05-02",
        ),
        (Kind.EXEMPTIONS, "plate,reason", "A1,", "f.csv:2: reason: the cell is empty"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, kind: Kind, header: str, row: str, expected: str
) -> None:
    assert expected in _refused(tmp_path, row, kind=kind, header=header)


def test_a_file_with_an_error_changes_nothing(tmp_path: Path) -> None:
    load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 3))
    _refused(tmp_path, *(f"浙B9000{n},,,,,," for n in range(9)), "?,,,,,,")
    with registry(tmp_path) as opened:
        assert opened.vehicle("浙B00002") is not None
        assert opened.vehicle("浙B90000") is None
    assert sorted(path.name for path in (tmp_path / "registry").iterdir()) == [
        "lock",
        "vehicles.db",
    ]


def test_a_message_has_the_first_hundred_errors_and_their_number(tmp_path: Path) -> None:
    lines = _refused(tmp_path, *(["?,,,,,,"] * 250)).splitlines()
    assert len(lines) == 101
    assert lines[-1].startswith("150 more problems; `cv-engine registry check` lists them all")
    found: list[Problem] = []
    check_file(
        tmp_path / "registry",
        Kind.VEHICLES,
        tmp_path / "f.csv",
        NOW,
        found.append,
        lambda *_: None,
    )
    assert len(found) == 250


def test_a_check_reports_what_an_import_would_and_changes_nothing(tmp_path: Path) -> None:
    file = vehicles(tmp_path, 3)
    found: list[Problem] = []
    options = (tmp_path / "registry", Kind.VEHICLES, file, NOW, found.append, lambda *_: None)
    assert check_file(*options) == 3
    assert found == []
    file.write_text(file.read_text() + "浙B00001,,,,,,\n")
    assert check_file(*options) == 4
    assert [each.where for each in found] == [f"{file}:5: plate"]
    assert tables(tmp_path).about(Kind.VEHICLES) is None
    assert not (tmp_path / "key").exists()


def test_files_of_spreadsheets_in_chinese_are_read(tmp_path: Path) -> None:
    file = tmp_path / "v.csv"
    text = "plate,owner\r\n浙B12345,王小明\r\n"
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    load(tmp_path, Kind.VEHICLES, file)
    assert contact_of(tmp_path, "浙B12345").name == "王小明"
    file.write_bytes(text.encode("gb18030"))
    with pytest.raises(ImportRefused, match=r"csv:2: plate: .* no text; .* --encoding gb18030"):
        load(tmp_path, Kind.VEHICLES, file)
    load(tmp_path, Kind.VEHICLES, file, encoding="gb18030")
    with pytest.raises(RegistryError, match="'gb' is no encoding"):
        load(tmp_path, Kind.VEHICLES, file, encoding="gb")


def test_a_file_that_was_cut_off_does_not_replace_a_whole_one(tmp_path: Path) -> None:
    load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 100))
    assert load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 91)).rows_before == 100
    with pytest.raises(RegistryError, match=r"has 81 records, the present table .* has 91"):
        load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 81))
    assert load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 81), may_shrink=True).about.rows == 81


def test_a_pipe_is_imported(tmp_path: Path) -> None:
    pipe, text = tmp_path / "pipe", vehicles(tmp_path, 5).read_bytes()
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(text,))
    writer.start()
    assert load(tmp_path, Kind.VEHICLES, pipe).about.rows == 5
    writer.join()


def test_a_second_import_at_the_same_time_is_refused(tmp_path: Path) -> None:
    file = vehicles(tmp_path, 1)
    load(tmp_path, Kind.VEHICLES, file)
    with FileLock(tmp_path / "registry" / "lock"):
        with pytest.raises(RegistryError, match="another import, check or change of the key") as e:
            load(tmp_path, Kind.VEHICLES, file)
        assert e.value.failure is Failure.UNAVAILABLE


def test_open_registries_see_a_new_table_at_once(tmp_path: Path) -> None:
    with registry(tmp_path) as opened:
        assert opened.vehicle("浙B00001") is None
        load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 2))
        assert opened.vehicle("浙B00001") is not None
        for count in (3, 4, 5):
            assert opened.vehicle(f"浙B0000{count - 1}") is None
            load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, count))
            assert opened.vehicle(f"浙B0000{count - 1}") is not None
        (tmp_path / "registry" / "vehicles.db").unlink()
        assert opened.vehicle("浙B00001") is None


def test_a_table_that_is_damaged_says_so_and_is_replaced(tmp_path: Path) -> None:
    load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 2))
    table = tmp_path / "registry" / "vehicles.db"
    table.write_bytes(b"no table" * 1000)
    with (
        registry(tmp_path) as opened,
        pytest.raises(RegistryError, match=r"damaged .* import its file again"),
    ):
        opened.vehicle("浙B00001")
    load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 2))
    with registry(tmp_path) as opened:
        assert opened.vehicle("浙B00001") is not None


def test_a_disk_that_is_full_keeps_the_table(tmp_path: Path) -> None:
    import resource
    import signal

    load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 10))
    file = vehicles(tmp_path, 20_000, name="large.csv")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(RegistryError, match=r"vehicles\.db.*: the "):
            load(tmp_path, Kind.VEHICLES, file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    with registry(tmp_path) as opened:
        assert opened.vehicle("浙B00009") is not None
        assert opened.vehicle("浙B00010") is None
    assert load(tmp_path, Kind.VEHICLES, file).about.rows == 20_000

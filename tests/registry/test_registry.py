from __future__ import annotations

import math
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.cases import ForbiddenError, QueueError
from cv_engine.cases.lifecycle import Role
from cv_engine.cases.looks import Look
from cv_engine.registry import Contact, Kind, Merchant, Permit, Registry, RegistryError, Spot
from tests.registry.made import NOW, load, registry, tables, vehicles, write, write_rows

_PERMITS = "number,plate,zone,longitude,latitude,radius_m,valid_from,valid_to,hours"
_METRE = 1 / 110_574  # degrees of latitude, at most


def test_a_vehicle_is_found_by_any_spelling_of_its_plate(tmp_path: Path) -> None:
    load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 2))
    with registry(tmp_path) as opened:
        for written in ("浙B00001", "浙b·00001", " 浙B 00001 "):
            vehicle = opened.vehicle(written)
            assert vehicle is not None
            assert (vehicle.plate, vehicle.layout, vehicle.has_contact) == (
                "浙B00001",
                "blue",
                True,
            )
        assert opened.vehicle("浙B00002") is None
        assert opened.vehicle("no plate!") is None


def test_what_was_never_imported_is_not_known(tmp_path: Path) -> None:
    with registry(tmp_path) as opened:
        assert opened.vehicle("浙B00001") is None
        assert opened.merchant("7") is None
        assert opened.merchants(Spot(121.5, 29.8), 100) == ()
        assert opened.permits(Kind.STALLS, NOW, zone="market") == ()
        assert opened.exemptions("浙B00001", "market", NOW) == ()
    assert list(tmp_path.iterdir()) == [], "a question creates nothing"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OFFICER])
def test_a_role_that_does_not_need_contact_data_is_refused(tmp_path: Path, role: Role) -> None:
    load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 1))
    looks: list[Look] = []
    with (
        registry(tmp_path, looks) as opened,
        pytest.raises(ForbiddenError, match="ann may not see the contact data of 浙B00000"),
    ):
        opened.contact("浙B·00000", who="ann", role=role, why="case 7")
    assert looks == []


@pytest.mark.parametrize("role", [Role.SUPERVISOR, Role.ADMINISTRATOR, Role.ENGINE])
def test_contact_data_are_shown_to_those_who_need_them_and_logged(
    tmp_path: Path, role: Role
) -> None:
    load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 1))
    looks: list[Look] = []
    with registry(tmp_path, looks) as opened:
        found = opened.contact("浙b00000", who="ann", role=role, why="a call", case_id=7)
        assert found == Contact("王小明", "13800000000", "street 0")
        assert "王" not in repr(found)
        assert opened.contact("浙B99999", who="ann", role=role, why="an appeal") is None
    assert looks == [
        Look("ann", role, "contact", "a call", NOW, 7, "浙B00000"),
        Look("ann", role, "contact", "an appeal", NOW, None, "浙B99999"),
    ]


def test_the_city_chooses_who_needs_contact_data(tmp_path: Path) -> None:
    load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 1))
    with registry(tmp_path, contact_role=Role.OFFICER) as opened:
        assert opened.contact("浙B00000", who="ann", role=Role.OFFICER, why="case 7") is not None
    with (
        registry(tmp_path, contact_role=Role.ADMINISTRATOR) as opened,
        pytest.raises(ForbiddenError, match="it takes the role administrator"),
    ):
        opened.contact("浙B00000", who="ann", role=Role.SUPERVISOR, why="case 7")


def test_no_contact_data_without_a_reason_or_without_a_log(tmp_path: Path) -> None:
    load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 1))
    looks: list[Look] = []
    with registry(tmp_path, looks) as opened:
        with pytest.raises(QueueError, match="say who looks at what, and why"):
            opened.contact("浙B00000", who="ann", role=Role.SUPERVISOR, why=" ")
        with pytest.raises(RegistryError, match="parking has no contact data"):
            opened.contact("7", who="a", role=Role.SUPERVISOR, why="w", kind=Kind.PARKING)
    assert looks == []

    def full(look: Look) -> None:
        raise OSError("the disk is full")

    with (
        Registry(dict.fromkeys(Kind, tables(tmp_path)), full, lambda: NOW) as opened,
        pytest.raises(OSError, match="the disk is full"),
    ):
        opened.contact("浙B00000", who="ann", role=Role.SUPERVISOR, why="case 7")


def test_exemptions_hold_in_their_zone_and_time(tmp_path: Path) -> None:
    rows = (
        "浙B1110警,police,,,,",
        "浙B120,ambulance,,2026-05-01,2026-05-01,",
        "浙B300,works,market,2026-04-01,,Fr 12:00-13:00",
        "浙B300,works,harbour,,2026-04-30,",
    )
    header = "plate,reason,zone,valid_from,valid_to,hours"
    permits = ("7,浙B400,market,,,", "8,浙B400,,121.5,29.8,", "9,,harbour,,,")
    names = "number,plate,zone,longitude,latitude,radius_m"
    load(tmp_path, Kind.PARKING, write(tmp_path / "p.csv", names, *permits))
    load(tmp_path, Kind.EXEMPTIONS, write(tmp_path / "e.csv", header, *rows))
    with registry(tmp_path, timezone="Asia/Shanghai") as opened:

        def reasons(plate: str, zone: str | None, at: datetime = NOW) -> list[str]:
            return [each.reason for each in opened.exemptions(plate, zone, at)]

        assert reasons("浙b·1110警", "anywhere") == ["police"]
        # Friday the first of May begins in Shanghai at 16:00 UTC of the day before.
        day = datetime(2026, 4, 30, 16, tzinfo=UTC)
        for at, valid in (
            (day - timedelta(seconds=1), 0),
            (day, 1),
            (day + timedelta(hours=23), 1),
        ):
            assert len(reasons("浙B120", "market", at)) == valid
        assert reasons("浙B120", "market", day + timedelta(days=1)) == []
        assert reasons("浙B300", "market") == ["works"], "noon in Shanghai"
        assert reasons("浙B300", None) == ["works"]
        assert reasons("浙B300", "market", NOW + timedelta(hours=1)) == []
        assert reasons("浙B300", "harbour") == ["parking permit 9"]
        assert reasons("浙B400", "market") == ["parking permit 7"]
        assert reasons("浙B400", "west") == [], "where the vehicle stands is not known"
        here = opened.exemptions("浙B400", "west", NOW, spot=Spot(121.5, 29.8))
        assert [each.reason for each in here] == ["parking permit 8"]
        assert reasons("浙B301", "market") == []


def _numbers(permits: tuple[Permit, ...]) -> list[str]:
    return [each.number for each in permits]


def test_permits_cover_zones_places_and_vehicles(tmp_path: Path) -> None:
    rows = (
        "zone,,market,,,,,,",
        "spot,,,121.5,29.8,20,,,",
        "spot in zone,,market,121.5,29.8,20,,,",
        "car,浙B1,,,,,,,",
        "car in zone,浙B1,market,,,,,,",
        "over,,market,,,,,2026-04-30,",
        "later,,market,,,,2026-05-02,,",
        "night,,market,,,,,,Mo-Su 20:00-02:00",
    )
    load(tmp_path, Kind.PARKING, write(tmp_path / "p.csv", _PERMITS, *rows))
    with registry(tmp_path) as opened:

        def ask(
            zone: str | None = None, spot: Spot | None = None, plate: str | None = None
        ) -> list[str]:
            found = opened.permits(Kind.PARKING, NOW, zone=zone, spot=spot, plate=plate)
            return _numbers(found)

        near, far = Spot(121.5, 29.8 + 19 * _METRE), Spot(121.5, 29.8 + 40 * _METRE)
        assert ask(zone="market") == ["zone", "spot in zone", "car in zone"]
        assert ask(zone="harbour") == []
        assert ask(spot=near) == ["spot", "spot in zone"]
        assert ask(spot=far) == []
        assert ask(spot=Spot(far.longitude, far.latitude, 25.0)) == ["spot", "spot in zone"]
        assert ask("market", far) == ["zone", "car in zone"]
        assert ask(plate="浙b·1") == ["car", "car in zone"]
        assert ask("market", plate="浙B1") == ["zone", "spot in zone", "car", "car in zone"]
        assert ask("market", plate="浙B2") == ["zone", "spot in zone"]
        assert ask("harbour", plate="浙B1") == ["car"]
        assert ask() == []
        night = opened.permits(Kind.PARKING, NOW - timedelta(hours=6), zone="market")
        assert "night" in _numbers(night)
        assert opened.permits(Kind.STALLS, NOW, zone="market") == ()
        with pytest.raises(RegistryError, match="vehicles has no permits"):
            opened.permits(Kind.VEHICLES, NOW, zone="market")


@given(
    latitude=st.floats(-80, 80),
    longitude=st.floats(-179, 179),
    radius_m=st.floats(0, 1000),
    north_m=st.floats(-900, 900),
    east_m=st.floats(-900, 900),
)
def test_the_index_of_places_misses_no_permit(
    tmp_path_factory: pytest.TempPathFactory,
    latitude: float,
    longitude: float,
    radius_m: float,
    north_m: float,
    east_m: float,
) -> None:
    folder = tmp_path_factory.mktemp("places")
    row = ("7", "", "", longitude, latitude, radius_m, "", "", "")
    load(folder, Kind.STALLS, write_rows(folder / "p.csv", _PERMITS, [row]))
    east = east_m * _METRE / math.cos(math.radians(latitude))
    spot = Spot(longitude + east, latitude + north_m * _METRE)
    permit = Permit("7", longitude=longitude, latitude=latitude, radius_m=radius_m)
    with registry(folder) as opened:
        found = opened.permits(Kind.STALLS, NOW, spot=spot)
    assert _numbers(found) == (["7"] if permit.covers(None, spot, None) else [])


def test_merchants_are_found_by_id_and_by_place(tmp_path: Path) -> None:
    rows = ("7,far,,121.5,29.81,", "8,next,market,121.5,29.8001,138", "9,here,,121.5,29.8,")
    header = "id,name,zone,longitude,latitude,phone"
    load(tmp_path, Kind.MERCHANTS, write(tmp_path / "m.csv", header, *rows))
    looks: list[Look] = []
    with registry(tmp_path, looks) as opened:
        next_door = Merchant("8", "next", "market", 121.5, 29.8001, has_contact=True)
        assert opened.merchant("8") == next_door
        assert opened.merchant("10") is None
        found = opened.merchants(Spot(121.5, 29.8), 50)
        assert [each.name for each in found] == ["here", "next"]
        assert [each.name for each in opened.merchants(Spot(121.5, 29.8), 5)] == ["here"]
        contact = opened.contact(
            "8", who="ann", role=Role.SUPERVISOR, why="case 7", kind=Kind.MERCHANTS
        )
    assert contact == Contact(phone="138")
    assert [(look.what, look.plate) for look in looks] == [("contact 8", None)]


def test_many_threads_ask_while_tables_are_replaced(tmp_path: Path) -> None:
    load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 50))
    done = threading.Event()
    wrong: list[object] = []

    def ask(opened_vehicle: Callable[[str], object]) -> None:
        number = 0
        while not done.is_set():
            number += 1
            try:
                if opened_vehicle(f"浙B{number % 50:05d}") is None:
                    wrong.append(number)
            except Exception as error:
                wrong.append(error)

    with registry(tmp_path) as opened:
        threads = [threading.Thread(target=ask, args=(opened.vehicle,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for turn in range(20):
            load(tmp_path, Kind.VEHICLES, vehicles(tmp_path, 50, f"owner {turn}"))
        done.set()
        for thread in threads:
            thread.join()
    assert wrong == []

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cv_engine.registry import Contact, Kind, RegistryError
from cv_engine.registry.tables.importing import import_file
from cv_engine.registry.tables.keys import KeyVariable, new_key
from cv_engine.registry.tables.rotation import rotate_key
from cv_engine.registry.tables.tables import Tables
from tests.registry.made import NOW, contact_of, key_file, load, vehicles, write

_WANTED = Contact("王小明", "13800000001", "street 1")


def _vehicles(folder: Path) -> None:
    load(folder, Kind.VEHICLES, vehicles(folder, 3))


def _text(*keys: bytes) -> str:
    return " ".join(base64.b64encode(key).decode() for key in keys)


def test_no_file_holds_contact_data_that_can_be_read(tmp_path: Path) -> None:
    _vehicles(tmp_path)
    assert contact_of(tmp_path, "浙B00001") == _WANTED
    files = [path for path in (tmp_path / "registry").iterdir() if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert not any(text.encode() in content for text in ("王小明", "1380000", "street"))


def test_the_key_is_made_by_the_first_import_for_its_owner_alone(tmp_path: Path) -> None:
    _vehicles(tmp_path)
    key = tmp_path / "key"
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    _vehicles(tmp_path)
    assert key.read_bytes() == before


def test_tables_without_contact_data_need_no_key(tmp_path: Path) -> None:
    load(tmp_path, Kind.EXEMPTIONS, write(tmp_path / "e.csv", "plate,reason", "浙B1,police"))
    assert not (tmp_path / "key").exists()


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda key: key.chmod(0o640), "others can read this key .* chmod 600 .* rotate-key"),
        (lambda key: key.write_text(""), "there is no key; make a key with: openssl rand"),
        (lambda key: key.write_text("c2hvcnQ="), "a key is not 32 bytes in base64"),
        (lambda key: key.write_bytes(b"\xff"), "is not a key file"),
        (lambda key: key.write_bytes(b"A" * 5000), "is not a key file"),
        (lambda key: key.unlink(), "the key of the contact data is missing: restore it"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused_without_being_shown(
    tmp_path: Path, damage: Callable[[Path], object], expected: str
) -> None:
    _vehicles(tmp_path)
    secret = (tmp_path / "key").read_text().strip()
    damage(tmp_path / "key")
    with pytest.raises(RegistryError, match=expected) as caught:
        contact_of(tmp_path, "浙B00001")
    assert secret not in str(caught.value)


def test_the_wrong_key_shows_nothing_and_is_named(tmp_path: Path) -> None:
    _vehicles(tmp_path)
    right = key_file(tmp_path).read().newest
    wrong = new_key()
    key_file(tmp_path).replace([wrong])
    with pytest.raises(RegistryError, match=f"with the key {right.id}, .* only {wrong.id}"):
        contact_of(tmp_path, "浙B00001")
    with pytest.raises(RegistryError, match=r"which .*key does not have: restore it"):
        rotate_key(tmp_path / "registry", key_file(tmp_path), lambda *_: None)
    key_file(tmp_path).replace([wrong, right])
    assert contact_of(tmp_path, "浙B00001") == _WANTED


def test_no_new_key_is_made_while_a_table_needs_the_lost_one(tmp_path: Path) -> None:
    _vehicles(tmp_path)
    (tmp_path / "key").unlink()
    shops = write(tmp_path / "m.csv", "id,name,phone", "1,shop,12345")
    with pytest.raises(RegistryError, match="key of the contact data in vehicles is missing"):
        load(tmp_path, Kind.MERCHANTS, shops)
    _vehicles(tmp_path)  # the same registry again: nothing is lost by a new key
    assert contact_of(tmp_path, "浙B00001") == _WANTED


def test_contact_data_of_another_row_are_refused(tmp_path: Path) -> None:
    _vehicles(tmp_path)
    with closing(sqlite3.connect(tmp_path / "registry" / "vehicles.db")) as table, table:
        table.execute(
            "UPDATE records SET contact = (SELECT contact FROM records WHERE plate = '浙B00002') "
            "WHERE plate = '浙B00001'"
        )
    with pytest.raises(RegistryError, match="contact data of 浙B00001 in vehicles were changed"):
        contact_of(tmp_path, "浙B00001")


def test_equal_contact_data_look_different_in_the_table(tmp_path: Path) -> None:
    rows = [f"浙B0000{n},王小明,13800000000" for n in range(9)]
    load(tmp_path, Kind.VEHICLES, write(tmp_path / "v.csv", "plate,owner,phone", *rows))
    with closing(sqlite3.connect(tmp_path / "registry" / "vehicles.db")) as table:
        sealed = [row[0] for row in table.execute("SELECT contact FROM records")]
    assert len(set(sealed)) == 9


def test_a_key_of_the_environment_is_changed_by_its_owner(tmp_path: Path) -> None:
    old, new = bytes(32), bytes(range(32))
    folder, file = tmp_path / "registry", vehicles(tmp_path, 3)

    def keys(*secrets: bytes) -> KeyVariable:
        return KeyVariable("REGISTRY_KEY", _text(*secrets))

    def read(variable: KeyVariable) -> Contact | None:
        with closing(Tables(folder, variable)) as opened:
            return opened.contact(Kind.VEHICLES, "浙B00001")

    import_file(folder, Kind.VEHICLES, file, keys(old), NOW, lambda *_: None)
    assert read(keys(old)) == _WANTED
    with pytest.raises(RegistryError, match="REGISTRY_KEY holds one key: put a new one before"):
        rotate_key(folder, keys(old), lambda *_: None)
    rotate_key(folder, keys(new, old), lambda *_: None)
    assert read(keys(new)) == _WANTED
    with pytest.raises(RegistryError, match="restore that key"):
        read(keys(old))
    with pytest.raises(RegistryError, match="REGISTRY_KEY is not set"):
        read(KeyVariable("REGISTRY_KEY", None))


def test_nothing_that_shows_a_key_shows_its_secret() -> None:
    key = new_key()
    shown = f"{key!r} {KeyVariable('NAME', _text(key.secret))!r} {key.id}"
    assert _text(key.secret) not in shown
    assert repr(key.secret) not in shown

"""A package is verified by the key that held when it was sealed; a revoked key says why."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.keys import KeyRecord, KeyRing, Revocation, encode_register, read_register
from cv_engine.evidence.manifest import Manifest, Sealed
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.validity import Proven, key_statement

NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "data")


def _states(ring: KeyRing) -> list[str]:
    return [
        "revoked" if each.revoked else "signs" if each.retired is None else "replaced"
        for each in ring.records()
    ]


def test_the_first_key_is_made_and_registered_once(ring: KeyRing) -> None:
    first = ring.load_or_create(NOW)
    again = ring.load_or_create(NOW + HOUR)
    assert first.fingerprint == again.fingerprint
    assert ring.records() == [KeyRecord(first.public_key, NOW)]
    assert ring.private.stat().st_mode & 0o777 == 0o600


def test_a_key_of_an_earlier_release_is_registered_without_its_age(ring: KeyRing) -> None:
    old = SigningKey.load_or_create(ring.private)
    assert ring.load_or_create(NOW).fingerprint == old.fingerprint
    assert ring.records() == [KeyRecord(old.public_key, None)]


def test_rotation_replaces_the_key_and_destroys_it(ring: KeyRing) -> None:
    first = ring.load_or_create(NOW)
    second = ring.rotate(NOW + HOUR)
    assert second.fingerprint != first.fingerprint
    assert ring.load_or_create(NOW + HOUR).fingerprint == second.fingerprint
    assert ring.records() == [
        KeyRecord(first.public_key, NOW, NOW + HOUR),
        KeyRecord(second.public_key, NOW + HOUR),
    ]
    assert ring.private.stat().st_mode & 0o777 == 0o600
    files = [path.read_bytes() for path in ring.private.parent.iterdir()]
    assert not any(first.pem in data for data in files)


def test_a_program_that_runs_uses_the_new_key(ring: KeyRing) -> None:
    running = ring.load_or_create(NOW)
    new = KeyRing(ring.private.parent).rotate(NOW + HOUR)
    assert running.current().fingerprint == new.fingerprint


def test_a_key_that_was_moved_away_is_replaced(ring: KeyRing) -> None:
    ring.load_or_create(NOW)
    ring.private.unlink()
    ring.load_or_create(NOW + HOUR)
    assert _states(ring) == ["replaced", "signs"]


def test_a_run_killed_between_key_and_register_is_completed(ring: KeyRing) -> None:
    ring.load_or_create(NOW)
    SigningKey.replace(ring.private)  # and then the process died
    ring.load_or_create(NOW + HOUR)
    assert _states(ring) == ["replaced", "signs"]


def test_the_key_that_signs_is_replaced_before_it_is_revoked(ring: KeyRing) -> None:
    key = ring.load_or_create(NOW)
    revoked = ring.revoke(key.fingerprint[:12].upper(), "copied", NOW + HOUR, NOW + 2 * HOUR)
    assert revoked.revoked == Revocation(NOW + 2 * HOUR, NOW + HOUR, "copied")
    assert _states(ring) == ["revoked", "signs"]
    with pytest.raises(EvidenceError, match=r"was revoked at .* already: copied"):
        ring.revoke(key.fingerprint, "again", NOW, NOW + 3 * HOUR)


@pytest.mark.parametrize("name", ["", "zz", "ff" * 32])
def test_a_key_that_is_not_there_is_not_revoked(ring: KeyRing, name: str) -> None:
    ring.load_or_create(NOW)
    with pytest.raises(EvidenceError, match="names no key of this station"):
        ring.revoke(name, "why", NOW, NOW)


def test_a_key_that_was_replaced_does_not_come_back(ring: KeyRing) -> None:
    ring.load_or_create(NOW)
    old = ring.private.read_bytes()
    ring.rotate(NOW + HOUR)
    ring.private.write_bytes(old)
    with pytest.raises(EvidenceError, match="holds a key that was replaced at 2026-05-01T09:00"):
        ring.load_or_create(NOW + 2 * HOUR)


def test_what_cannot_be_done_is_refused(ring: KeyRing) -> None:
    with pytest.raises(EvidenceError, match="there is no key yet"):
        ring.rotate(NOW)
    key = ring.create(NOW)
    with pytest.raises(EvidenceError, match="there is a key already"):
        ring.create(NOW)
    with pytest.raises(EvidenceError, match="lies in the future"):
        ring.revoke(key.fingerprint, "why", NOW + HOUR, NOW)
    assert _states(ring) == ["signs"]


def test_processes_that_rotate_at_once_leave_one_key_that_signs(ring: KeyRing) -> None:
    ring.load_or_create(NOW)
    code = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path; "
        "from cv_engine.evidence.keys import KeyRing; "
        "KeyRing(Path(sys.argv[1])).rotate(datetime.now(UTC))"
    )
    words = [sys.executable, "-c", code, str(ring.private.parent)]
    runs = [subprocess.Popen(words) for _ in range(3)]
    assert [run.wait(120) for run in runs] == [0, 0, 0]
    now = SigningKey.load_or_create(ring.private)
    assert len(ring.records()) == 4
    signing = [each.public_key for each in ring.records() if each.retired is None]
    assert signing == [now.public_key]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"schema": "cv-engine/keys/2", "keys": []}', b"[" * 100_000,
     b'{"schema": "cv-engine/keys/1", "keys": [{"public_key": "00"}]}'],
)  # fmt: skip
def test_a_damaged_register_is_reported(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match="is no register of keys"):
        read_register(path)


_times = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
_records = st.builds(
    KeyRecord,
    st.binary(min_size=32, max_size=32),
    st.none() | _times,
    st.none() | _times,
    st.none() | st.builds(Revocation, _times, _times, st.text(max_size=9)),
)


@settings(max_examples=50)
@given(st.lists(_records, max_size=4))
def test_a_register_reads_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, records: list[KeyRecord]
) -> None:
    path = tmp_path_factory.mktemp("register") / "keys.json"
    path.write_bytes(encode_register(records))
    assert read_register(path) == records


KEY = bytes(range(32))


def _manifest(sealed: datetime | None, key: bytes = KEY) -> Manifest:
    return Manifest((), key, {}, None if sealed is None else Sealed(sealed))


@settings(max_examples=300)
@given(sealed=_times, created=_times, life=st.timedeltas(timedelta(0), timedelta(days=900)))
def test_a_signature_counts_while_its_key_held(
    sealed: datetime, created: datetime, life: timedelta
) -> None:
    record, set_by = KeyRecord(KEY, created, created + life), timedelta(minutes=2)
    said = key_statement(_manifest(sealed), [KeyRecord(bytes(32)), record], None)
    assert (not said.wrong) == (created - set_by <= sealed <= created + life + set_by)


@settings(max_examples=300)
@given(since=_times, stamped=st.none() | _times, filed=st.none() | _times)
def test_a_revoked_key_counts_only_where_somebody_else_proves_the_age(
    since: datetime, stamped: datetime | None, filed: datetime | None
) -> None:
    record = KeyRecord(KEY, None, since, Revocation(since, since, "the disk was stolen"))
    early = datetime(2000, 1, 1, tzinfo=UTC)  # whoever has the key writes any time
    said = key_statement(_manifest(early), [record], Proven.of(stamped, filed))
    is_proven = any(at is not None and at < since for at in (stamped, filed))
    assert (not said.wrong) == is_proven
    assert "the disk was stolen" in " ".join([*said.wrong, *said.notes])


def test_a_key_of_somebody_else_is_named() -> None:
    said = key_statement(_manifest(NOW, bytes(32)), [KeyRecord(KEY)], None)
    assert "is no key of this station" in said.wrong[0]
    noted = key_statement(_manifest(NOW, bytes(32)), [KeyRecord(KEY)], None, only_these=False)
    assert noted.wrong == [] and "is in no register here" in noted.notes[0]


def test_packages_of_earlier_releases_say_no_time_and_are_accepted() -> None:
    assert key_statement(_manifest(None), [KeyRecord(KEY, NOW, NOW)], None).wrong == []

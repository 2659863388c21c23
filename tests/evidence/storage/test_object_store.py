"""A package is in object storage whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cv_engine.evidence.errors import EvidenceError, StoreError
from cv_engine.evidence.manifest import MANIFEST, SIGNATURE
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.storage.opening import open_store
from cv_engine.evidence.storage.store import Store
from cv_engine.evidence.verify import verify
from tests.evidence.packages import CLIP, PART, content, package, written
from tests.evidence.storage.object_server import BUCKET, SECRET, Line, ObjectServer

pytest.importorskip("obstore", reason="the extra s3 is not installed")

ADDRESS = f"s3://{BUCKET}/district/west"
_SOON_S = 0.6  # patience where no answer is going to come
_LONGEST_S = 120.0  # a busy machine takes its time


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 3 * PART - 7])
def test_package_is_stored_and_fetched(
    store: Store, spool: Path, held: Path, tmp_path: Path, key: SigningKey, size: int
) -> None:
    folder = package(spool, key, clip=os.urandom(size))
    name = folder.name
    assert store.names() == [] and not store.has(name)
    store.put(folder)
    assert store.names() == [name] and store.has(name)
    assert content(held / name) == content(folder)
    assert store.problems(name, key.fingerprint) == []
    assert "not the trusted key" in str(store.problems(name, "0" * 64)[0])
    back = store.fetch(name, tmp_path / "back")
    assert content(back) == content(folder)
    assert list((tmp_path / "back").iterdir()) == [back]


@pytest.mark.parametrize("etags", ["MD5", "SHA-1"])
def test_put_twice_is_sent_once(
    environment: pytest.MonkeyPatch, spool: Path, tmp_path: Path, key: SigningKey, etags: str
) -> None:
    """Also where the server's tags do not depend on the content, as for encrypted objects."""
    with ObjectServer(tmp_path / "server", "--etag-hash", etags) as server:
        environment.setenv("AWS_ENDPOINT_URL", server.url)
        store = open_store(ADDRESS)
        folder = package(spool, key, clip=os.urandom(PART + 1))
        store.put(folder)
        before = written(server.folder)
        store.put(folder)
        assert written(server.folder) == before
        clip = server.folder / BUCKET / "district/west" / folder.name / CLIP
        server.put(clip, os.urandom(PART + 1))
        store.put(folder)
        assert clip.read_bytes() == (folder / CLIP).read_bytes()


@pytest.mark.parametrize("after", [0, 3_000, 9_000, 100_000, 3_000_000])
def test_broken_upload_is_not_taken_for_a_package(
    address: str, held: Path, spool: Path, line: Line, tmp_path: Path, key: SigningKey, after: int
) -> None:
    folder = package(spool, key, clip=os.urandom(2 * PART))
    line.breaks_after, line.breaks = after, 10**9
    with pytest.raises(StoreError, match="does not answer"):
        open_store(address, _SOON_S).put(folder)
    line.repair()
    assert not (held / folder.name / SIGNATURE).exists()
    store = open_store(address)
    assert store.names() == [] and not store.has(folder.name)
    with pytest.raises(EvidenceError, match="in the store is damaged"):
        store.fetch(folder.name, tmp_path / "back")
    assert list((tmp_path / "back").iterdir()) == []
    store.put(folder)
    assert store.problems(folder.name) == []


def test_upload_survives_a_line_that_breaks_now_and_then(
    address: str, spool: Path, line: Line, key: SigningKey
) -> None:
    folder = package(spool, key, clip=os.urandom(2 * PART))
    line.breaks_after, line.breaks = 1_000_000, 3
    store = open_store(address)
    store.put(folder)
    assert line.breaks == 0
    assert store.problems(folder.name) == []


def test_server_that_hangs_is_given_up(
    address: str, spool: Path, line: Line, key: SigningKey
) -> None:
    folder = package(spool, key)
    line.stalls_after = -1
    with pytest.raises(StoreError, match="does not answer"):
        open_store(address, _SOON_S).put(folder)


def _assert_all_refused(store: Store, folder: Path, message: str) -> None:
    requests: list[Callable[[], object]] = [
        lambda: store.put(folder),
        lambda: store.has(folder.name),
        store.names,
        lambda: store.fetch(folder.name, folder.parent / "back"),
        lambda: store.problems(folder.name),
    ]
    for request in requests:
        with pytest.raises(StoreError, match=message) as caught:
            request()
        assert "hunter2" not in str(caught.value) and SECRET not in str(caught.value)
    assert verify(folder) == []


@pytest.mark.parametrize(
    ("variables", "place", "message"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "hunter2"}, ADDRESS, r"refused \(SignatureDoesNotMatch\)"),
        ({"AWS_ACCESS_KEY_ID": "hunter2"}, ADDRESS, r"refused \(InvalidAccessKeyId\)"),
        ({}, "s3://hunters/x", r"hunters: there is no such bucket; make it"),
    ],
)
def test_store_that_refuses(
    address: str,
    environment: pytest.MonkeyPatch,
    spool: Path,
    key: SigningKey,
    variables: dict[str, str],
    place: str,
    message: str,
) -> None:
    folder = package(spool, key)
    for name, value in variables.items():
        environment.setenv(name, value)
    _assert_all_refused(open_store(place), folder, message)


def test_server_that_is_not_there(
    environment: pytest.MonkeyPatch, spool: Path, key: SigningKey
) -> None:
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    store = open_store(ADDRESS, _SOON_S)
    _assert_all_refused(store, package(spool, key), "does not answer; check AWS_ENDPOINT_URL")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        pytest.param(CLIP, b"CLIP", id="other content"),
        pytest.param(CLIP, b"cl", id="cut short"),
        pytest.param(CLIP, None, id="lost file"),
        pytest.param(MANIFEST, b"{}", id="manifest"),
        pytest.param(MANIFEST, None, id="no manifest"),
        pytest.param(SIGNATURE, bytes(64), id="signature"),
        pytest.param(SIGNATURE, None, id="no signature"),
    ],
)
def test_damage_on_the_server_is_found_and_repaired(
    store: Store,
    running: ObjectServer,
    spool: Path,
    held: Path,
    tmp_path: Path,
    key: SigningKey,
    path: str,
    content: bytes | None,
) -> None:
    folder = package(spool, key)
    store.put(folder)
    if content is None:
        running.delete(held / folder.name / path)
    else:
        running.put(held / folder.name / path, content)
    assert path in [problem.where for problem in store.problems(folder.name)]
    with pytest.raises(EvidenceError, match="in the store is damaged"):
        store.fetch(folder.name, tmp_path / "back")
    store.put(folder)
    assert store.problems(folder.name) == []


@pytest.mark.parametrize("added", ["original/more.jpg", "more", "original/a\nb"])
def test_object_added_on_the_server_is_found_and_kept(
    store: Store, running: ObjectServer, spool: Path, held: Path, key: SigningKey, added: str
) -> None:
    folder = package(spool, key)
    store.put(folder)
    running.stop()  # clients refuse to send some of these names
    (held / folder.name / added).write_bytes(b"more")
    running.start()
    assert any("was added" in str(problem) for problem in store.problems(folder.name))
    assert not store.has(folder.name)
    with pytest.raises(EvidenceError, match="was added to the package"):
        store.put(folder)
    assert (held / folder.name / added).exists()


def test_missing_package_is_reported(store: Store) -> None:
    assert [str(problem) for problem in store.problems("none")] == ["manifest.json: is missing"]


def test_another_signed_package_is_never_overwritten(
    store: Store, spool: Path, held: Path, tmp_path: Path, key: SigningKey
) -> None:
    store.put(package(spool, key, clip=b"first"))
    second = package(tmp_path / "second", key, clip=b"second")
    before = content(held)
    with pytest.raises(EvidenceError, match="holds another signed package"):
        store.put(second)
    assert content(held) == before and verify(second) == []


def test_leftovers_of_an_interrupted_upload_are_replaced(
    store: Store, running: ObjectServer, spool: Path, held: Path, key: SigningKey
) -> None:
    folder = package(spool, key)
    for path in ("original/clip-start.mp4", CLIP, MANIFEST):
        running.put(held / folder.name / path, b"of an earlier run")
    store.put(folder)
    assert store.problems(folder.name) == []


def test_server_that_comes_back_in_time_is_retried(
    environment: pytest.MonkeyPatch, tmp_path: Path, spool: Path, key: SigningKey
) -> None:
    folder = package(spool, key)
    with ObjectServer(tmp_path / "server") as server:
        environment.setenv("AWS_ENDPOINT_URL", server.url)
        server.stop()
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(open_store(ADDRESS, _LONGEST_S).put, folder)
            with pytest.raises(TimeoutError):
                sending.result(_SOON_S)
            server.start()
            sending.result()
        assert open_store(ADDRESS).problems(folder.name) == []
